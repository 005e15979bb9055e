"""Which nodes take a pod: node selector, required affinity, taints against tolerations, as the scheduler decides."""

from __future__ import annotations

from typing import Any

import pytest

from kit.audit_manifests import node, pod
from vlm_operator.audit.audit import audit, read_cluster
from vlm_operator.audit.finding import FindingKind
from vlm_operator.audit.fit_matrix import Outcome, WantedModel, fit_matrix
from vlm_operator.audit.node_groups import read_fleet
from vlm_operator.audit.placement import Placement, Site, Taint, read_placement, read_taints
from vlm_operator.audit.planner import Planner
from vlm_operator.sources import load_model

GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
SITE = Site("a", {"zone": "one", "gpus": "8"}, (Taint("nvidia.com/gpu", "present", "NoSchedule"),))
TOLERATES = ({"key": "nvidia.com/gpu", "operator": "Exists"},)
H100, L40S, MODEL = "NVIDIA-H100-80GB-HBM3", "NVIDIA-L40S", "Qwen/Qwen3-VL-2B-Instruct"


def affinity(*terms: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return terms


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("placement", "refused"),
    [
        pytest.param(Placement(tolerations=TOLERATES), None, id="tolerated whatever the value"),
        pytest.param(
            Placement(), "taint nvidia.com/gpu=present:NoSchedule, which is not tolerated", id="not tolerated"
        ),
        pytest.param(Placement(tolerations=({"operator": "Exists"},)), None, id="everything is tolerated"),
        pytest.param(
            Placement(tolerations=({"key": "nvidia.com/gpu", "value": "present"},)), None, id="Equal is the default"
        ),
        pytest.param(
            Placement(tolerations=({"key": "nvidia.com/gpu", "value": "other"},)),
            "taint nvidia.com/gpu=present:NoSchedule, which is not tolerated",
            id="another value",
        ),
        pytest.param(
            Placement(tolerations=({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"},)),
            "taint nvidia.com/gpu=present:NoSchedule, which is not tolerated",
            id="another effect",
        ),
        pytest.param(Placement({"zone": "two"}, tolerations=TOLERATES), "label zone=two", id="node selector"),
        pytest.param(Placement({"zone": "one"}, tolerations=TOLERATES), None, id="node selector met"),
        pytest.param(
            Placement(
                terms=affinity(expression("zone", "In", "two"), expression("gpus", "Gt", "4")), tolerations=TOLERATES
            ),
            None,
            id="one term is enough",
        ),
        pytest.param(
            Placement(terms=affinity(expression("zone", "NotIn", "one")), tolerations=TOLERATES),
            "required node affinity",
            id="NotIn",
        ),
        pytest.param(
            Placement(terms=affinity(expression("rack", "NotIn", "x")), tolerations=TOLERATES),
            None,
            id="NotIn holds where there is no label",
        ),
        pytest.param(
            Placement(terms=affinity(expression("gpus", "Lt", "8")), tolerations=TOLERATES),
            "required node affinity",
            id="Lt",
        ),
        pytest.param(
            Placement(terms=affinity(expression("rack", "Gt", "0")), tolerations=TOLERATES),
            "required node affinity",
            id="Gt of a label that is not there",
        ),
        pytest.param(
            Placement(terms=affinity(expression("zone", "DoesNotExist")), tolerations=TOLERATES),
            "required node affinity",
            id="DoesNotExist",
        ),
        pytest.param(
            Placement(
                terms=({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]},),
                tolerations=TOLERATES,
            ),
            None,
            id="the node's name",
        ),
        pytest.param(
            Placement(terms=(), tolerations=TOLERATES), "required node affinity", id="no term matches nothing"
        ),
        pytest.param(
            Placement(terms=({},), tolerations=TOLERATES), "required node affinity", id="an empty term matches nothing"
        ),
    ],
)
def test_a_node_takes_a_pod_or_says_what_is_in_the_way(placement: Placement, refused: str | None) -> None:
    assert placement.refusal(SITE) == refused


def test_taints_of_how_a_node_does_now_are_no_property_of_it() -> None:
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    prefer = {"key": "spot", "effect": "PreferNoSchedule"}
    given = node("a", H100, 8, taints=[cordon, prefer, GPU_TAINT])
    assert [str(taint) for taint in read_taints(given)] == ["nvidia.com/gpu=present:NoSchedule"]


def test_required_affinity_is_read_and_preferences_are_not() -> None:
    term = expression("zone", "In", "one")
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": term}]}
    assert read_placement({"affinity": {"nodeAffinity": preferred}}).terms is None
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    assert read_placement({"affinity": {"nodeAffinity": required}}).terms == (term,)


@pytest.mark.parametrize(
    ("placed", "found"),
    [
        pytest.param({"tolerations": list(TOLERATES)}, None, id="it comes back"),
        pytest.param({}, "taint nvidia.com/gpu=present:NoSchedule", id="tainted while it ran"),
        pytest.param(
            {
                "tolerations": list(TOLERATES),
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [expression("zone", "In", "gone")]
                        }
                    }
                },
            },
            "required node affinity",
            id="a label that is gone",
        ),
    ],
)
def test_a_server_that_no_node_takes_again_is_found(placed: dict[str, Any], found: str | None) -> None:
    server = pod("p", "h100", args=[MODEL], placed=placed)
    cluster = read_cluster([node("h100", H100, 8, taints=[GPU_TAINT]), node("cpu", "Tesla-T4", 0)], [server])
    made = audit(cluster, {MODEL: load_model(MODEL, offline=True)}, ())
    messages = [each.message for each in made.findings if each.kind is FindingKind.NO_NODE_TAKES_IT]
    assert (messages == []) if found is None else (found in messages[0])


def test_a_wanted_model_may_use_the_nodes_that_take_its_pods() -> None:
    fleet = read_fleet(
        [node("a", H100, 8, taints=[GPU_TAINT]), node("b", H100, 8), node("c", L40S, 4, taints=[GPU_TAINT])], []
    )
    facts = load_model(MODEL, offline=True)
    anywhere, picky = WantedModel("anywhere", facts), WantedModel("picky", facts, placement=Placement())
    cells = {
        (cell.model, cell.group.gpu.product): cell for cell in fit_matrix([anywhere, picky], fleet.groups, Planner())
    }
    assert [cells["anywhere", product].startable for product in (H100, L40S)] == [16, 4]
    assert cells["picky", H100].startable == 8
    refused = cells["picky", L40S]
    assert (refused.outcome, refused.reason, refused.gpus) == (Outcome.REFUSED, "NoNodeTakesIt", 0)
    assert "taint nvidia.com/gpu=present:NoSchedule" in refused.message
