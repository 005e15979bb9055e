"""A replica that spans nodes is never a Deployment."""

from __future__ import annotations

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.api.topology_spec import TopologySpec
from vlm_operator.lifecycle.offers import offers
from vlm_operator.lifecycle.one_node import on_one_node
from vlm_operator.lifecycle.situation import GpuNode
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.verdict import Reason, Verdict


def test_a_plan_over_nodes_is_refused_with_what_runs_it() -> None:
    refused = on_one_node(plan(qwen3_vl(), gpu("L4"), Intent(nodes=2, gpus_available=1)))
    assert (refused.verdict, refused.reason) == (Verdict.UNSUPPORTED, Reason.SPANS_NODES)
    assert "1 GPUs on each of 2 nodes" in refused.message
    assert "render -o leaderworkerset" in (refused.hint or "")


def test_a_plan_on_one_node_stays() -> None:
    made = plan(qwen3_vl(), gpu("L40S"), Intent(nodes=None))
    assert on_one_node(made) is made


@pytest.mark.parametrize(("most", "counted"), [(None, 8), (4, 4), (16, 8)])
def test_a_pod_gets_no_more_gpus_than_the_topology_says(most: int | None, counted: int) -> None:
    node = GpuNode(
        "a", {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.count": "8"}, {"nvidia.com/gpu": "8"}, ready=True
    )
    (offer,) = offers((node,), None, TopologySpec(gpus_per_node=most)).matching
    assert offer.count == counted
