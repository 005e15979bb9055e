"""Which part of a matrix one rank holds."""

import pytest

from vlm_operator.capacity.weights.ranks import Ranks, divide, divide_heads, padded_vocabulary, shape_of
from vlm_operator.engine.pipeline import stage_bounds
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError
from vlm_operator.model.facts import Component, Linear, Placement, Sharding


@pytest.mark.parametrize(
    ("heads", "ranks", "expected"),
    [
        pytest.param(8, 1, 8 * 128, id="one rank holds all heads"),
        pytest.param(8, 4, 2 * 128, id="ranks divide the heads"),
        pytest.param(2, 4, 128, id="a head is copied where ranks outnumber heads"),
        pytest.param(1, 8, 128, id="the only head is on every rank"),
    ],
)
def test_key_value_heads_are_divided_or_copied(heads: int, ranks: int, expected: int) -> None:
    assert divide_heads(heads * 128, heads, ranks, "k_proj") == expected


@pytest.mark.parametrize(("heads", "ranks"), [pytest.param(3, 2, id="3 over 2"), pytest.param(4, 6, id="4 over 6")])
def test_heads_that_do_not_divide_are_refused(heads: int, ranks: int) -> None:
    with pytest.raises(InputError, match=f"tensor-parallel-size: {ranks} ranks do not divide the {heads}"):
        divide_heads(heads * 128, heads, ranks, "k_proj")


def test_a_size_that_does_not_divide_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"3 ranks do not divide the 10 elements of model\.layers"):
        divide(10, 3, "model.layers")


@pytest.mark.parametrize(
    ("rows", "padded"), [pytest.param(128256, 128256, id="already"), pytest.param(151_643, 151_680, id="up to 64")]
)
def test_vocabularies_are_padded(rows: int, padded: int) -> None:
    assert padded_vocabulary(rows) == padded


@pytest.mark.parametrize(
    ("layers", "stages", "sizes"),
    [
        pytest.param(32, 1, [32], id="one stage"),
        pytest.param(32, 4, [8, 8, 8, 8], id="even"),
        pytest.param(61, 4, [15, 15, 16, 15], id="one left over goes before the last"),
        pytest.param(62, 4, [15, 16, 16, 15], id="two left over spare the ends"),
        pytest.param(63, 4, [16, 16, 16, 15], id="three left over spare the last"),
    ],
)
def test_layers_are_split_over_stages_as_vllm_splits_them(layers: int, stages: int, sizes: list[int]) -> None:
    bounds = stage_bounds(layers, stages)
    assert [end - first for first, end in bounds] == sizes
    assert bounds[0][0] == 0
    assert bounds[-1][1] == layers


def expert(sharding: Sharding) -> Linear:
    return Linear(Component.EXPERTS, "experts.{}.up_proj", 4 * 6, 512, 256, sharding, experts=6)


@pytest.mark.parametrize(
    ("settings", "count", "rows"),
    [
        pytest.param(EngineSettings(), 24, 512, id="one rank"),
        pytest.param(EngineSettings(tensor_parallel_size=2), 24, 256, id="tensor parallel: each expert divided"),
        pytest.param(
            EngineSettings(tensor_parallel_size=2, enable_expert_parallel=True),
            12,
            512,
            id="whole experts",
        ),
        pytest.param(
            EngineSettings(tensor_parallel_size=4, enable_expert_parallel=True),
            8,
            512,
            id="the fullest has 2 of 6",
        ),
        pytest.param(
            EngineSettings(tensor_parallel_size=2, data_parallel_size=2),
            24,
            128,
            id="data parallel ranks divide too",
        ),
    ],
)
def test_experts_are_divided_or_handed_out(settings: EngineSettings, count: int, rows: int) -> None:
    shape = shape_of(expert(Sharding.EXPERT_OUTPUT), Ranks.of(settings))
    assert (shape.count, shape.rows) == (count, rows)


def test_attention_stays_whole_where_ranks_do_not_divide_its_heads() -> None:
    qkv = Linear(Component.VISION_TOWER, "attn.qkv", 1, 3 * 3200, 3200, Sharding.OUTPUT, heads=25)
    assert shape_of(qkv, Ranks.of(EngineSettings(tensor_parallel_size=2))).rows == 9600
    assert shape_of(qkv, Ranks.of(EngineSettings(tensor_parallel_size=5))).rows == 1920


def test_an_encoder_in_data_mode_is_whole_on_every_rank() -> None:
    placement = Placement(data_parallel=True)
    fc1 = Linear(Component.VISION_TOWER, "mlp.fc1", 1, 4304, 1152, Sharding.OUTPUT, placement=placement)
    divided = EngineSettings(tensor_parallel_size=2)
    assert shape_of(fc1, Ranks.of(divided)).rows == 2152
    assert shape_of(fc1, Ranks.of(divided.with_(mm_encoder_tp_mode="data"))).rows == 4304
