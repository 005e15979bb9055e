"""Flags that exclude each other, for a model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility import Infeasible, InfeasibleReason, checks_of, refusals
from vlm_operator.model.facts import ModelFacts, Quantization
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.report import command
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model


def refused(model: ModelFacts, minor: int = 32, **flags: object) -> tuple[Infeasible, ...]:
    return refusals(model, EngineSettings(**flags), gpu("L40S"), EngineVersion(0, minor))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        pytest.param({"enable_expert_parallel": True}, "enable_expert_parallel", id="no experts"),
        pytest.param(
            {"enable_chunked_prefill": False, "max_num_batched_tokens": 4096, "max_model_len": 8192},
            "max_num_batched_tokens",
            id="a batch below the context without chunks",
        ),
    ],
)
def test_flags_that_exclude_each_other_are_refused(flags: dict[str, object], flag: str) -> None:
    found = refused(qwen3_vl(), **flags)
    assert [(refusal.reason, refusal.flag) for refusal in found] == [(InfeasibleReason.FLAGS_CONTRADICT, flag)]


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({"max_num_batched_tokens": 4096, "max_model_len": 8192}, id="chunks"),
        pytest.param({"enable_chunked_prefill": False, "max_model_len": 8192}, id="vLLM raises its own batch"),
        pytest.param(
            {"enable_chunked_prefill": False, "max_num_batched_tokens": 8192, "max_model_len": 8192},
            id="whole",
        ),
    ],
)
def test_what_vllm_takes_is_not_refused(flags: dict[str, object]) -> None:
    assert refused(qwen3_vl(), **flags) == ()


def test_a_model_that_reads_items_whole_needs_a_batch_for_the_largest() -> None:
    model = load_model("google/gemma-3-4b-it", offline=True)
    found = refused(model, max_num_batched_tokens=128, max_num_seqs=4)
    assert [refusal.flag for refusal in found] == ["max_num_batched_tokens"]
    assert "256 tokens" in found[0].message
    assert refused(model, max_num_batched_tokens=256) == ()
    assert refused(model, minor=12, max_num_batched_tokens=128) == ()
    none = (("image", ModalityLimit(0)),)
    assert refused(model, max_num_batched_tokens=128, limit_mm_per_prompt=none) == ()


def test_a_pinned_pair_is_unsupported_and_a_free_one_is_mended() -> None:
    model = load_model("google/gemma-3-4b-it", offline=True)
    settings = EngineSettings(max_num_batched_tokens=128, max_num_seqs=4)
    pinned = Intent(settings=settings, pinned=frozenset({"max_num_batched_tokens", "max_num_seqs"}))
    assert plan(model, gpu("L40S"), pinned).verdict is Verdict.UNSUPPORTED
    free = checks_of(model, gpu("L40S"), EngineVersion(0, 32)).feasible(settings, frozenset())
    assert free.max_num_batched_tokens == 256


@pytest.mark.parametrize(
    ("name", "stands"),
    [
        pytest.param("OpenGVLab/InternVL3_5-8B", True, id="a config class in the repository"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", False, id="a class of Transformers"),
    ],
)
def test_the_command_trusts_remote_code_where_the_model_does_not_load_without(name: str, stands: bool) -> None:
    found = plan(load_model(name, offline=True), gpu("L40S"), Intent())
    assert ("--trust-remote-code" in command(found)) is stands
    pinned = Intent(pinned=frozenset({"trust_remote_code"}))
    assert "--trust-remote-code" not in command(plan(load_model(name, offline=True), gpu("L40S"), pinned))


@pytest.mark.parametrize(
    ("method", "minor", "refused_flags"),
    [
        pytest.param("fp8", 32, ["kv_cache_dtype"], id="FP8 checkpoint"),
        pytest.param("compressed-tensors", 23, ["kv_cache_dtype"], id="compressed-tensors to 0.23"),
        pytest.param("compressed-tensors", 24, [], id="compressed-tensors from 0.24 where it holds no scales"),
        pytest.param("awq", 23, [], id="AWQ holds no scales of a cache"),
    ],
)
def test_a_cache_in_e5m2_excludes_checkpoints_with_scales_for_a_cache(
    method: str, minor: int, refused_flags: list[str]
) -> None:
    model = replace(qwen3_vl(), quantization=Quantization(method, 8 if method == "fp8" else 4, 128))
    found = refused(model, minor, kv_cache_dtype="fp8_e5m2")
    assert [refusal.flag for refusal in found if refusal.flag == "kv_cache_dtype"] == refused_flags


@pytest.mark.parametrize(
    ("minor", "flags", "refused_flags"),
    [
        pytest.param(19, {"max_num_batched_tokens": 512}, ["max_num_batched_tokens"], id="a batch below the block"),
        pytest.param(19, {"max_num_batched_tokens": 784}, [], id="a batch of a block"),
        pytest.param(16, {"max_num_batched_tokens": 512}, [], id="blocks are cut to 0.16"),
        pytest.param(27, {"max_num_batched_tokens": 512}, [], id="blocks are cut from 0.27 on"),
        pytest.param(19, {"max_num_batched_tokens": 512, "enable_prefix_caching": False}, [], id="no prefix caching"),
    ],
)
def test_a_batch_holds_a_block_of_recurrent_state_where_prefix_caching_keeps_it(
    minor: int, flags: dict[str, object], refused_flags: list[str]
) -> None:
    model = load_model("Qwen/Qwen3.5-27B", offline=True)
    found = refused(model, minor, **{"enable_prefix_caching": True, "max_num_seqs": 64, **flags})
    assert [refusal.flag for refusal in found if refusal.flag] == refused_flags


@pytest.mark.parametrize(
    ("model", "minor", "refused_flags"),
    [
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", 32, [], id="a class with stages"),
        pytest.param("PaddlePaddle/PaddleOCR-VL", 32, ["pipeline_parallel_size"], id="a class without"),
        pytest.param("HuggingFaceM4/Idefics3-8B-Llama3", 19, ["pipeline_parallel_size"], id="another without"),
    ],
)
def test_stages_are_refused_of_classes_without_them(model: str, minor: int, refused_flags: list[str]) -> None:
    found = refused(load_model(model, offline=True), minor, pipeline_parallel_size=2)
    assert [refusal.flag for refusal in found] == refused_flags
