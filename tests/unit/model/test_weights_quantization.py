"""How a config says that its checkpoint is quantised."""

from typing import Any

import pytest

from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import Quantization
from vlm_operator.model.weights import read_quantization

INT4 = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128}
FP8_CHANNEL = {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "channel", "dynamic": False}
FP8_TOKEN = {"num_bits": 8, "type": "float", "strategy": "token", "dynamic": True}
FP8_STATIC = {"dtype": "fp8_e4m3", "qscheme": "per_tensor", "is_dynamic": False}
QUARK = {
    "quant_method": "quark",
    "exclude": ["lm_head"],
    "global_quant_config": {"weight": FP8_STATIC, "input_tensors": FP8_STATIC},
}


def compressed(
    weights: dict[str, Any], activations: dict[str, Any] | None = None, layout: str = "pack-quantized", **more: Any
) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    return {"quant_method": "compressed-tensors", "format": layout, "config_groups": {"group_0": group}, **more}


def read(section: dict[str, Any], architecture: str = "LlamaForCausalLM") -> Quantization | None:
    return read_quantization({"architectures": [architecture], "quantization_config": section})


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param({"quant_method": "fp8"}, Quantization("fp8", 8, activation_scheme="dynamic"), id="FP8"),
        pytest.param(
            {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["lm_head"]},
            Quantization("fp8", 8, block_shape=(128, 128), ignored=("lm_head",), activation_scheme="dynamic"),
            id="FP8 in blocks",
        ),
        pytest.param(
            {"quant_method": "fp8", "activation_scheme": "static"},
            Quantization("fp8", 8, activation_scheme="static", scalars=1),
            id="FP8, static",
        ),
        pytest.param(
            {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"},
            Quantization("awq", 4, 128, scale_bytes=0, zero_points=True, layers_only=True),
            id="AWQ without a list: decoder layers only",
        ),
        pytest.param(
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "desc_act": True},
            Quantization("gptq", 4, 128, scale_bytes=0, reordered=True, layers_only=True),
            id="GPTQ, reordered",
        ),
        pytest.param(
            {"quant_method": "gptq", "bits": 4, "group_size": -1, "sym": False, "dynamic": {"-:.*visual.*": {}}},
            Quantization("gptq", 4, -1, scale_bytes=0, zero_points=True, ignored=("re:.*visual.*",), layers_only=True),
            id="GPTQ, asymmetric, exceptions",
        ),
        pytest.param(
            compressed(INT4, ignore=["lm_head"]),
            Quantization("compressed-tensors", 4, 128, scale_bytes=0, ignored=("lm_head",), scalars=4),
            id="compressed-tensors, packed 4-bit",
        ),
        pytest.param(
            compressed(FP8_CHANNEL, FP8_TOKEN, "float-quantized"),
            Quantization("compressed-tensors", 8, -1, activation_scheme="dynamic"),
            id="compressed-tensors, FP8 by channel",
        ),
        pytest.param(
            compressed({"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}),
            Quantization("compressed-tensors", 4, 16, scale_bytes=1, scalars=2),
            id="compressed-tensors, NVFP4",
        ),
        pytest.param(
            {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head", "model.layers.0*"]},
            Quantization(
                "modelopt",
                4,
                16,
                scale_bytes=1,
                scalars=3,
                head=True,
                ignored=("lm_head", "model.layers.0", "model.layers.0.*"),
            ),
            id="ModelOpt, NVFP4",
        ),
        pytest.param(
            {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}},
            Quantization("modelopt", 8, activation_scheme="static", scalars=1, head=True, ignored=("lm_head",)),
            id="ModelOpt's older layout",
        ),
        pytest.param(
            {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]},
            Quantization("mxfp4", 4, 32, scale_bytes=1, ignored=("lm_head",), experts_only=True),
            id="MXFP4",
        ),
        pytest.param(
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "llm_int8_skip_modules": ["lm_head"]},
            Quantization("bitsandbytes", 4, 64, ignored=("lm_head",)),
            id="bitsandbytes, 4-bit",
        ),
        pytest.param(
            {"quant_method": "bitsandbytes", "load_in_8bit": True}, Quantization("bitsandbytes", 8, -1), id="8-bit"
        ),
        pytest.param(
            {"quant_method": "auto-round", "bits": 4, "group_size": 128, "packing_format": "auto_round:auto_gptq"},
            Quantization("auto-round", 4, 128, scale_bytes=0, layers_only=True),
            id="AutoRound",
        ),
        pytest.param(
            {"quant_method": "gptq", "bits": 4, "group_size": -1, "desc_act": True},
            Quantization("gptq", 4, -1, scale_bytes=0, layers_only=True),
            id="GPTQ, one group a channel: nothing to reorder",
        ),
        pytest.param(
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"-:.*mlp.*": {}, ".*v": {"bits": 8}}},
            Quantization(
                "gptq",
                4,
                128,
                scale_bytes=0,
                layers_only=True,
                ignored=("re:.*mlp.*",),
                listed=(("re:.*v", Quantization("gptq", 8, 128, scale_bytes=0, layers_only=True)),),
            ),
            id="GPTQ with bits by module",
        ),
        pytest.param(
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "modules_in_block_to_quantize": [["q_proj"], "o"]},
            Quantization("gptq", 4, 128, scale_bytes=0, layers_only=True, only=("q_proj", "o")),
            id="GPTQ of some modules",
        ),
        pytest.param(
            QUARK,
            Quantization("quark", 8, activation_scheme="static", scalars=1, ignored=("lm_head",)),
            id="Quark, FP8",
        ),
        pytest.param(
            QUARK | {"global_quant_config": {"weight": {"dtype": "fp4", "qscheme": "per_group", "group_size": 32}}},
            Quantization("quark", 4, 32, scale_bytes=1, ignored=("lm_head",)),
            id="Quark, MXFP4",
        ),
        pytest.param(
            {"quant_method": "mxfp8", "ignored_layers": ["lm_head"]},
            Quantization("mxfp8", 8, 32, scale_bytes=1, ignored=("lm_head",), head=True),
            id="MXFP8 under MiniMax's tag",
        ),
        pytest.param(
            {"quant_method": "experts_int8"}, Quantization("experts_int8", 8, -1, experts_only=True), id="int8"
        ),
        pytest.param({"config_groups": {}, "quant_algo": "FP8"}, None, id="no method: vLLM builds it unquantised"),
    ],
)
def test_the_storage_is_read_from_the_config(section: dict[str, Any], expected: Quantization | None) -> None:
    assert read(section) == expected


def test_no_section_means_unquantised() -> None:
    assert read_quantization({"architectures": ["LlamaForCausalLM"]}) is None


def test_a_section_inside_the_language_models_counts() -> None:
    rule = read_quantization({"text_config": {"quantization_config": {"quant_method": "fp8"}}})
    assert rule is not None
    assert rule.method == "fp8"


@pytest.mark.parametrize(
    ("architecture", "listed", "expected"),
    [
        pytest.param(
            "Qwen3VLForConditionalGeneration", "model.visual.blocks.0.attn.qkv", "visual.blocks.0.attn.qkv", id="tower"
        ),
        pytest.param(
            "Qwen3VLForConditionalGeneration",
            "model.language_model.layers.0.mlp.gate",
            "language_model.model.layers.0.mlp.gate",
            id="language model",
        ),
        pytest.param("Qwen2VLForConditionalGeneration", "model.layers.0", "language_model.model.layers.0", id="older"),
        pytest.param("Gemma3ForConditionalGeneration", "re:.*lm_head", "re:.*lm_head", id="an expression stays"),
        pytest.param("LlamaForCausalLM", "model.layers.0", "model.layers.0", id="same names"),
    ],
)
def test_listed_names_become_vllms(architecture: str, listed: str, expected: str) -> None:
    rule = read({"quant_method": "fp8", "modules_to_not_convert": [listed]}, architecture)
    assert rule is not None
    assert rule.ignored == (expected,)


@pytest.mark.parametrize(
    ("section", "field"),
    [
        pytest.param({"quant_method": "exl3"}, "quant_method", id="a method of another engine"),
        pytest.param({"quant_method": "torchao"}, "quant_method", id="a method not covered"),
        pytest.param({"quant_method": "quark"}, "dtype", id="Quark without a scheme"),
        pytest.param(
            QUARK | {"layer_quant_config": {"*down_proj": {}}}, "layer_quant_config", id="Quark, schemes by layer"
        ),
        pytest.param({"quant_method": "fp8", "weight_block_size": [128]}, "weight_block_size", id="half a block"),
        pytest.param({"quant_method": "fp8", "store_dtype": "mxfp4"}, "store_dtype", id="FP8 that stores MXFP4"),
        pytest.param({"quant_method": "gptq", "bits": 5, "group_size": 128}, "bits", id="bits GPTQ does not have"),
        pytest.param(
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"+:.*": {"bits": 5}}},
            "bits",
            id="GPTQ with bits it does not have for some modules",
        ),
        pytest.param(
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"+:.*": {"bits": 8}, "-:.*mlp.*": {}}},
            "dynamic",
            id="GPTQ: an exception after a rule that may hide it",
        ),
        pytest.param(
            {"quant_method": "auto-round", "bits": 4, "group_size": 32, "data_type": "mx_fp"},
            "data_type",
            id="AutoRound, floating point",
        ),
        pytest.param({"quant_method": "compressed-tensors"}, "config_groups", id="no groups"),
        pytest.param(compressed(INT4 | {"num_bits": 3}), "num_bits", id="3 bits"),
        pytest.param(compressed(INT4, sparsity_config={"format": "sparse-24-bitmask"}), "format", id="sparse weights"),
        pytest.param(
            {"quant_method": "modelopt", "quant_algo": "INT4_AWQ"}, "quant_algo", id="an algorithm not covered"
        ),
        pytest.param({"quant_method": "awq", "bits": 4, "version": "marlin24"}, "version", id="another packing"),
    ],
)
def test_what_is_not_known_is_refused_by_its_field(section: dict[str, Any], field: str) -> None:
    with pytest.raises(UnknownFact) as unknown:
        read(section)
    assert field in str(unknown.value.field)
    assert unknown.value.hint is not None
