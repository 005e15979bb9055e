"""``spec.topology``: nodes of one replica."""

from __future__ import annotations

from typing import Any

import pytest
from spec_cases import manifest

from vlm_operator.api.base import parse
from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.vlm_deployment import VLMDeployment, VLMDeploymentSpec
from vlm_operator.errors import InputError


def spec_with(**topology: Any) -> VLMDeploymentSpec:
    return parse(VLMDeployment, manifest({"topology": topology} if topology else {})).spec


@pytest.mark.parametrize(
    ("topology", "nodes", "per_node"),
    [
        pytest.param({}, 1, 8, id="nothing said: one node"),
        pytest.param({"nodes": 2}, 2, 8, id="a number"),
        pytest.param({"nodes": "2", "gpusPerNode": 4}, 2, 4, id="a number as text"),
        pytest.param({"nodes": "auto"}, None, 8, id="as few as hold the model"),
        pytest.param({"gpusPerNode": 16}, 1, 16, id="larger nodes"),
    ],
)
def test_the_topology_bounds_the_plan(topology: dict[str, Any], nodes: int | None, per_node: int) -> None:
    spec = spec_with(**topology)
    intent = intent_of(spec, engine_version(spec))
    assert (intent.nodes, intent.gpus_available) == (nodes, per_node)


@pytest.mark.parametrize("nodes", [0, 65, -1, True, 1.5, "many", "", "07"])
def test_what_is_no_number_of_nodes_is_refused(nodes: Any) -> None:
    with pytest.raises(InputError, match=r"spec\.topology\.nodes"):
        spec_with(nodes=nodes)
