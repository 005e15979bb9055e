"""The rules that differ between vLLM's releases, each seen at the release that changed it."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.capacity.kv import KVLayout, derived_max_model_len, kv_layout
from vlm_operator.engine.kv_cache_rules import kv_cache_rules
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.reader import read_model_facts
from vlm_operator.units import GIB

SMALL: dict[str, Any] = {
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}
LLAMA = {**SMALL, "architectures": ["LlamaForCausalLM"], "model_type": "llama"}
GEMMA3 = {
    **SMALL,
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "num_hidden_layers": 13,
    "head_dim": 64,
    "sliding_window": 512,
}
COHERE2 = {**SMALL, "architectures": ["Cohere2ForCausalLM"], "model_type": "cohere2", "sliding_window": 512}
LLAMA4 = {
    "architectures": ["Llama4ForConditionalGeneration"],
    "model_type": "llama4",
    "torch_dtype": "bfloat16",
    "text_config": {
        **SMALL,
        "model_type": "llama4_text",
        "head_dim": 64,
        "num_hidden_layers": 8,
        "num_local_experts": 2,
        "intermediate_size_mlp": 1024,
        "attention_chunk_size": 2048,
        "no_rope_layers": [1, 1, 1, 0] * 2,
        "interleave_moe_layer_step": 1,
    },
    "vision_config": {"model_type": "llama4_vision_model", "hidden_size": 64, "num_hidden_layers": 1},
}
QWEN3_NEXT = {
    **SMALL,
    "architectures": ["Qwen3NextForCausalLM"],
    "model_type": "qwen3_next",
    "num_hidden_layers": 12,
    "head_dim": 64,
    "linear_num_key_heads": 4,
    "linear_num_value_heads": 8,
    "linear_key_head_dim": 64,
    "linear_value_head_dim": 64,
    "linear_conv_kernel_dim": 4,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 128,
    "shared_expert_intermediate_size": 128,
}
YARN = {**LLAMA, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192}}


def facts_of(config: dict[str, Any]) -> ModelFacts:
    return read_model_facts(config, model="small", source="test")


def layout_of(config: dict[str, Any], minor: int, **flags: Any) -> KVLayout:
    return kv_layout(facts_of(config), EngineSettings(**flags), EngineVersion(0, minor))


@pytest.mark.parametrize("version", [EngineVersion(0, 10), EngineVersion(0, 34), EngineVersion(1, 20)], ids=str)
def test_releases_whose_rules_are_not_known_are_not_guessed(version: EngineVersion) -> None:
    with pytest.raises(UnknownFact, match=r"0\.11 to 0\.33"):
        kv_cache_rules(version)


@pytest.mark.parametrize("minor", range(11, 34))
def test_plain_attention_is_laid_out_alike_by_every_release(minor: int) -> None:
    layout = layout_of(LLAMA, minor)
    # keys and values x 2 heads x 64 x 2 bytes x 16 tokens, 6 layers
    assert layout.bytes_per_block == 2 * 2 * 64 * 2 * 16 * 6 == 49152
    assert layout.needed_bytes(8192) == 8192 // 16 * 49152
    assert layout.num_blocks(GIB) == GIB // 49152


@pytest.mark.parametrize(("minor", "spare"), [(28, 0), (29, 1), (33, 1)])
def test_since_0_29_the_check_leaves_the_null_block_out(minor: int, spare: int) -> None:
    layout = layout_of(LLAMA, minor)
    least = layout.least_bytes_that_start(8192)
    assert least == layout.needed_bytes(8192) + spare * layout.bytes_per_block
    assert layout.passes(least, 8192)
    assert not layout.passes(least - 1, 8192)


def test_what_a_hybrid_is_asked_for_changed_with_0_14_and_0_19() -> None:
    by_release = {minor: layout_of(QWEN3_NEXT, minor) for minor in (13, 14, 18, 19)}
    needed = {minor: layout.needed_bytes(8192) for minor, layout in by_release.items()}
    # 0.14 to 0.18 look at the first group alone, before and after all groups count.
    assert needed[14] == needed[18] < needed[19]
    assert needed[13] > needed[14]


def test_chunked_local_attention_keeps_all_tokens_until_0_13() -> None:
    before, since = layout_of(LLAMA4, 13), layout_of(LLAMA4, 14)
    assert {group.kind for group in before.groups} == {"FullAttention"}
    assert {group.kind for group in since.groups} == {"FullAttention", "ChunkedLocalAttention"}
    assert since.needed_bytes(8192) < before.needed_bytes(8192)


def test_a_window_that_excludes_the_token_itself_is_one_token_longer_since_0_29() -> None:
    # 2048 tokens in flight, window of 512: 511 and 512 tokens of the past.
    flags = {"max_num_batched_tokens": 2049, "block_size": 16}
    blocks = {minor: layout_of(COHERE2, minor, **flags).blocks_per_request(8192) for minor in (28, 29)}
    assert blocks[29] > blocks[28]


def test_a_window_holds_the_tokens_of_every_batch_in_flight_since_0_26() -> None:
    for minor, more in ((25, False), (26, True), (32, True)):
        together = layout_of(GEMMA3, minor, max_num_batched_tokens=1024, async_scheduling=True)
        alone = layout_of(GEMMA3, minor, max_num_batched_tokens=1024, async_scheduling=False)
        assert (together.needed_bytes(8192) > alone.needed_bytes(8192)) is more


def test_a_yarn_factor_multiplies_the_length_until_0_29() -> None:
    model = facts_of(YARN)
    lengths = {minor: derived_max_model_len(model, EngineVersion(0, minor)) for minor in (29, 30)}
    assert lengths == {29: 32768, 30: 8192}


def test_a_float16_cache_came_with_0_18() -> None:
    with pytest.raises(InputError, match=r"came with 0\.18"):
        layout_of(LLAMA, 17, kv_cache_dtype="float16")
    assert layout_of(LLAMA, 18, kv_cache_dtype="float16").bytes_per_block == 49152


@pytest.mark.parametrize(
    ("cache_type", "bytes_per_block"),
    [("auto", 49152), ("bfloat16", 49152), ("fp8", 24576), ("fp8_e4m3", 24576), ("fp8_e5m2", 24576)],
)
def test_cache_types_set_the_page(cache_type: str, bytes_per_block: int) -> None:
    assert layout_of(LLAMA, 32, kv_cache_dtype=cache_type).bytes_per_block == bytes_per_block


@pytest.mark.parametrize(("cache_type", "error"), [("nvfp4", UnknownFact), ("fp9", InputError), ("", InputError)])
def test_cache_types_without_a_known_page_are_refused(cache_type: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="kv-cache-dtype"):
        layout_of(LLAMA, 32, kv_cache_dtype=cache_type)


@pytest.mark.parametrize(("ranks", "bytes_per_block"), [(1, 49152), (2, 24576), (4, 24576), (8, 24576)])
def test_ranks_beyond_the_heads_keep_a_copy_of_one(ranks: int, bytes_per_block: int) -> None:
    assert layout_of(LLAMA, 32, tensor_parallel_size=ranks).bytes_per_block == bytes_per_block


@pytest.mark.parametrize(("ranks", "message"), [(3, "divi"), (0, "tensor-parallel-size"), (-1, "tensor-parallel-size")])
def test_models_that_do_not_divide_are_refused_with_the_figures(ranks: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        layout_of(LLAMA, 32, tensor_parallel_size=ranks)


@pytest.mark.parametrize(("stages", "layers"), [(1, 6), (2, 3), (3, 2), (4, 2)])
def test_pipeline_stages_keep_their_own_layers(stages: int, layers: int) -> None:
    layout = layout_of(LLAMA, 32, pipeline_parallel_size=stages)
    assert layout.bytes_per_block == 8192 * layers


def test_prefix_caching_of_recurrent_models_keeps_more_states() -> None:
    without, by_default = layout_of(QWEN3_NEXT, 32, enable_prefix_caching=False), layout_of(QWEN3_NEXT, 32)
    assert without.needed_bytes(1) < by_default.needed_bytes(1)


def test_an_override_of_blocks_counts_instead_of_the_memory_since_0_20() -> None:
    for minor, passes in ((19, True), (20, False)):
        assert layout_of(LLAMA, minor).passes(40 * GIB, 8192, num_gpu_blocks_override=10) is passes


def test_a_layout_is_worked_out_once() -> None:
    model, settings, version = facts_of(LLAMA), EngineSettings(), EngineVersion(0, 32)
    assert kv_layout(model, settings, version) is kv_layout(model, settings, version)


@pytest.mark.parametrize(
    ("capability", "pages"),
    [
        pytest.param((8, 0), 2, id="Triton's kernel on Ampere"),
        pytest.param((9, 0), 3, id="FlashInfer's kernel on Hopper"),
        pytest.param((10, 0), 2, id="key heads of 64 on Blackwell"),
        pytest.param((0, 0), 2, id="the CPU backend"),
        pytest.param(None, 3, id="the larger count where no GPU is known"),
    ],
)
def test_since_0_33_states_depend_on_the_gpus_prefill_kernel(capability: tuple[int, int] | None, pages: int) -> None:
    layout = kv_layout(facts_of(QWEN3_NEXT), EngineSettings(), EngineVersion(0, 33), capability)
    states = next(group for group in layout.groups if group.kind == "Mamba")
    attention = next(group for group in layout.groups if group.kind != "Mamba")
    one_block = layout.needed_bytes(attention.block_size) // layout.bytes_per_block
    groups_of_states = sum(group.kind == "Mamba" for group in layout.groups)
    assert one_block == 1 + pages * groups_of_states
    assert states.block_size == attention.block_size


def test_blackwells_kernel_takes_key_heads_of_128() -> None:
    config = {**QWEN3_NEXT, "linear_key_head_dim": 128}
    needed = {
        capability: kv_layout(facts_of(config), EngineSettings(), EngineVersion(0, 33), capability).needed_bytes(8192)
        for capability in ((8, 9), (10, 0), (12, 0))
    }
    assert needed[8, 9] < needed[10, 0] == needed[12, 0]
