"""``spec.model.config`` on a real API server: a model that the operator cannot reach is planned by the files given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vlmdeployments import condition

from kit.control_plane import Cluster, OperatorProcess

pytestmark = pytest.mark.control_plane

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "model_type": "qwen2_vl",
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
}
LABEL = "vlm-operator.dev/model-config"


def deployed(cluster: Cluster, namespace: str, config: dict[str, Any]) -> None:
    spec = {
        "model": {"path": "/models/own", "config": config},
        "gpu": {"product": "NVIDIA-GeForce-RTX-5090", "count": 1},
        "dryRun": "Never",
        "replicas": 0,
        "podTemplate": {
            "spec": {
                "volumes": [{"name": "models", "emptyDir": {}}],
                "containers": [{"name": "vllm", "volumeMounts": [{"name": "models", "mountPath": "/models"}]}],
            }
        },
    }
    kind = {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment"}
    cluster.apply({**kind, "metadata": {"name": "own", "namespace": namespace}, "spec": spec})


def config_map(cluster: Cluster, namespace: str, *, labelled: bool = True, **changes: Any) -> None:
    metadata = {"name": "own-config", "namespace": namespace, "labels": {LABEL: "true"} if labelled else {}}
    data = {"config.json": json.dumps(CONFIG | changes)}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def planned(cluster: Cluster, namespace: str, status: str, reason: str) -> dict[str, Any]:
    def seen() -> dict[str, Any] | None:
        item = cluster.get("vlmd", "own", namespace)
        found = condition(item, "Planned")
        return item if (found.get("status"), found.get("reason")) == (status, reason) else None

    found: dict[str, Any] = cluster.wait(f"own is Planned={status} ({reason})", seen)
    return found


def weights(item: dict[str, Any]) -> int:
    return int(item["status"]["plan"]["budget"]["weightsBytes"])


@pytest.mark.usefixtures("operator")
def test_a_config_in_the_spec_is_planned_with(cluster: Cluster, namespace: str) -> None:
    deployed(cluster, namespace, {"inline": {"config.json": CONFIG}})
    item = planned(cluster, namespace, "True", "Fits")
    assert 3 * 2**30 < weights(item) < 5 * 2**30
    assert item["spec"]["model"]["config"]["inline"]["config.json"] == CONFIG


@pytest.mark.usefixtures("operator")
def test_a_config_map_is_waited_for_and_a_change_of_it_makes_the_plan_anew(cluster: Cluster, namespace: str) -> None:
    deployed(cluster, namespace, {"configMapRef": {"name": "own-config"}})
    item = planned(cluster, namespace, "Unknown", "ModelSourceUnavailable")
    assert "no ConfigMap own-config with the label" in condition(item, "Planned")["message"]
    config_map(cluster, namespace, labelled=False)
    config_map(cluster, namespace)
    item = planned(cluster, namespace, "True", "Fits")
    first = weights(item)
    config_map(cluster, namespace, num_hidden_layers=14)

    def replanned() -> bool:
        plan = cluster.get("vlmd", "own", namespace)["status"].get("plan") or {}
        return bool(plan) and plan["budget"]["weightsBytes"] < first

    cluster.wait("the plan follows the ConfigMap", replanned)


@pytest.mark.usefixtures("operator")
def test_a_config_that_is_wrong_is_refused_with_its_field(
    cluster: Cluster, namespace: str, running_operator: OperatorProcess
) -> None:
    deployed(cluster, namespace, {"configMapRef": {"name": "own-config"}})
    config_map(cluster, namespace, num_hidden_layers="many")
    item = planned(cluster, namespace, "False", "InvalidSpec")
    assert "ConfigMap own-config: num_hidden_layers" in condition(item, "Planned")["message"]


def test_the_right_to_read_config_maps_is_given_only_where_it_is_asked_for(cluster: Cluster) -> None:
    from kit.control_plane.cluster import REPOSITORY

    chart = str(REPOSITORY / "charts/vlm-operator")
    without = cluster.helm("template", "release", chart)
    granted = cluster.helm("template", "release", chart, "--set=modelConfigs.enabled=true")
    assert granted.count("resources: [configmaps]\n    verbs: [list, watch]") == 1
    assert "resources: [configmaps]\n    verbs: [list, watch]" not in without
