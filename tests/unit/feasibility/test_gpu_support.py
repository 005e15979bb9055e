"""What a GPU's generation supports: element types, quantisations, attention kernels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.element_types import automatic_dtype
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility import InfeasibleReason, as_served, refusals
from vlm_operator.model.facts import DType, Quantization
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.sources import load_model

TOO_LOW = InfeasibleReason.COMPUTE_CAPABILITY_TOO_LOW
KERNEL = InfeasibleReason.KERNEL_UNSUPPORTED
DTYPE = InfeasibleReason.DTYPE_UNSUPPORTED
AWQ4 = Quantization("awq", 4, 128, scale_bytes=0, zero_points=True)
FP8, AWQ = Quantization("fp8", 8, block_shape=(128, 128)), Quantization("awq", 4, 128, scale_bytes=0)
NVFP4 = Quantization("modelopt", 4, 16, scale_bytes=1)
PACKED = Quantization("compressed-tensors", 4, 128, scale_bytes=0)


@pytest.mark.parametrize(
    ("model_type", "config", "capability", "served"),
    [
        pytest.param("qwen3_vl", "bfloat16", (8, 0), "bfloat16", id="as saved"),
        pytest.param("qwen3_vl", "bfloat16", (7, 5), "float16", id="no bfloat16 below 8.0"),
        pytest.param("gemma3", "bfloat16", (7, 5), "float32", id="not in float16 either"),
        pytest.param("gemma3", "bfloat16", (8, 0), "bfloat16", id="bfloat16 where there is one"),
        pytest.param("qwen3", "float32", (9, 0), "bfloat16", id="float32 is halved"),
        pytest.param("qwen3", "bfloat16", None, "bfloat16", id="GPU not known"),
    ],
)
def test_the_automatic_type_is_vllms(
    model_type: str, config: str, capability: tuple[int, int] | None, served: str
) -> None:
    assert automatic_dtype(model_type, config, capability, pooling=False) == served


def test_weights_double_where_a_model_has_to_be_served_in_float32() -> None:
    model = load_model("google/gemma-3-4b-it", offline=True)
    settings, version = EngineSettings(), EngineVersion(0, 32)
    served = as_served(model, settings, gpu("T4"))
    assert served.dtype is DType.FLOAT32
    once, twice = (weight_bytes(facts, settings, version).total for facts in (model, served))
    assert 1.999 * once < twice <= 2 * once


def test_a_plan_counts_what_is_served() -> None:
    found = plan(qwen3_vl(), gpu("T4"), Intent())
    assert found.model.dtype is DType.FLOAT16


@pytest.mark.parametrize(
    ("quantization", "product", "minor", "refused"),
    [
        pytest.param(FP8, "T4", 13, [TOO_LOW], id="FP8 on Turing until 0.13"),
        pytest.param(FP8, "T4", 14, [], id="FP8 on Turing from 0.14"),
        pytest.param(FP8, "V100-32GB", 19, [TOO_LOW], id="FP8 on Volta"),
        pytest.param(AWQ, "V100-32GB", 19, [TOO_LOW], id="AWQ on Volta"),
        pytest.param(AWQ, "T4", 11, [], id="AWQ on Turing"),
        pytest.param(NVFP4, "T4", 13, [TOO_LOW], id="NVFP4 on Turing until 0.13"),
        pytest.param(NVFP4, "T4", 32, [], id="NVFP4 on Turing from 0.14"),
        pytest.param(PACKED, "T4", 11, [TOO_LOW], id="packed weights on Turing until 0.11"),
        pytest.param(Quantization("mxfp4", 4, 32, experts_only=True), "T4", 32, [TOO_LOW], id="MXFP4 on Turing"),
        pytest.param(Quantization("mxfp4", 4, 32, experts_only=True), "A100", 32, [], id="MXFP4 on Ampere"),
        pytest.param(Quantization("bitsandbytes", 4, 64), "A100", 28, [KERNEL], id="bitsandbytes is gone"),
        pytest.param(Quantization("mxfp8", 8, 32, scale_bytes=1), "B200", 23, [KERNEL], id="MiniMax's tag before 0.24"),
        pytest.param(Quantization("mxfp8", 8, 32, scale_bytes=1), "B200", 24, [], id="MiniMax's tag since"),
        pytest.param(Quantization("mxfp8", 8, 32, scale_bytes=1), "T4", 24, [TOO_LOW], id="MiniMax's tag on Turing"),
        pytest.param(Quantization("bitsandbytes", 4, 64), "A100", 27, [], id="bitsandbytes until 0.27"),
    ],
)
def test_a_quantisation_needs_a_release_and_a_generation(
    quantization: Quantization, product: str, minor: int, refused: list[InfeasibleReason]
) -> None:
    model = replace(qwen3_vl(), quantization=quantization, weights=None)
    found = refusals(model, EngineSettings(), gpu(product), EngineVersion(0, minor))
    assert [refusal.reason for refusal in found] == refused


def test_quantised_weights_have_no_kernels_for_float32() -> None:
    model = replace(load_model("google/gemma-3-4b-it", offline=True), quantization=AWQ, weights=None)
    found = refusals(model, EngineSettings(), gpu("T4"), EngineVersion(0, 32))
    assert found[0].reason is InfeasibleReason.DTYPE_UNSUPPORTED


@pytest.mark.parametrize(
    ("name", "product", "minor", "refused"),
    [
        pytest.param("google/gemma-4-E4B-it", "T4", 32, [KERNEL], id="heads of 512 on Turing"),
        pytest.param("google/gemma-4-E4B-it", "L4", 32, [], id="heads of 512 on Ada"),
        pytest.param("google/gemma-3-4b-it", "T4", 32, [KERNEL], id="heads of 256 in float32 on Turing"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "T4", 32, [], id="heads of 128 on Turing"),
    ],
)
def test_wide_heads_do_not_fit_turing(name: str, product: str, minor: int, refused: list[InfeasibleReason]) -> None:
    found = refusals(load_model(name, offline=True), EngineSettings(), gpu(product), EngineVersion(0, minor))
    assert [refusal.reason for refusal in found] == refused


@pytest.mark.parametrize(
    ("name", "product", "minor", "refused"),
    [
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "L4", 32, [], id="Ada"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "A100", 32, [], id="FlashInfer on Ampere"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "T4", 32, [KERNEL], id="Triton alone on Turing"),
        pytest.param("google/gemma-3-4b-it", "A100", 26, [KERNEL], id="images that attend both ways, before 0.32"),
    ],
)
def test_an_fp8_cache_needs_a_kernel(name: str, product: str, minor: int, refused: list[InfeasibleReason]) -> None:
    settings = EngineSettings(kv_cache_dtype="fp8")
    found = refusals(load_model(name, offline=True), settings, gpu(product), EngineVersion(0, minor))
    assert [refusal.reason for refusal in found] == refused


def test_a_quantisation_that_a_flag_asks_for_is_judged_as_well() -> None:
    settings = EngineSettings(quantization="fp8", dtype="float32")
    found = refusals(qwen3_vl(), settings, gpu("L4"), EngineVersion(0, 32))
    assert [refusal.reason for refusal in found] == [InfeasibleReason.DTYPE_UNSUPPORTED]
    assert refusals(qwen3_vl(), EngineSettings(quantization="fp8"), gpu("L4"), EngineVersion(0, 32)) == ()


@pytest.mark.parametrize(
    ("quantization", "minor", "flags", "reasons"),
    [
        pytest.param(AWQ4, 19, {}, [], id="Marlin's kernels take bfloat16"),
        pytest.param(AWQ4, 19, {"quantization": "awq"}, [DTYPE], id="AWQ's own do not"),
        pytest.param(AWQ4, 19, {"quantization": "awq", "dtype": "half"}, [], id="AWQ's own take float16"),
        pytest.param(AWQ4, 24, {"quantization": "awq"}, [], id="one class from 0.24 on"),
        pytest.param(replace(AWQ4, zero_points=False), 23, {}, [DTYPE], id="AWQ without zero points is not Marlin's"),
        pytest.param(Quantization("gptq", 3, 128), 21, {}, [DTYPE], id="three bits are not Marlin's"),
        pytest.param(Quantization("gptq", 4, 128), 21, {"quantization": "gptq"}, [DTYPE], id="GPTQ's own kernels"),
        pytest.param(Quantization("gptq", 4, 128), 22, {"quantization": "gptq"}, [], id="one class from 0.22 on"),
        pytest.param(Quantization("mxfp4", 4, 32), 32, {"dtype": "half"}, [DTYPE], id="MXFP4 runs in bfloat16"),
    ],
)
def test_each_quantisation_has_its_types_of_sixteen_bits(
    quantization: Quantization, minor: int, flags: dict[str, object], reasons: list[InfeasibleReason]
) -> None:
    model = replace(qwen3_vl(), quantization=quantization)
    found = refusals(model, EngineSettings(**flags), gpu("L40S"), EngineVersion(0, minor))  # type: ignore[arg-type]
    assert [refusal.reason for refusal in found if refusal.reason is DTYPE] == reasons
