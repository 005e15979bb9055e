"""Rules of whole models: flags, versions, checkpoints, and what must hold for any model."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.checkpoint import checkpoint_from_headers
from vlm_operator.model.facts import Component, FamilyTraits, ModelFacts, Quantization
from vlm_operator.model.reader import read_model_facts

VERSION = EngineVersion(0, 32)
NO_VISION = (("image", ModalityLimit(0)), ("video", ModalityLimit(0)))


def dense(**changes: object) -> ModelFacts:
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": 512,
        "intermediate_size": 1024,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "vocab_size": 1000,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    return read_model_facts(config | changes, model="test", source="test")


def vision(architecture: str = "Qwen2_5_VLForConditionalGeneration", **changes: object) -> ModelFacts:
    text = {
        "model_type": "qwen2_5_vl_text",
        "hidden_size": 512,
        "intermediate_size": 1024,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "vocab_size": 1000,
        "max_position_embeddings": 2048,
    }
    tower = {"depth": 2, "hidden_size": 320, "num_heads": 4, "intermediate_size": 640, "out_hidden_size": 512}
    config = {
        "architectures": [architecture],
        "model_type": "qwen2_5_vl",
        "text_config": text,
        "vision_config": tower,
        "torch_dtype": "bfloat16",
    }
    return read_model_facts(config | changes, model="test", source="test")


def total(model: ModelFacts, version: EngineVersion = VERSION, **flags: object) -> int:
    return weight_bytes(model, EngineSettings(**flags), version).total  # type: ignore[arg-type]


@given(st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4, 8]))
def test_more_ranks_never_hold_more_each_and_never_less_in_all(few: int, many: int) -> None:
    few, many = sorted((few, many))
    less, more = total(dense(), tensor_parallel_size=many), total(dense(), tensor_parallel_size=few)
    assert less <= more
    assert less * many >= more * few


@given(st.integers(1, 6), st.integers(1, 6))
def test_more_stages_never_hold_more_each(few: int, many: int) -> None:
    few, many = sorted((few, many))
    model = dense(num_hidden_layers=12)
    assert total(model, pipeline_parallel_size=many) <= total(model, pipeline_parallel_size=few)


def test_tied_embeddings_are_counted_once() -> None:
    tied = dense(tie_word_embeddings=True)
    assert total(dense()) - total(tied) == 1024 * 512 * 2
    assert Component.HEAD not in weight_bytes(tied, EngineSettings(), VERSION).by_component


def test_a_tied_head_costs_the_last_stage_a_copy_of_the_embeddings() -> None:
    tied = dense(tie_word_embeddings=True, num_hidden_layers=2)
    components = weight_bytes(tied, EngineSettings(pipeline_parallel_size=2), VERSION).by_component
    assert components[Component.EMBEDDING] == 1024 * 512 * 2


def test_a_tower_is_left_out_where_no_image_or_video_is_allowed() -> None:
    components = weight_bytes(vision(), EngineSettings(limit_mm_per_prompt=NO_VISION), VERSION).by_component
    assert Component.VISION_TOWER not in components
    assert Component.PROJECTOR not in components


def test_a_tower_is_kept_while_one_of_its_modalities_is_allowed() -> None:
    images_off = EngineSettings(limit_mm_per_prompt=(("image", ModalityLimit(0)),))
    assert weight_bytes(vision(), images_off, VERSION).total == total(vision())


@pytest.mark.parametrize(
    ("early", "version", "left_out"),
    [
        pytest.param(True, EngineVersion(0, 11), True, id="asked itself since 0.11"),
        pytest.param(False, EngineVersion(0, 14), False, id="did not ask in 0.14"),
        pytest.param(False, EngineVersion(0, 15), True, id="every family since 0.15"),
    ],
)
def test_whether_a_tower_is_left_out_depends_on_the_release(
    early: bool, version: EngineVersion, left_out: bool
) -> None:
    model = replace(vision(), traits=FamilyTraits(reads_limits_early=early))
    smaller = total(model, version, limit_mm_per_prompt=NO_VISION)
    assert (smaller < total(model, version)) is left_out


def test_data_mode_keeps_the_tower_whole_and_divides_the_rest() -> None:
    divided = weight_bytes(vision(), EngineSettings(tensor_parallel_size=2), VERSION).by_component
    flags = EngineSettings(tensor_parallel_size=2, mm_encoder_tp_mode="data")
    whole = weight_bytes(vision(), flags, VERSION).by_component
    alone = weight_bytes(vision(), EngineSettings(), VERSION).by_component
    assert divided[Component.VISION_TOWER] < whole[Component.VISION_TOWER] == alone[Component.VISION_TOWER]
    assert whole[Component.LANGUAGE_LAYERS] == divided[Component.LANGUAGE_LAYERS]


def test_a_size_that_does_not_divide_names_flag_and_number() -> None:
    with pytest.raises(InputError, match="tensor-parallel-size: 3 ranks") as refused:
        total(dense(), tensor_parallel_size=3)
    assert refused.value.field == "tensor-parallel-size"


def test_an_unknown_architecture_is_named() -> None:
    model = replace(dense(), weights=None, weights_unknown=None, architecture="BrandNewForCausalLM")
    with pytest.raises(UnknownFact, match="BrandNewForCausalLM") as unknown:
        total(model)
    assert unknown.value.hint is not None


def test_a_release_that_dropped_a_quantisation_says_so() -> None:
    model = replace(dense(), quantization=Quantization("bitsandbytes", 4, 64))
    assert total(model, EngineVersion(0, 27, 1)) < total(dense())
    with pytest.raises(UnknownFact, match=r"vLLM 0\.28\.0 does not load 'bitsandbytes'"):
        total(model, EngineVersion(0, 28))


# --- checkpoints ----------------------------------------------------------------------------------------------------


def headers(model: ModelFacts, dtype: str = "BF16", scale: int = 1) -> dict[str, dict[str, object]]:
    """A checkpoint that holds as many elements as the model's parameters, times ``scale``."""
    parts = weight_bytes(model, EngineSettings(), VERSION).by_component
    names = {
        Component.EMBEDDING: "model.embed_tokens.weight",
        Component.LANGUAGE_LAYERS: "model.layers.0.mlp.up_proj.weight",
        Component.HEAD: "lm_head.weight",
    }
    return {names[part]: {"dtype": dtype, "shape": [size // 2 * scale]} for part, size in parts.items()}


def test_a_checkpoint_that_agrees_leaves_the_figure_as_it_is() -> None:
    model = replace(dense(), checkpoint_bytes=checkpoint_from_headers([headers(dense())]))
    weights = weight_bytes(model, EngineSettings(tensor_parallel_size=2), VERSION)
    assert (weights.total, weights.source) == (total(dense(), tensor_parallel_size=2), "checkpoint")


def test_fp32_tensors_of_an_unquantised_checkpoint_are_cast() -> None:
    model = replace(dense(), checkpoint_bytes=checkpoint_from_headers([headers(dense(), "F32")]))
    assert total(model) == total(dense())


def test_a_checkpoint_of_another_size_scales_that_part() -> None:
    larger = headers(dense())
    larger["model.layers.1.mlp.up_proj.weight"] = dict(larger["model.layers.0.mlp.up_proj.weight"])
    model = replace(dense(), checkpoint_bytes=checkpoint_from_headers([larger]))
    before = weight_bytes(dense(), EngineSettings(), VERSION).by_component
    after = weight_bytes(model, EngineSettings(), VERSION).by_component
    assert after[Component.LANGUAGE_LAYERS] == pytest.approx(2 * before[Component.LANGUAGE_LAYERS], abs=2)
    assert after[Component.HEAD] == before[Component.HEAD]


def test_experts_that_a_checkpoint_stores_without_padding_are_padded_all_the_same() -> None:
    config = {
        "architectures": ["GptOssForCausalLM"],
        "model_type": "gpt_oss",
        "hidden_size": 320,
        "intermediate_size": 320,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "vocab_size": 1024,
        "max_position_embeddings": 2048,
        "layer_types": ["full_attention"],
        "torch_dtype": "bfloat16",
        "quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": []},
    }
    model = read_model_facts(config, model="test", source="test")
    prefix = "model.layers.0.mlp.experts."
    stored: dict[str, dict[str, object]] = {
        f"{prefix}gate_up_proj_blocks": {"dtype": "U8", "shape": [4, 640, 10, 16]},
        f"{prefix}gate_up_proj_scales": {"dtype": "U8", "shape": [4, 640, 10]},
        f"{prefix}gate_up_proj_bias": {"dtype": "BF16", "shape": [4, 640]},
        f"{prefix}down_proj_blocks": {"dtype": "U8", "shape": [4, 320, 10, 16]},
        f"{prefix}down_proj_scales": {"dtype": "U8", "shape": [4, 320, 10]},
        f"{prefix}down_proj_bias": {"dtype": "BF16", "shape": [4, 320]},
    }
    downloaded = replace(model, checkpoint_bytes=checkpoint_from_headers([stored]))
    assert total(downloaded) == total(model)


def test_an_unknown_architecture_is_weighed_by_its_checkpoint_on_one_gpu_only() -> None:
    stored = checkpoint_from_headers([headers(dense())])
    unknown = replace(dense(), weights=None, weights_unknown="architectures: …", checkpoint_bytes=stored)
    assert total(unknown) == total(dense())
    with pytest.raises(UnknownFact, match="over 2 ranks is not known"):
        total(unknown, tensor_parallel_size=2)
