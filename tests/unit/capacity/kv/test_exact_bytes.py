"""The capacity check to the byte: what is just enough starts, one byte less does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vlm_operator.capacity.kv import KVLayout, kv_layout
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.model.reader import read_model_facts

PLAIN: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}
WINDOWS = {
    **PLAIN,
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "num_hidden_layers": 13,
    "head_dim": 64,
    "sliding_window": 512,
}
BLOCK = 49152
"""Bytes of a block of ``PLAIN``: keys and values x 2 heads x 64 x 2 bytes x 16 tokens, 6 layers."""


def layout_of(config: dict[str, Any], minor: int) -> KVLayout:
    model = read_model_facts(config, model="small", source="test")
    return kv_layout(model, EngineSettings(max_num_batched_tokens=2048), EngineVersion(0, minor))


@pytest.mark.parametrize("minor", [11, 28, 29, 33])
@pytest.mark.parametrize("config", [pytest.param(PLAIN, id="plain"), pytest.param(WINDOWS, id="sliding windows")])
@pytest.mark.parametrize("length", [1, 16, 17, 4096, 8191, 8192])
def test_the_least_container_of_a_length_holds_it_and_not_a_byte_less(
    config: dict[str, Any], minor: int, length: int
) -> None:
    layout = layout_of(config, minor)
    least = layout.least_bytes_that_start(length)
    assert layout.passes(least, length)
    assert not layout.passes(least - 1, length)
    assert layout.longest_context(least, 8192) >= length
    assert layout.longest_context(least - 1, 8192) < length


@pytest.mark.parametrize(
    ("container", "longest"),
    [
        pytest.param(-BLOCK, 0, id="less than nothing"),
        pytest.param(0, 0, id="nothing"),
        pytest.param(BLOCK - 1, 0, id="a byte short of one block"),
        pytest.param(BLOCK, 16, id="one block"),
        pytest.param(2 * BLOCK - 1, 16, id="a byte short of two"),
        pytest.param(2 * BLOCK, 32, id="two"),
        pytest.param(511 * BLOCK, 8176, id="a block short of the whole context"),
        pytest.param(512 * BLOCK, 8192, id="the whole context"),
        pytest.param(900 * BLOCK, 8192, id="more than the model takes"),
    ],
)
def test_the_longest_context_is_that_of_whole_blocks(container: int, longest: int) -> None:
    assert layout_of(PLAIN, 28).longest_context(container, 8192) == longest
    # 0.29 sets one block aside, the null block
    assert layout_of(PLAIN, 29).longest_context(container + BLOCK, 8192) == longest


def test_no_context_is_longer_than_the_limit_asked_for() -> None:
    layout = layout_of(PLAIN, 28)
    assert [layout.longest_context(512 * BLOCK, limit) for limit in (0, 1, 15, 100)] == [0, 1, 15, 100]


@pytest.mark.parametrize(("minor", "compared"), [(19, 100 * BLOCK), (20, 10 * BLOCK), (29, 9 * BLOCK)])
def test_an_override_of_blocks_is_what_is_compared_since_0_20(minor: int, compared: int) -> None:
    assert layout_of(PLAIN, minor).compared_bytes(100 * BLOCK, num_gpu_blocks_override=10) == compared


def test_blocks_tokens_and_concurrency_of_a_container() -> None:
    layout = layout_of(PLAIN, 33)
    container = 100 * BLOCK + 7
    assert layout.num_blocks(container) == 100
    assert layout.num_blocks(-1) == 0
    assert layout.num_blocks(container, num_gpu_blocks_override=3) == 3
    assert layout.concurrency(container, 160) == 10.0
    assert layout.concurrency(container, 160, num_gpu_blocks_override=30) == 3.0
    assert layout.capacity_tokens(container, 160) == 1600
    assert layout.capacity_tokens(container, 160, num_gpu_blocks_override=30) == 480


def test_tokens_are_reckoned_from_the_concurrency_since_0_20() -> None:
    """Up to 0.19 the log divides the blocks among the groups; since, it multiplies requests at once by their length."""
    before, since = layout_of(WINDOWS, 19), layout_of(WINDOWS, 20)
    container, length = 1000 * before.bytes_per_block, 8192
    assert before.capacity_tokens(container, length) == 1000 // len(before.groups) * before.block_size
    assert since.capacity_tokens(container, length) == int(since.concurrency(container, length) * length)


def test_a_model_that_caches_nothing_starts_with_any_container() -> None:
    layout = replace(layout_of(PLAIN, 33), groups=(), bytes_per_block=0, needed=(), requested=())
    assert layout.passes(0, 8192)
    assert layout.longest_context(0, 8192) == 8192
    assert layout.num_blocks(0) == 1
    assert layout.least_bytes_that_start(8192) == 0
    assert layout.capacity_tokens(0, 8192) == 0
    assert layout.concurrency(0, 8192) == 0.0


@pytest.mark.parametrize(("minor", "chosen"), [(13, None), (14, 16)])
def test_a_context_that_fits_is_chosen_by_vllm_itself_since_0_14(minor: int, chosen: int | None) -> None:
    assert layout_of(PLAIN, minor).auto_fit_max_model_len(2 * BLOCK - 1) == chosen


@pytest.mark.parametrize(
    ("kv_heads", "ranks", "bytes_per_block"),
    [
        pytest.param(4, 2, 49152, id="two heads on each rank"),
        pytest.param(2, 4, 24576, id="each head on two ranks"),
        pytest.param(6, 4, None, id="six heads over four ranks"),
        pytest.param(3, 2, None, id="three heads over two ranks"),
        pytest.param(3, 4, None, id="four ranks for three heads"),
    ],
)
def test_heads_divide_the_ranks_or_ranks_the_heads(kv_heads: int, ranks: int, bytes_per_block: int | None) -> None:
    config = {**PLAIN, "num_key_value_heads": kv_heads, "num_attention_heads": 12, "head_dim": 64}
    model = read_model_facts(config, model="small", source="test")
    flags = EngineSettings(tensor_parallel_size=ranks)
    if bytes_per_block is None:
        with pytest.raises(InputError, match="tensor-parallel-size") as refusal:
            kv_layout(model, flags, EngineVersion(0, 32))
        assert refusal.value.field == "tensor-parallel-size"
        return
    assert kv_layout(model, flags, EngineVersion(0, 32)).bytes_per_block == bytes_per_block


@pytest.mark.parametrize("length", [16, 4096, 8191])
def test_of_uneven_stages_the_one_with_more_layers_bounds_the_context(length: int) -> None:
    model = read_model_facts({**PLAIN, "num_hidden_layers": 7}, model="small", source="test")
    settings = EngineSettings(max_num_batched_tokens=2048, pipeline_parallel_size=2)
    layout = kv_layout(model, settings, EngineVersion(0, 33))
    least = layout.least_bytes_that_start(length)
    assert layout.longest_context(least - 1, 8192) < length <= layout.longest_context(least, 8192)
