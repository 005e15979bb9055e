"""``--dtype`` and ``--quantization`` change what is counted: weights, KV cache and the start-up peak."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3
from vlm_operator.capacity.as_served import as_served
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.capacity.startup import startup_budget
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.facts import CheckpointFacts, DType, ModelFacts, Quantization
from vlm_operator.planning.resolution import resolved

RELEASE = EngineVersion(0, 32)

LAYERS = 36
LINEAR = LAYERS * 4096 * (4096 + 2 * 1024 + 4096 + 3 * 12288)
"""Elements of the decoder's matrices: q, k, v, o; gate, up, down."""
MATRICES = LAYERS * 7
"""Those seven a layer, each with a scale."""
ATTENTION_SCALES = LAYERS * 4 * 4
"""Bytes of the float32 scales of each attention layer, whatever the model's element type."""
OUTPUTS = LAYERS * (4096 + 2 * 1024 + 4096 + 2 * 12288 + 4096)


def with_flags(version: EngineVersion = RELEASE, **flags: object) -> int:
    return weight_bytes(qwen3(), EngineSettings(**flags), version).total  # type: ignore[arg-type]


def test_a_model_is_itself_where_no_flag_changes_it() -> None:
    model = qwen3()
    for flags in ({}, {"dtype": "auto"}, {"dtype": "bfloat16"}):
        assert as_served(model, EngineSettings(**flags), RELEASE) is model


@pytest.mark.parametrize(
    ("name", "bytes_of_matrices"),
    [
        pytest.param("fp8", LINEAR + 4 * MATRICES, id="a scale a matrix"),
        pytest.param("fp8_per_tensor", LINEAR + 4 * MATRICES, id="the same by its newer name"),
        pytest.param("fp8_per_channel", LINEAR + 4 * OUTPUTS, id="a scale an output"),
        pytest.param("fp8_per_block", LINEAR + 4 * LINEAR // 128**2, id="a scale a block"),
        pytest.param("mxfp8", LINEAR + LINEAR // 32, id="a byte of scale each 32 weights"),
    ],
)
def test_weights_are_quantised_while_loading_but_embedding_and_head(name: str, bytes_of_matrices: int) -> None:
    assert with_flags() - with_flags(quantization=name) == 2 * LINEAR - bytes_of_matrices


def test_bitsandbytes_packs_two_weights_a_byte_until_it_was_removed() -> None:
    last = EngineVersion(0, 27)
    saved = with_flags(last) - with_flags(last, quantization="bitsandbytes")
    assert saved == 2 * LINEAR - (LINEAR // 2 + 4 * LINEAR // 64)
    with pytest.raises(UnknownFact, match=r"vLLM 0\.28\.0"):
        with_flags(EngineVersion(0, 28), quantization="bitsandbytes")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        pytest.param("fp8", EngineVersion(0, 12), id="0.12 loads the unquantised model whole first"),
        pytest.param("fp8_per_block", EngineVersion(0, 19), id="not in that release yet"),
        pytest.param("torchao", RELEASE, id="a method whose layout is not counted"),
    ],
)
def test_what_is_not_known_names_the_flag(name: str, version: EngineVersion) -> None:
    with pytest.raises(UnknownFact) as unknown:
        with_flags(version, quantization=name)
    assert unknown.value.field == "quantization"
    assert unknown.value.hint


def _quantised(method: str) -> ModelFacts:
    return replace(qwen3(), quantization=Quantization(method, 4, 128))


@pytest.mark.parametrize(("method", "name"), [("awq", "awq"), ("awq", "awq_marlin"), ("gptq", "gptq_marlin")])
def test_the_flag_may_repeat_what_the_checkpoint_says(method: str, name: str) -> None:
    model = _quantised(method)
    assert as_served(model, EngineSettings(quantization=name), RELEASE) is model


def test_another_quantisation_than_the_checkpoints_is_refused_as_vllm_refuses_it() -> None:
    with pytest.raises(InputError, match="fp8 does not match the checkpoint") as refusal:
        as_served(_quantised("awq"), EngineSettings(quantization="fp8"), RELEASE)
    assert refusal.value.field == "quantization"


def test_served_twice_is_served_once() -> None:
    flags = EngineSettings(quantization="fp8_per_block", dtype="half")
    once = as_served(qwen3(), flags, RELEASE)
    assert as_served(once, flags, RELEASE) is once


def test_headers_of_an_unquantised_checkpoint_do_not_undo_the_quantisation() -> None:
    model = replace(qwen3(), checkpoint_bytes=CheckpointFacts(()))
    assert as_served(model, EngineSettings(quantization="fp8"), RELEASE).checkpoint_bytes is None


@pytest.mark.parametrize(
    ("dtype", "element"),
    [("half", DType.FLOAT16), ("float16", DType.FLOAT16), ("float", DType.FLOAT32), ("float32", DType.FLOAT32)],
)
def test_every_spelling_of_an_element_type(dtype: str, element: DType) -> None:
    assert as_served(qwen3(), EngineSettings(dtype=dtype), RELEASE).dtype is element


def test_an_unknown_element_type_is_refused() -> None:
    with pytest.raises(InputError, match="dtype: 'int8'"):
        as_served(qwen3(), EngineSettings(dtype="int8"), RELEASE)


def test_float32_takes_twice_the_weights_and_the_cache() -> None:
    assert with_flags(dtype="float32") - ATTENTION_SCALES == 2 * (with_flags() - ATTENTION_SCALES)
    bfloat16, float32 = (kv_layout(qwen3(), EngineSettings(dtype=dtype), RELEASE) for dtype in ("auto", "float32"))
    assert float32.bytes_per_block == 2 * bfloat16.bytes_per_block
    fp8 = kv_layout(qwen3(), EngineSettings(dtype="float32", kv_cache_dtype="fp8"), RELEASE)
    assert fp8.bytes_per_block * 2 == bfloat16.bytes_per_block


def test_float32_takes_a_larger_peak_and_half_the_same() -> None:
    card = gpu("H100")

    def peak(dtype: str) -> int:
        settings = resolved(EngineSettings(dtype=dtype, max_num_seqs=8), qwen3(), card, RELEASE)
        return startup_budget(qwen3(), card, settings, RELEASE).activation_peak_bytes

    assert peak("half") == peak("auto")
    assert 1.5 * peak("auto") < peak("float32") < 2.1 * peak("auto")
