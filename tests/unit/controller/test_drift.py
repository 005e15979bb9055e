"""What is already as it should be is not written; everything else is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from vlm_operator.controller.drift import is_applied

WANTED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "model", "labels": {"a": "b"}},
    "spec": {
        "replicas": 1,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "vllm",
                        "args": ["--port", "8000"],
                        "resources": {"limits": {"nvidia.com/gpu": "1", "cpu": "1000m", "memory": "4096Mi"}},
                        "ports": [{"containerPort": 8000, "name": "http"}],
                    }
                ],
                "volumes": [{"name": "cache", "emptyDir": {}}],
            }
        },
    },
}
OWNED = {
    "f:metadata": {"f:labels": {"f:a": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"vllm"}': {
                        ".": {},
                        "f:name": {},
                        "f:args": {},
                        "f:ports": {'k:{"containerPort":8000,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                    }
                },
                "f:volumes": {'k:{"name":"cache"}': {".": {}, "f:emptyDir": {}}},
            }
        },
    },
}


def live() -> dict[str, Any]:
    """The object as the API server would have it: defaults filled in, quantities in its own spelling."""
    item = copy.deepcopy(WANTED)
    item["metadata"] |= {"uid": "1", "generation": 3, "annotations": {"somebody": "else"}}
    item["metadata"]["managedFields"] = [
        {"manager": "vlm-operator", "operation": "Apply", "fieldsV1": copy.deepcopy(OWNED)},
        {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:x": {}}},
    ]
    container = item["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["limits"] = {"nvidia.com/gpu": "1", "cpu": "1", "memory": "4Gi"}
    container["ports"][0]["protocol"] = "TCP"
    container["imagePullPolicy"] = "IfNotPresent"
    item["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    item["status"] = {"replicas": 1}
    return item


def test_what_the_server_adds_is_no_drift() -> None:
    assert is_applied(WANTED, live())


def test_a_sidecar_that_somebody_else_adds_is_theirs() -> None:
    item = live()
    item["spec"]["template"]["spec"]["containers"].insert(0, {"name": "injected", "image": "x"})
    assert is_applied(WANTED, item)


def _edited(item: dict[str, Any]) -> None:
    item["spec"]["template"]["spec"]["containers"][0]["args"] = ["--port", "9000"]


def _reordered(item: dict[str, Any]) -> None:
    item["spec"]["template"]["spec"]["containers"][0]["args"].reverse()


def _label_removed(item: dict[str, Any]) -> None:
    del item["metadata"]["labels"]


def _container_removed(item: dict[str, Any]) -> None:
    item["spec"]["template"]["spec"]["containers"] = []


def _gpu_added(item: dict[str, Any]) -> None:
    item["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = "2"


def _owned_field_no_longer_wanted(item: dict[str, Any]) -> None:
    item["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:paused"] = {}


def _owned_item_no_longer_wanted(item: dict[str, Any]) -> None:
    volumes = item["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:volumes"]
    volumes['k:{"name":"old"}'] = {".": {}}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=change.__name__.strip("_").replace("_", " "))
        for change in (
            _edited,
            _reordered,
            _label_removed,
            _container_removed,
            _gpu_added,
            _owned_field_no_longer_wanted,
            _owned_item_no_longer_wanted,
        )
    ],
)
def test_drift_is_seen(change: Any) -> None:
    item = live()
    change(item)
    assert not is_applied(WANTED, item)


def test_an_annotation_that_looks_like_a_quantity_is_text() -> None:
    wanted = {"metadata": {"annotations": {"size": "1000m"}}}
    assert not is_applied(wanted, {"metadata": {"annotations": {"size": "1"}}})


@pytest.mark.parametrize(
    ("wanted", "live", "applied"),
    [
        pytest.param({"a": "1"}, {"a": "1"}, True, id="the same"),
        pytest.param({"a": "1"}, {"a": "1", "b": "2"}, False, id="one entry too many"),
        pytest.param({"a": "1", "b": "2"}, {"a": "1"}, False, id="one entry too few"),
    ],
)
@pytest.mark.parametrize("field", ["selector", "nodeSelector"])
def test_a_map_that_is_one_value_is_compared_as_a_whole(
    field: str, wanted: dict[str, str], live: dict[str, str], applied: bool
) -> None:
    """A Service keeps asking the leader only where the label of the leader is not taken out of its selector."""
    assert is_applied({"spec": {field: wanted}}, {"spec": {field: live}}) is applied


@pytest.mark.parametrize(
    ("wanted", "live", "same"),
    [
        pytest.param("1000n", "1u", True, id="nano"),
        pytest.param("1000u", "1m", True, id="micro"),
        pytest.param("1500m", "1.5", True, id="milli"),
        pytest.param("2k", "2000", True, id="kilo"),
        pytest.param("3M", "3000k", True, id="mega"),
        pytest.param("4G", "4000M", True, id="giga"),
        pytest.param("5T", "5000G", True, id="tera"),
        pytest.param("6P", "6000T", True, id="peta"),
        pytest.param("1Ki", "1024", True, id="kibi"),
        pytest.param("2Mi", "2048Ki", True, id="mebi"),
        pytest.param("3Gi", "3072Mi", True, id="gibi"),
        pytest.param("4Ti", "4096Gi", True, id="tebi"),
        pytest.param("5Pi", "5120Ti", True, id="pebi"),
        pytest.param("1G", "1Gi", False, id="powers of ten are not powers of two"),
        pytest.param("1", "2", False, id="another number"),
        pytest.param("all", "1", False, id="no number"),
    ],
)
def test_a_quantity_is_the_same_in_any_unit(wanted: str, live: str, same: bool) -> None:
    """Suffixes of Kubernetes' ``apimachinery/pkg/api/resource``."""

    def limited(amount: str) -> dict[str, Any]:
        return {"kind": "Pod", "spec": {"containers": [{"name": "a", "resources": {"limits": {"memory": amount}}}]}}

    assert is_applied(limited(wanted), limited(live)) is same
