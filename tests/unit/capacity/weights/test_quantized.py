"""Bytes of quantised matrices, and which modules stay as they are."""

from typing import Any

import pytest

from vlm_operator.capacity.weights.quantized import Storage
from vlm_operator.capacity.weights.ranks import ONE_RANK, shape_of
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.weight_rules import Mxfp4Kernel, mxfp4_kernel, mxfp4_kernel_elsewhere
from vlm_operator.model.facts import Component, Linear, Placement, Quantization, Sharding
from vlm_operator.model.weights.quantization import read_quantization


def matrix(name: str = "model.layers.{}.mlp.down_proj", **changes: Any) -> Linear:
    values: dict[str, Any] = {
        "component": Component.LANGUAGE_LAYERS,
        "count": 1,
        "outputs": 256,
        "inputs": 1024,
        "sharding": Sharding.REPLICATED,
        "placement": Placement(layers=(0,)),
    }
    return Linear(name=name, **(values | changes))


def size(linear: Linear, quantization: Quantization, mxfp4: Mxfp4Kernel = Mxfp4Kernel.MARLIN) -> int:
    return sum(Storage(quantization, 2, mxfp4).bytes_of(linear, shape_of(linear, ONE_RANK)))


WEIGHTS = 256 * 1024


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        pytest.param(Quantization("fp8", 8), WEIGHTS + 4, id="FP8, one scale"),
        pytest.param(Quantization("fp8", 8, scalars=1), WEIGHTS + 8, id="FP8, static input scale"),
        pytest.param(Quantization("fbgemm_fp8", 8, -1), WEIGHTS + 4 * 256, id="FP8, a scale for each row"),
        pytest.param(Quantization("fp8", 8, block_shape=(128, 128)), WEIGHTS + 4 * 2 * 8, id="FP8 in blocks"),
        pytest.param(
            Quantization("gptq", 4, 128, scale_bytes=0),
            WEIGHTS // 2 + 2 * 256 * 8,
            id="symmetric GPTQ: no zero points",
        ),
        pytest.param(
            Quantization("gptq", 4, 128, scale_bytes=0, reordered=True),
            WEIGHTS // 2 + 2 * 256 * 8 + 4 * 1024,
            id="GPTQ, activations reordered: an index for each input",
        ),
        pytest.param(
            Quantization("awq", 4, 128, scale_bytes=0, zero_points=True),
            WEIGHTS // 2 + 2 * 256 * 8 + 256 * 8 // 2,
            id="AWQ: scales and packed zero points",
        ),
        pytest.param(
            Quantization("modelopt", 4, 16, scale_bytes=1, scalars=3),
            WEIGHTS // 2 + 256 * 64 + 12,
            id="NVFP4: an FP8 scale for each 16",
        ),
        pytest.param(Quantization("bitsandbytes", 4, 64), WEIGHTS // 2 + 4 * 256 * 16, id="bitsandbytes 4-bit"),
        pytest.param(Quantization("bitsandbytes", 8, -1), WEIGHTS + 4 * 256, id="bitsandbytes 8-bit"),
    ],
)
def test_a_matrix_takes_its_weights_scales_and_zero_points(quantization: Quantization, expected: int) -> None:
    assert size(matrix(), quantization) == expected


def test_a_bias_keeps_the_models_element_type() -> None:
    rule = Quantization("fp8", 8)
    assert size(matrix(bias=True), rule) - size(matrix(), rule) == 2 * 256


@pytest.mark.parametrize(
    ("kernel", "gate_or_up", "down"),
    [
        pytest.param(Mxfp4Kernel.NONE, 2880 * (1440 + 90), 2880 * (1440 + 90), id="as stored"),
        pytest.param(Mxfp4Kernel.MARLIN, 2944 * (1536 + 96), 3072 * (1472 + 92), id="Marlin: 128 and 256"),
        pytest.param(Mxfp4Kernel.TENSORRT_LLM, 3072 * (1536 + 96), 3072 * (1536 + 96), id="TensorRT-LLM: 256 and 256"),
        pytest.param(
            Mxfp4Kernel.TRITON, 2944 * (1472 + 90), 3072 * (1472 + 90), id="Triton on Hopper: gate and up as one"
        ),
    ],
)
def test_mxfp4_experts_are_padded_to_the_kernels_tiles(kernel: Mxfp4Kernel, gate_or_up: int, down: int) -> None:
    rule = Quantization("mxfp4", 4, 32, scale_bytes=1, experts_only=True)
    shape: dict[str, Any] = {"experts": 1, "component": Component.EXPERTS, "inputs": 2880, "outputs": 2880}
    up = matrix("model.layers.{}.mlp.experts.{}.up_proj", sharding=Sharding.EXPERT_OUTPUT, **shape)
    lower = matrix("model.layers.{}.mlp.experts.{}.down_proj", sharding=Sharding.EXPERT_INPUT, **shape)
    assert (size(up, rule, kernel), size(lower, rule, kernel)) == (gate_or_up, down)


@pytest.mark.parametrize(
    ("version", "capability", "kernel"),
    [
        pytest.param(EngineVersion(0, 12), (9, 0), Mxfp4Kernel.TRITON, id="Hopper"),
        pytest.param(EngineVersion(0, 11), (9, 0), Mxfp4Kernel.TRITON, id="Hopper: vLLM's image of 0.11 has them too"),
        pytest.param(EngineVersion(0, 26), (10, 0), Mxfp4Kernel.TENSORRT_LLM, id="Blackwell before 0.27"),
        pytest.param(EngineVersion(0, 27), (10, 0), Mxfp4Kernel.MARLIN, id="Blackwell since 0.27: the same tiles"),
        pytest.param(EngineVersion(0, 32), (12, 0), Mxfp4Kernel.MARLIN, id="consumer Blackwell"),
        pytest.param(EngineVersion(0, 32), (8, 0), Mxfp4Kernel.MARLIN, id="Ampere"),
        pytest.param(EngineVersion(0, 32), None, Mxfp4Kernel.MARLIN, id="no GPU in mind"),
    ],
)
def test_the_gpu_decides_which_kernel_computes_mxfp4_experts(
    version: EngineVersion, capability: tuple[int, int] | None, kernel: Mxfp4Kernel
) -> None:
    assert mxfp4_kernel(version, capability) is kernel


@pytest.mark.parametrize(
    ("version", "capability", "kernel"),
    [
        pytest.param(EngineVersion(0, 11), (9, 0), Mxfp4Kernel.MARLIN, id="Hopper before vLLM brought triton_kernels"),
        pytest.param(EngineVersion(0, 12), (9, 0), None, id="Hopper since"),
        pytest.param(EngineVersion(0, 11), (8, 0), None, id="Ampere: Marlin's everywhere"),
        pytest.param(EngineVersion(0, 11), None, None, id="no GPU in mind"),
    ],
)
def test_an_image_without_triton_kernels_takes_another_layout(
    version: EngineVersion, capability: tuple[int, int] | None, kernel: Mxfp4Kernel | None
) -> None:
    assert mxfp4_kernel_elsewhere(version, capability) is kernel


def test_packed_experts_have_smaller_groups_where_a_rank_holds_no_whole_ones() -> None:
    rule = Quantization("awq", 4, 128, scale_bytes=0)
    shape: dict[str, Any] = {"experts": 1, "component": Component.EXPERTS, "sharding": Sharding.EXPERT_INPUT}
    down = matrix("model.layers.{}.mlp.experts.{}.down_proj", inputs=704, outputs=2048, **shape)
    assert size(down, rule) == 704 * 2048 // 2 + 2 * 2048 * (704 // 64)


def test_gptq_rules_see_the_fused_module_and_its_list_the_parts() -> None:
    down, query = matrix(), matrix("model.layers.{}.self_attn.q_proj", fused_name="model.layers.{}.self_attn.qkv_proj")
    wide = Quantization("gptq", 8, 128, scale_bytes=0)
    by_rule = Quantization("gptq", 4, 128, scale_bytes=0, listed=(("re:.*qkv_proj", wide), ("re:.*k_proj", wide)))
    assert size(query, by_rule) == size(query, wide)
    assert size(down, by_rule) < size(down, wide)
    some = Quantization("gptq", 4, 128, scale_bytes=0, only=("q_proj",))
    assert size(query, some) < size(down, some) == 2 * WEIGHTS


def test_mxfp4_leaves_everything_but_experts_alone() -> None:
    assert size(matrix(), Quantization("mxfp4", 4, 32, scale_bytes=1, experts_only=True)) == 2 * WEIGHTS


EXPERTS: dict[str, Any] = {
    "sharding": Sharding.EXPERT_OUTPUT,
    "experts": 1,
    "component": Component.EXPERTS,
    "fused_name": "model.layers.{}.mlp.experts",
}


@pytest.mark.parametrize(
    ("method", "ignored", "linear", "left_alone"),
    [
        pytest.param("fp8", ["model.layers.0.mlp.down_proj"], matrix(), True, id="fp8: the very name"),
        pytest.param("fp8", ["down_proj"], matrix(), False, id="fp8: a part of the name is not enough"),
        pytest.param("fp8", ["model.layers.1.mlp.down_proj"], matrix(), False, id="fp8: another layer"),
        pytest.param(
            "fp8",
            ["model.layers.0.mlp.experts.0.up_proj"],
            matrix("model.layers.{}.mlp.experts.{}.up_proj", **EXPERTS),
            True,
            id="fp8: one expert stands for all",
        ),
        pytest.param(
            "fp8",
            ["model.layers.0.self_attn.qkv_proj"],
            matrix("model.layers.{}.self_attn.q_proj", fused_name="model.layers.{}.self_attn.qkv_proj"),
            True,
            id="fp8: the name of the fused module",
        ),
        pytest.param("awq", ["down_proj"], matrix(), True, id="awq: a part of the name"),
        pytest.param("awq", ["visual"], matrix("visual.blocks.{}.attn.qkv"), True, id="awq: the tower"),
        pytest.param("compressed-tensors", ["re:.*down_proj$"], matrix(), True, id="compressed-tensors: an expression"),
        pytest.param("compressed-tensors", ["re:down_proj"], matrix(), False, id="compressed-tensors: from the start"),
        pytest.param("compressed-tensors", ["mlp.down_proj"], matrix(), False, id="compressed-tensors: no parts"),
        pytest.param("modelopt", ["model.layers.0.mlp"], matrix(), True, id="modelopt: all below a module"),
        pytest.param("modelopt", ["model.layers.1"], matrix(), False, id="modelopt: another layer"),
        pytest.param("modelopt", ["*.mlp.*"], matrix(), True, id="modelopt: a wildcard"),
        pytest.param(
            "modelopt", ["nothing"], matrix("vision_tower.layers.{}.fc1"), True, id="modelopt: towers of its older form"
        ),
        pytest.param("bitsandbytes", ["mlp"], matrix(), True, id="bitsandbytes: a part between dots"),
        pytest.param("bitsandbytes", ["down"], matrix(), False, id="bitsandbytes: half a part"),
    ],
)
def test_each_method_reads_its_list_in_its_own_way(
    method: str, ignored: list[str], linear: Linear, left_alone: bool
) -> None:
    rule = Quantization(method, 8, ignored=tuple(ignored))
    assert (size(linear, rule) == 2 * WEIGHTS) is left_alone


def test_a_list_for_some_layers_leaves_only_those_alone() -> None:
    linear = matrix(count=4, placement=Placement(layers=(0, 1, 2, 3)))
    rule = Quantization("fp8", 8, ignored=("model.layers.1.mlp.down_proj", "model.layers.3.mlp.down_proj"))
    sizes = Storage(rule, 2).bytes_of(linear, shape_of(linear, ONE_RANK))
    assert sizes == [WEIGHTS + 4, 2 * WEIGHTS, WEIGHTS + 4, 2 * WEIGHTS]


def test_a_mixed_checkpoint_stores_each_module_as_listed() -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "quantization_config": {
            "quant_method": "modelopt",
            "quant_algo": "MIXED_PRECISION",
            "quantized_layers": {
                "model.layers.0.mlp.down_proj": {"quant_algo": "FP8"},
                "model.layers.1.mlp.down_proj": {"quant_algo": "NVFP4", "group_size": 16},
            },
        },
    }
    rule = read_quantization(config)
    assert rule is not None
    linear = matrix(count=3, placement=Placement(layers=(0, 1, 2)))
    sizes = Storage(rule, 2).bytes_of(linear, shape_of(linear, ONE_RANK))
    assert sizes == [WEIGHTS + 8, WEIGHTS // 2 + 256 * 64 + 12, 2 * WEIGHTS]


@pytest.mark.parametrize(("head", "expected"), [pytest.param(True, WEIGHTS + 4, id="if the method says so"),
                                                pytest.param(False, 2 * WEIGHTS, id="else not")])  # fmt: skip
def test_the_head_is_quantised(head: bool, expected: int) -> None:
    linear = matrix("lm_head", sharding=Sharding.VOCABULARY, placement=Placement())
    assert size(linear, Quantization("modelopt", 8, head=head)) == expected


def test_without_a_list_gptq_quantises_decoder_layers_only() -> None:
    tower = matrix("visual.blocks.{}.fc1", placement=Placement(numbers=(0,)))
    assert size(tower, Quantization("gptq", 4, 128, scale_bytes=0, layers_only=True)) == 2 * WEIGHTS
