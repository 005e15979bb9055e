"""LoRA: the buffers that vLLM's own modules allocate, to the byte; and what else a start-up takes with adapters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.capacity.startup.adapters import adapter_bytes, adapter_pass_bytes
from vlm_operator.capacity.startup.model import stage_terms, startup_terms
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.reader import read_model_facts
from vlm_operator.planning.resolution import resolved

HERE = Path(__file__)
VERSION = EngineVersion(0, 33)
CONFIGS = {
    row["model"]: row["config"]
    for row in map(json.loads, (HERE.parents[1] / "weights" / "vllm_figures.jsonl").read_text().splitlines())
}
MEASURED = [json.loads(line) for line in HERE.with_name("lora_buffers.jsonl").read_text().splitlines()]
"""Sums over ``lora_a_stacked`` and ``lora_b_stacked`` of vLLM 0.33's modules, built by its own loader without a GPU.

``counted_more``: a layer that the class fuses under one adapter is counted with one A for each member, and embeddings
where it is not known whether they take adapters: never less than vLLM allocates."""

TOKENS = 2048
INDICES = 48 * TOKENS


def facts(name: str) -> ModelFacts:
    return read_model_facts(CONFIGS[name], model=name, source="test")


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: f"{row['model']}-{'-'.join(map(str, row['flags'].values()))}")
def test_buffers_are_those_of_vllms_modules(row: dict[str, Any]) -> None:
    settings = EngineSettings(enable_lora=True, max_num_batched_tokens=TOKENS, **row["flags"])
    (found,) = adapter_bytes(facts(row["model"]), settings, VERSION)
    assert found - INDICES == row["bytes"] + row.get("counted_more", 0)


def test_without_adapters_nothing_is_taken() -> None:
    settings = EngineSettings(max_num_batched_tokens=TOKENS, max_loras=4, max_lora_rank=64)
    assert adapter_bytes(facts("qwen3"), settings, VERSION) == (0,)
    assert adapter_pass_bytes(facts("qwen3"), settings) == 0


def test_stages_of_a_pipeline_share_the_buffers() -> None:
    settings = EngineSettings(enable_lora=True, max_num_batched_tokens=TOKENS)
    whole = adapter_bytes(facts("llama"), settings, VERSION)[0]
    first, last = adapter_bytes(facts("llama"), settings.with_(pipeline_parallel_size=2), VERSION)
    assert first + last == whole + INDICES
    assert first == last  # the embedding on one, the output matrix on the other


def test_a_release_that_did_not_adapt_the_embedding_takes_less() -> None:
    settings = EngineSettings(enable_lora=True, max_num_batched_tokens=TOKENS)
    older, newer = (adapter_bytes(facts("qwen3_5"), settings, EngineVersion(0, minor))[0] for minor in (28, 33))
    text = CONFIGS["qwen3_5"]["text_config"]
    assert newer - older == 2 * 16 * (text["vocab_size"] + text["hidden_size"]) * 2


def test_a_model_whose_layers_are_not_known_is_unknown() -> None:
    settings = EngineSettings(enable_lora=True, max_num_batched_tokens=TOKENS)
    with pytest.raises(UnknownFact, match="enable-lora: the linear layers of"):
        adapter_bytes(replace(facts("qwen3"), weights=None), settings, VERSION)


def test_the_budget_counts_buffers_as_weights_and_twice_the_graphs() -> None:
    model, card, version = qwen3_vl(), gpu("H100"), EngineVersion(0, 33)
    plain = resolved(EngineSettings(max_model_len=8192), model, card, version)
    adapted = plain.with_(enable_lora=True, max_loras=4, max_lora_rank=64)
    before, after = (startup_terms(model, card, settings, version) for settings in (plain, adapted))
    assert after.weights_bytes - before.weights_bytes == adapter_bytes(model, adapted, version)[0]
    assert [(term.name, term.size_bytes) for term in after.beside] == [
        ("LoRA adapters", adapter_bytes(model, adapted, version)[0])
    ]
    assert before.beside == ()
    assert 1.7 * before.cuda_graph_bytes < after.cuda_graph_bytes < 2 * before.cuda_graph_bytes
    assert after.variance > before.variance
    assert stage_terms(model, card, adapted, version)[0].fixed_bytes > before.fixed_bytes


def test_experts_hold_results_and_indices_for_each_of_a_tokens_experts() -> None:
    settings = EngineSettings(enable_lora=True, max_loras=2, max_lora_rank=64, max_num_batched_tokens=TOKENS)
    model = facts("qwen3_moe")
    assert model.text.experts is not None
    pairs, experts = TOKENS * model.text.experts.experts_per_token, model.text.experts.experts
    assert adapter_pass_bytes(model, settings) == max(
        4 * TOKENS * 64 * 4, 2 * pairs * 64 * 2 + 3 * (pairs + experts * 64) * 4
    )
    assert adapter_pass_bytes(facts("qwen3"), settings) == 4 * TOKENS * 64 * 4
