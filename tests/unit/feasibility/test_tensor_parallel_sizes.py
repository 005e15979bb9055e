"""Sizes of tensor parallelism that vLLM refuses, and what mends them."""

from __future__ import annotations

import pytest

from builders import gpu
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility import InfeasibleReason, checks_of, refusals
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model

NOT_DIVISIBLE = InfeasibleReason.TENSOR_PARALLEL_NOT_DIVISIBLE
VISION = InfeasibleReason.VISION_HEADS_NOT_DIVISIBLE
MIXTURE_235B = "Qwen/Qwen3-VL-235B-A22B-Instruct-FP8"
MIXTURE_30B = "Qwen/Qwen3-VL-30B-A3B-Instruct-FP8"
SHARED_EXPERT = "Qwen/Qwen3.6-35B-A3B-FP8"


def reasons(name: str, product: str, minor: int, **flags: object) -> list[InfeasibleReason]:
    settings = EngineSettings(**flags)  # type: ignore[arg-type]
    found = refusals(load_model(name, offline=True), settings, gpu(product), EngineVersion(0, minor))
    return [refusal.reason for refusal in found]


@pytest.mark.parametrize(
    ("name", "product", "minor", "size", "refused"),
    [
        pytest.param(MIXTURE_235B, "H100", 19, 8, [NOT_DIVISIBLE], id="1536 over 8 is one and a half blocks of 128"),
        pytest.param(MIXTURE_235B, "H100", 19, 4, [], id="1536 over 4 is three blocks"),
        pytest.param(MIXTURE_30B, "H100", 19, 4, [NOT_DIVISIBLE], id="768 over 4"),
        pytest.param(MIXTURE_30B, "H100", 28, 4, [NOT_DIVISIBLE], id="before 0.29 blocks are not refined"),
        pytest.param(MIXTURE_30B, "H100", 29, 4, [], id="from 0.29 Triton's kernel takes smaller blocks"),
        pytest.param(MIXTURE_30B, "A100-80GB", 29, 4, [NOT_DIVISIBLE], id="Marlin's kernel takes whole blocks only"),
        pytest.param(SHARED_EXPERT, "H100", 32, 8, [NOT_DIVISIBLE], id="shared expert of 512 over 8"),
        pytest.param(SHARED_EXPERT, "H100", 32, 4, [], id="shared expert of 512 over 4"),
        pytest.param("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "L4", 32, 2, [], id="groups of 128 divide 18944 over 2"),
        pytest.param("Qwen/Qwen3-4B-AWQ", "L4", 32, 8, [NOT_DIVISIBLE], id="9728 over 8 is nine and a half groups"),
        pytest.param("nvidia/Gemma-4-26B-A4B-NVFP4", "H100", 19, 2, [NOT_DIVISIBLE], id="tiles of Marlin"),
        pytest.param("nvidia/Gemma-4-26B-A4B-NVFP4", "H100", 24, 2, [], id="from 0.24 Marlin pads"),
        pytest.param("zai-org/GLM-4.5V", "H100", 26, 8, [VISION], id="12 vision heads over 8"),
        pytest.param("zai-org/GLM-4.5V", "H100", 26, 4, [], id="12 vision heads over 4"),
        pytest.param("Qwen/Qwen2.5-VL-7B-Instruct", "H100", 26, 8, [NOT_DIVISIBLE, VISION], id="28 heads over 8"),
        pytest.param("OpenGVLab/InternVL3_5-8B", "H100", 26, 8, [], id="a tower that may stay whole"),
    ],
)
def test_a_size_that_cuts_through_heads_blocks_groups_or_tiles_is_refused(
    name: str, product: str, minor: int, size: int, refused: list[InfeasibleReason]
) -> None:
    assert reasons(name, product, minor, tensor_parallel_size=size) == refused


def test_expert_parallelism_keeps_routed_experts_whole() -> None:
    assert reasons(MIXTURE_235B, "H100", 19, tensor_parallel_size=8, enable_expert_parallel=True) == []


def test_expert_parallelism_does_not_help_a_shared_expert() -> None:
    flags = {"tensor_parallel_size": 8, "enable_expert_parallel": True}
    assert reasons(SHARED_EXPERT, "H100", 19, **flags) == [NOT_DIVISIBLE]


def test_a_tower_that_is_whole_on_every_gpu_needs_no_division() -> None:
    assert reasons("zai-org/GLM-4.5V", "H100", 26, tensor_parallel_size=8, mm_encoder_tp_mode="data") == []


def test_a_tower_that_is_not_built_is_not_divided() -> None:
    none = (("image", ModalityLimit(0)), ("video", ModalityLimit(0)))
    assert reasons("zai-org/GLM-4.5V", "H100", 26, tensor_parallel_size=8, limit_mm_per_prompt=none) == []


def test_the_refusal_names_figures_flag_and_the_sizes_that_pass() -> None:
    model = load_model(MIXTURE_30B, offline=True)
    settings = EngineSettings(tensor_parallel_size=4)
    found = refusals(model, settings, gpu("H100"), EngineVersion(0, 19))[0]
    assert "192 outputs on each of 4 GPUs" in found.message
    assert found.flag == "tensor_parallel_size"
    assert found.change == (("enable_expert_parallel", True),)
    assert "tensor parallelism 1 or 2" in found.remedy


def test_changes_touch_free_flags_only() -> None:
    model, eight = load_model("zai-org/GLM-4.5V", offline=True), EngineSettings(tensor_parallel_size=8)
    free = checks_of(model, gpu("H100"), EngineVersion(0, 26)).feasible(eight, frozenset())
    kept = checks_of(model, gpu("H100"), EngineVersion(0, 26)).feasible(eight, frozenset({"mm_encoder_tp_mode"}))
    assert (free.mm_encoder_tp_mode, kept.mm_encoder_tp_mode) == ("data", "weights")


def test_a_plan_chooses_expert_parallelism_where_experts_alone_break() -> None:
    model = load_model(MIXTURE_235B, offline=True)
    found = plan(model, gpu("H100"), Intent(gpu_count=8, version=EngineVersion(0, 19)))
    assert (found.verdict, found.settings.enable_expert_parallel) == (Verdict.FITS, True)


def test_a_plan_takes_no_size_that_is_refused() -> None:
    model = load_model(SHARED_EXPERT, offline=True)
    found = plan(model, gpu("H100"), Intent(gpu_count=8, version=EngineVersion(0, 32)))
    assert (found.verdict, found.reason) == (Verdict.UNSUPPORTED, NOT_DIVISIBLE)


@pytest.mark.parametrize("size", [1, 2])
def test_what_is_quantised_while_loading_may_be_divided_and_has_no_groups(size: int) -> None:
    """bitsandbytes packs a matrix as one row of elements: 4,304 inputs of the tower need no whole groups of 64."""
    flags = {"tensor_parallel_size": size, "quantization": "bitsandbytes"}
    assert reasons("Qwen/Qwen3-VL-8B-Instruct", "L40S", 27, **flags) == []


@pytest.mark.parametrize(
    "intent",
    [
        pytest.param(
            Intent(settings=EngineSettings(tensor_parallel_size=3), pinned=frozenset({"tensor_parallel_size"})),
            id="a pinned size",
        ),
        pytest.param(Intent(gpu_count=3), id="a count"),
    ],
)
def test_a_size_that_does_not_divide_the_heads_is_unsupported(intent: Intent) -> None:
    found = plan(load_model("Qwen/Qwen3-VL-8B-Instruct", offline=True), gpu("H100"), intent)
    assert (found.verdict, found.reason) == (Verdict.UNSUPPORTED, NOT_DIVISIBLE)
    assert "3 does not divide the 32 attention heads" in found.message
    assert "tensor parallelism 1, 2, 4, 8 or 16" in (found.hint or "")
