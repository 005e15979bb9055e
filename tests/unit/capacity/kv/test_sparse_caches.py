"""Caches of sparse latent attention on other GPUs and of other types, as vLLM 0.33's own planner answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlm_operator.capacity.kv import kv_layout
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact, VlmOperatorError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources.model_files import ModelFiles

CONFIGS = {
    row["id"]: row["config"]
    for row in map(
        json.loads, (Path(__file__).resolve().parents[3] / "data/architectures.jsonl").read_text().splitlines()
    )
}
DEEPSEEK, GLM, SHARED = "DeepseekV32ForCausalLM", "GlmMoeDsaForCausalLM", "GlmMoeDsaForCausalLM shared"
HOPPER, BLACKWELL, CONSUMER, CPU = (9, 0), (10, 0), (12, 0), (0, 0)


def facts(name: str, **changes: object) -> ModelFacts:
    return ModelFiles({**CONFIGS[name], **changes}, {}).facts(model=name, source="test")


@pytest.mark.parametrize(
    ("name", "capability", "kv_cache_dtype", "block"),
    [
        pytest.param(DEEPSEEK, HOPPER, "auto", 328_704, id="hopper-keeps-16-bit"),
        pytest.param(DEEPSEEK, HOPPER, "fp8", 201_728, id="hopper-packs-fp8-with-scales"),
        pytest.param(DEEPSEEK, BLACKWELL, "auto", 328_704, id="blackwell-keeps-16-bit"),
        pytest.param(DEEPSEEK, BLACKWELL, "fp8", 181_248, id="blackwell-has-plain-fp8"),
        pytest.param(GLM, BLACKWELL, "auto", 181_248, id="glm-takes-fp8-on-blackwell"),
        pytest.param(GLM, HOPPER, "auto", 328_704, id="glm-keeps-16-bit-on-hopper"),
        pytest.param(DEEPSEEK, None, "fp8", 201_728, id="unknown-gpu-gets-the-larger-format"),
    ],
)
def test_a_block_of_four_layers_is_as_large_as_vllm_makes_it(
    name: str, capability: tuple[int, int] | None, kv_cache_dtype: str, block: int
) -> None:
    layout = kv_layout(facts(name), EngineSettings(kv_cache_dtype=kv_cache_dtype), EngineVersion(0, 33), capability)
    assert layout.bytes_per_block == block
    assert [group.block_size for group in layout.groups] == [64]


def test_glm_keeps_16_bit_on_blackwell_before_0_32() -> None:
    layout = kv_layout(facts(GLM), EngineSettings(), EngineVersion(0, 31), BLACKWELL)
    assert layout.bytes_per_block == 328_704


@pytest.mark.parametrize(
    ("name", "flags", "version", "capability", "error", "field"),
    [
        pytest.param(DEEPSEEK, {}, (0, 33), CONSUMER, UnknownFact, "gpu", id="consumer-blackwell"),
        pytest.param(DEEPSEEK, {}, (0, 33), CPU, UnknownFact, "gpu", id="cpu"),
        pytest.param(
            DEEPSEEK,
            {"kv_cache_dtype": "fp8_e4m3"},
            (0, 33),
            HOPPER,
            UnknownFact,
            "kv-cache-dtype",
            id="e4m3-on-hopper",
        ),
        pytest.param(
            DEEPSEEK, {"kv_cache_dtype": "fp8"}, (0, 18), HOPPER, UnknownFact, "kv-cache-dtype", id="fp8-before-0.19"
        ),
        pytest.param(DEEPSEEK, {"block_size": 16}, (0, 33), HOPPER, InputError, "block-size", id="blocks-of-16"),
        pytest.param(DEEPSEEK, {"block_size": 128}, (0, 33), HOPPER, UnknownFact, "block-size", id="blocks-of-128"),
        pytest.param(DEEPSEEK, {"dtype": "float16"}, (0, 33), HOPPER, UnknownFact, "dtype", id="float16"),
        pytest.param(SHARED, {}, (0, 23), HOPPER, UnknownFact, "index_topk_freq", id="shared-selection-before-0.24"),
    ],
)
def test_what_no_kernel_is_known_to_take_is_not_answered(
    name: str,
    flags: dict[str, object],
    version: tuple[int, int],
    capability: tuple[int, int],
    error: type[VlmOperatorError],
    field: str,
) -> None:
    with pytest.raises(error) as raised:
        kv_layout(facts(name), EngineSettings(**flags), EngineVersion(*version), capability)  # type: ignore[arg-type]
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"index_topk": None}, "index_topk", id="without-an-indexer"),
        pytest.param({"index_topk": 3000}, "index_topk", id="other-selection"),
        pytest.param({"index_head_dim": 64}, "index_head_dim", id="other-index-head"),
        pytest.param({"kv_lora_rank": 256}, "kv_lora_rank", id="other-rank"),
    ],
)
def test_dimensions_without_a_kernel_are_unknown(change: dict[str, object], field: str) -> None:
    with pytest.raises(UnknownFact) as raised:
        facts(DEEPSEEK, **change)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("change", "selecting"),
    [
        pytest.param({}, 9, id="every-layer"),
        pytest.param({"index_topk_freq": 4}, 3, id="every-fourth-after-the-first"),
        pytest.param({"index_topk_freq": 4, "index_skip_topk_offset": 3}, 4, id="offset"),
        pytest.param({"index_topk_pattern": "FSSF"}, 7, id="letters-and-layers-beyond-them"),
        pytest.param({"indexer_types": ["shared"] * 9}, 9, id="the-class's-own-list-is-not-read"),
    ],
)
def test_layers_that_share_a_selection_cache_no_key(change: dict[str, object], selecting: int) -> None:
    model = facts(GLM, num_hidden_layers=9, **change)
    layout = kv_layout(model, EngineSettings(), EngineVersion(0, 33), HOPPER)
    assert layout.bytes_per_block == 9 * 64 * 1152 + selecting * 64 * 132
