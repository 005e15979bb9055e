"""Plans over nodes: shapes, the tightest stage, layers moved between stages, what a node has."""

from __future__ import annotations

from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.planning.candidate import candidate
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.more_nodes import nodes_that_hold
from vlm_operator.planning.partition import balanced
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.report import plan_to_json
from vlm_operator.planning.shapes import Shape, shapes
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model

LARGE = "Qwen/Qwen3-VL-235B-A22B-Instruct"


def wanted(pinned: dict[str, Any] | None = None, **intent: Any) -> Intent:
    flags = pinned or {}
    return Intent(settings=EngineSettings(**flags), pinned=frozenset(flags), **intent)


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        pytest.param(wanted(gpus_available=4), [(1, 1, 1), (2, 1, 1), (4, 1, 1)], id="one node: the fewest first"),
        pytest.param(wanted(nodes=2), [(8, 2, 2), (4, 4, 2), (2, 8, 2), (1, 16, 2)], id="two nodes are taken whole"),
        pytest.param(wanted(nodes=2, gpu_count=8), [(4, 2, 2), (2, 4, 2), (1, 8, 2)], id="a count on two nodes"),
        pytest.param(wanted(nodes=None, gpu_count=8), [(8, 1, 1)], id="a count that one node holds"),
        pytest.param(
            wanted(nodes=None, gpu_count=24), [(8, 3, 3), (4, 6, 3), (2, 12, 3), (1, 24, 3)], id="three nodes"
        ),
        pytest.param(wanted({"tensor_parallel_size": 4}, nodes=2), [(4, 2, 2)], id="a pinned size: a stage for a node"),
        pytest.param(wanted({"tensor_parallel_size": 16}, nodes=2), [(16, 1, 2)], id="pinned over two nodes"),
        pytest.param(
            wanted({"tensor_parallel_size": 8, "pipeline_parallel_size": 2}, nodes=None), [(8, 2, 2)], id="both pinned"
        ),
        pytest.param(wanted({"pipeline_parallel_size": 4}, nodes=2), [(4, 4, 2)], id="pinned stages"),
        pytest.param(wanted({"tensor_parallel_size": 4}, gpu_count=8), [(4, 2, 1)], id="a pinned size and a count"),
        pytest.param(wanted({"tensor_parallel_size": 16}, is_prediction=True), [(16, 1, 2)], id="a prediction"),
    ],
)
def test_shapes_keep_a_layer_inside_a_node(intent: Intent, expected: list[tuple[int, int, int]]) -> None:
    assert list(shapes(load_model(LARGE, offline=True), intent)) == [Shape(*each) for each in expected]


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        pytest.param(wanted(gpu_count=16), "gpu-count: 16 GPUs are needed for a replica, and a node has 8", id="count"),
        pytest.param(wanted({"tensor_parallel_size": 16}), "tensor-parallel-size: 16 GPUs are needed", id="size"),
        pytest.param(wanted({"pipeline_parallel_size": 9}), "pipeline-parallel-size: 9 GPUs are needed", id="stages"),
        pytest.param(wanted(gpu_count=15, nodes=2), "2 nodes of 8 cannot share them evenly", id="not shared evenly"),
        pytest.param(wanted(gpu_count=16, gpus_available=4, nodes=2), "gpu-count: 16", id="smaller nodes"),
        pytest.param(wanted(nodes=2, version=EngineVersion(0, 11)), "spans nodes only with Ray", id="release"),
    ],
)
def test_more_than_the_nodes_have_is_refused_with_the_remedy(intent: Intent, words: str) -> None:
    with pytest.raises(InputError) as refused:
        plan(load_model(LARGE, offline=True), gpu("H100"), intent)
    assert words in refused.value.message
    assert refused.value.hint


def large(**intent: Any) -> Plan:
    return plan(load_model(LARGE, offline=True), gpu("H100"), wanted(**intent))


def test_a_large_model_over_two_nodes_has_a_budget_for_each_stage() -> None:
    found = large(nodes=2)
    assert (found.verdict, found.gpu_count, found.nodes, found.gpus_per_node) == (Verdict.FITS, 16, 2, 8)
    told = plan_to_json(found)
    first, last = told["budget"]["stages"]
    assert (first["layers"], last["layers"]) == ([0, 46], [47, 93])
    assert (first["node"], last["node"]) == (0, 1)
    assert (first["holds"], last["holds"]) == (["embedding", "encoder, profiled"], ["encoder, idle", "head", "sampler"])
    assert (first["tightest"], last["tightest"]) == (False, True)
    assert told["budget"]["kvCacheBytes"] == last["kvCacheBytes"] < first["kvCacheBytes"]
    assert told["container"]["numBlocks"] == min(first["numBlocks"], last["numBlocks"])
    assert "stage 2 of 2 (layers 47 to 93) is the tightest" in found.message


def test_every_stage_of_a_plan_that_fits_holds_the_cup() -> None:
    found = large(nodes=2, version=EngineVersion(0, 21))
    assert found.verdict is Verdict.FITS
    assert found.evaluation is not None
    assert len(found.evaluation.stages) == 2
    assert min(each.headroom_bytes for each in found.evaluation.stages) == found.evaluation.headroom_bytes >= 0


def test_as_few_nodes_as_hold_the_model_are_taken_where_the_plan_may_choose() -> None:
    card = gpu("H100")
    model = load_model(LARGE, offline=True)
    assert plan(model, card, wanted(nodes=None)).nodes == 1
    spread = plan(model, card, wanted(nodes=None, gpus_available=4))
    assert (spread.verdict, spread.nodes, spread.gpu_count) == (Verdict.FITS, 2, 8)


def test_what_one_node_does_not_hold_names_the_nodes_that_do() -> None:
    refused = plan(load_model(LARGE, offline=True), gpu("H100"), wanted(gpus_available=4))
    assert refused.verdict is Verdict.DOES_NOT_FIT
    words = nodes_that_hold(refused) or ""
    assert words.startswith("2 nodes with 4 GPUs each hold it: --nodes 2")
    assert nodes_that_hold(plan(refused.model, gpu("H100"), wanted())) is None, "it fits on one node"
    assert nodes_that_hold(plan(refused.model, gpu("H100"), wanted(gpu_count=4))) is None, "the count is pinned"


def test_layers_move_from_the_tightest_stage_to_the_loosest() -> None:
    card, version = gpu("L4"), EngineVersion(0, 32)
    even = EngineSettings(
        pipeline_parallel_size=2, max_model_len=4096, max_num_seqs=1024, max_num_batched_tokens=2048,
        gpu_memory_utilization=0.9,
    )  # fmt: skip
    moved = balanced(qwen3_vl(), card, even, version)
    before, after = (candidate(qwen3_vl(), card, each, version).headrooms(0.9) for each in (even, moved))
    assert moved.pp_layer_partition is not None
    assert sum(moved.pp_layer_partition) == 36
    assert moved.pp_layer_partition[0] != moved.pp_layer_partition[1]
    assert min(after) > min(before)


def test_a_plan_that_rests_on_moved_layers_sets_the_variable() -> None:
    """Somewhere between the contexts that fit either way and those that fit no way."""
    card, model = gpu("L4"), qwen3_vl()
    flags = {"pipeline_parallel_size": 2, "tensor_parallel_size": 1, "max_num_batched_tokens": 2048}
    flags |= {"max_num_seqs": 256, "gpu_memory_utilization": 0.9, "kv_cache_dtype": "auto", "enforce_eager": True}
    plans = [plan(model, card, wanted({**flags, "max_model_len": length})) for length in range(98304, 180224, 2048)]
    fitting = [found for found in plans if found.settings.pp_layer_partition and found.verdict is Verdict.FITS]
    assert fitting
    for found in fitting:
        partition = found.settings.pp_layer_partition
        assert partition is not None
        assert found.environment["VLLM_PP_LAYER_PARTITION"] == ",".join(map(str, partition))


@pytest.mark.parametrize(
    ("flags", "intent", "expected"),
    [
        pytest.param({"tensor_parallel_size": 2, "data_parallel_size": 2}, {"gpu_count": 8}, [(2, 2, 1)], id="stages"),
        pytest.param({"tensor_parallel_size": 2, "data_parallel_size": 2}, {}, [(2, 1, 1)], id="one stage"),
    ],
)
def test_replicas_inside_a_server_take_gpus_of_a_pinned_shape(
    flags: dict[str, Any], intent: dict[str, Any], expected: list[tuple[int, int, int]]
) -> None:
    found = list(shapes(load_model(LARGE, offline=True), wanted(flags, **intent)))
    assert found == [Shape(*each) for each in expected]


@pytest.mark.parametrize(
    ("intent", "told"),
    [
        pytest.param({"gpus_available": 4}, True, id="nothing stands in the way"),
        pytest.param({"gpus_available": 4, "is_prediction": True}, False, id="given flags are judged"),
        pytest.param({"gpus_available": 4, "gpu_count": 4}, False, id="the count is given"),
        pytest.param({"gpus_available": 4, "pinned": {"tensor_parallel_size": 4}}, False, id="the ranks are pinned"),
        pytest.param({"gpus_available": 4, "pinned": {"pipeline_parallel_size": 1}}, False, id="the stages are pinned"),
        pytest.param({"gpus_available": 1, "nodes_available": 2}, False, id="two nodes of one GPU are not enough"),
        pytest.param({"gpus_available": 4, "nodes_available": 1}, False, id="there is one node"),
        pytest.param({"gpus_available": 4, "version": EngineVersion(0, 11)}, False, id="a release without nodes"),
    ],
)
def test_more_nodes_are_told_where_nothing_stands_in_the_way(intent: dict[str, Any], told: bool) -> None:
    refused = plan(load_model(LARGE, offline=True), gpu("H100"), wanted(**intent))
    assert not refused.fits
    words = nodes_that_hold(refused)
    assert words == (
        "2 nodes with 4 GPUs each hold it: --nodes 2, or spec.topology.nodes, and -o leaderworkerset" if told else None
    )


@pytest.mark.parametrize(
    ("available", "most"),
    [
        pytest.param(None, 8, id="nobody counted: eight"),
        pytest.param(3, 3, id="those that are there"),
        pytest.param(20, 8, id="no more than eight"),
        pytest.param(0, 1, id="at least one"),
    ],
)
def test_a_free_number_of_nodes_is_bounded(available: int | None, most: int) -> None:
    found = list(shapes(qwen3_vl(), wanted(nodes=None, gpus_available=1, nodes_available=available)))
    assert max(shape.nodes for shape in found) == most
    assert [shape.nodes for shape in found] == sorted(shape.nodes for shape in found)
