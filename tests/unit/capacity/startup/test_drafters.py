"""Speculative decoding: weights, KV cache, graphs and passes of drafters, as vLLM's own code has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builders import gpu
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.capacity.startup.budget import Moments
from vlm_operator.capacity.startup.drafter import drafter_bytes, is_counted
from vlm_operator.capacity.startup.model import startup_terms
from vlm_operator.engine.defaults import capture_sizes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.speculation import Speculation, speculation_of
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.reader import read_model_facts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.resolution import resolved
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import load_model
from vlm_operator.units import GIB

HERE = Path(__file__)
VERSION = EngineVersion(0, 33)
CONFIGS = {
    row["model"]: row["config"]
    for row in map(json.loads, (HERE.parents[1] / "weights" / "vllm_figures.jsonl").read_text().splitlines())
}
MEASURED = [json.loads(line) for line in HERE.with_name("drafter_figures.jsonl").read_text().splitlines()]
"""Of vLLM 0.33's own loader without a GPU: bytes of the drafter's tensors that are not the model's own, how many batch
sizes are captured for 64 sequences and 2,048 tokens, and how many layers have a cache."""


def facts(name: str) -> ModelFacts:
    return read_model_facts(CONFIGS[name], model=name, source="test")


def mtp(tokens: int = 1, **more: Any) -> EngineSettings:
    config = json.dumps({"method": "mtp", "num_speculative_tokens": tokens})
    return EngineSettings(max_num_seqs=64, max_num_batched_tokens=2048, speculative_config=config, **more)


@pytest.mark.parametrize(
    "row", MEASURED, ids=lambda row: f"{row['model']}-{row['tokens']}-{row['tensor_parallel_size']}"
)
def test_drafters_are_those_of_vllms_loader(row: dict[str, Any]) -> None:
    model, settings = facts(row["model"]), mtp(row["tokens"], tensor_parallel_size=row["tensor_parallel_size"])
    embeddings = 2048 * model.text.hidden_size * 2 if model.encodes else 0
    assert drafter_bytes(model, settings, VERSION) == (row["bytes"],)
    assert drafter_bytes(model, settings.with_(runner="V2"), VERSION) == (row["bytes"] + embeddings,)
    sizes = capture_sizes(
        VERSION,
        max_num_seqs=64,
        max_num_batched_tokens=2048,
        compute_capability=(9, 0),
        drafted_tokens=row["tokens"],
    )
    assert len(sizes) == row["capture_sizes"]
    layout = kv_layout(model, settings, VERSION, (9, 0))
    assert sum(group.layers for group in layout.groups) == row["caches"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, None),
        ({"method": "ngram", "num_speculative_tokens": 3, "prompt_lookup_max": 4}, Speculation("ngram", 3)),
        ({"method": "deepseek_mtp", "num_speculative_tokens": 1}, Speculation("mtp", 1)),
        ({"method": "mtp"}, Speculation("mtp", 1)),
        ({"model": "a/b", "num_speculative_tokens": 2}, Speculation("", 2, plain=False)),
    ],
)
def test_what_drafts_is_read_from_the_config(config: dict[str, Any] | None, expected: Speculation | None) -> None:
    text = None if config is None else json.dumps(config)
    assert speculation_of(EngineSettings(speculative_config=text)) == expected


@pytest.mark.parametrize(
    ("model", "config", "counted"),
    [
        ("qwen3_5", {"method": "mtp", "num_speculative_tokens": 2}, True),
        ("qwen3", {"method": "ngram", "num_speculative_tokens": 2}, True),
        ("qwen3", {"method": "mtp", "num_speculative_tokens": 2}, False),
        ("qwen3", {"method": "eagle3", "model": "a/b", "num_speculative_tokens": 2}, False),
        ("qwen3_5", {"method": "mtp", "num_speculative_tokens": 2, "quantization": "fp8"}, False),
        ("qwen3", {"method": "ngram"}, False),
    ],
)
def test_a_plan_is_certain_only_with_drafters_that_are_counted(
    model: str, config: dict[str, Any], counted: bool
) -> None:
    settings = EngineSettings(max_model_len=4096, speculative_config=json.dumps(config))
    assert is_counted(facts(model), settings) is counted
    intent = Intent(settings=settings, pinned=frozenset({"max_model_len", "speculative_config"}), gpu_count=1)
    found = plan(facts(model), gpu("H100"), intent)
    expected = (Verdict.FITS, Reason.FITS) if counted else (Verdict.FITS_TIGHT, Reason.UNCOUNTED_FLAGS)
    assert (found.verdict, found.reason) == expected
    assert ("--speculative-config changes memory" in found.message) is not counted


def moments(model: ModelFacts, settings: EngineSettings) -> Moments:
    card = gpu("H100")
    found = startup_terms(model, card, resolved(settings, model, card, VERSION), VERSION).activation.moments
    assert found is not None
    return found


def test_the_drafters_pass_holds_two_rows_more_than_the_same_layer_of_the_model() -> None:
    """0.33's profiling run of GLM-4.5's layers: 134,223,872 bytes more at 8,192 tokens of 4,096 elements."""
    model = facts("glm4_moe")
    plain = EngineSettings(max_model_len=4096, max_num_seqs=256, max_num_batched_tokens=8192)
    drafting = plain.with_(speculative_config=mtp().speculative_config)
    assert moments(model, drafting).text_bytes - moments(model, plain).text_bytes == 2 * 8192 * 4096 * 2
    assert moments(model, drafting).sampler_bytes == moments(model, plain).sampler_bytes


def test_a_hybrids_own_layers_decide_beside_the_drafters() -> None:
    """0.33's profiling run of Qwen3-Next takes the same with a drafter and without: linear attention is wider."""
    model = facts("qwen3_next")
    plain = EngineSettings(max_model_len=4096, max_num_seqs=256, max_num_batched_tokens=8192)
    drafting = plain.with_(speculative_config=mtp().speculative_config)
    assert moments(model, drafting).text_bytes == moments(model, plain).text_bytes


@pytest.mark.parametrize("tokens", [1, 3])
def test_a_hybrid_keeps_a_state_for_every_drafted_token(tokens: int) -> None:
    """0.33 on a GPU without prefill checkpoints: blocks of 544 and 560 tokens for one and three drafted tokens."""
    model, settings = facts("qwen3_next"), mtp(tokens, enable_prefix_caching=False)
    layout = kv_layout(model, settings, VERSION, (8, 0))
    assert layout.block_size == {1: 544, 3: 560}[tokens]
    assert [(group.kind, group.layers) for group in layout.groups] == [
        ("Mamba", 2),
        ("Mamba", 1),
        ("FullAttention", 2),
    ]
    without = kv_layout(model, settings.with_(speculative_config=None), VERSION, (8, 0))
    assert layout.blocks_per_request(1) == 2 * (1 + tokens) + 1
    assert without.blocks_per_request(1) == 3 + 1


def test_the_first_runner_profiles_the_rejection_of_drafts() -> None:
    model, card, version = facts("qwen3"), gpu("H100"), EngineVersion(0, 20)
    plain = resolved(EngineSettings(max_model_len=4096, max_num_seqs=64), model, card, version)
    ngram = json.dumps({"method": "ngram", "num_speculative_tokens": 2})
    before, after = (
        startup_terms(model, card, settings, version) for settings in (plain, plain.with_(speculative_config=ngram))
    )
    sampler = [terms.activation.moments.sampler_bytes for terms in (before, after)]
    assert plain.runner == "V1"
    assert sampler[1] - sampler[0] == 2 * 64 * model.text.vocab_size * 2
    assert after.variance > before.variance


@pytest.mark.parametrize(
    ("model", "version", "tokens", "batched", "printed"),
    [
        pytest.param("nvidia/Qwen3.6-35B-A3B-NVFP4", "0.22.1", 2, 8192, 21.93, id="nvidia-35b-gb10"),
    ],
)
def test_published_starts_print_these_weights(
    model: str, version: str, tokens: int, batched: int, printed: float
) -> None:
    """ "Model loading took" of a start-up of docs/accuracy.md (99sono, GB10), two decimals."""
    found, card, release = load_model(model, offline=True), gpu("GB10"), EngineVersion.parse(version)
    settings = mtp(tokens).with_(max_num_batched_tokens=batched, max_num_seqs=5, max_model_len=262_144)
    terms = startup_terms(found, card, resolved(settings, found, card, release), release)
    assert terms.weights_bytes / GIB == pytest.approx(printed, abs=0.02)
