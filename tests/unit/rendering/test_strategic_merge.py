"""Overlays merge as ``kubectl patch --type=strategic`` merges them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from vlm_operator.errors import InputError
from vlm_operator.rendering.strategic_merge import strategic_merge


def pod(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a", **container}]}}


MERGES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "maps merge key by key": (
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"b": "3", "c": "4"}}},
        {"metadata": {"labels": {"a": "1", "b": "3", "c": "4"}}},
    ),
    "null removes a key": ({"spec": {"a": 1, "b": 2}}, {"spec": {"a": None}}, {"spec": {"b": 2}}),
    "null for nothing is nothing": ({"spec": {}}, {"spec": {"a": None, "b": {"c": None}}}, {"spec": {"b": {}}}),
    "containers merge by name": (
        {"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}},
        {"spec": {"containers": [{"name": "c", "image": "3"}, {"name": "b", "tty": True}]}},
        {"spec": {"containers": [
            {"name": "a", "image": "1"}, {"name": "b", "image": "2", "tty": True}, {"name": "c", "image": "3"},
        ]}},
    ),
    "an item is deleted by its key": (
        {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}},
        {"spec": {"containers": [{"name": "a", "$patch": "delete"}, {"name": "x", "$patch": "delete"}]}},
        {"spec": {"containers": [{"name": "b"}]}},
    ),
    "a list is replaced when told so": (
        {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}},
        {"spec": {"containers": [{"$patch": "replace"}, {"name": "c"}]}},
        {"spec": {"containers": [{"name": "c"}]}},
    ),
    "a map is replaced when told so": (
        {"spec": {"affinity": {"a": 1}}},
        {"spec": {"affinity": {"$patch": "replace", "b": 2}}},
        {"spec": {"affinity": {"b": 2}}},
    ),
    "a map is emptied when told so": (
        {"spec": {"affinity": {"a": 1}}}, {"spec": {"affinity": {"$patch": "delete"}}}, {"spec": {"affinity": {}}},
    ),
    "keys are retained when told so": (
        {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
        {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}},
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}},
    ),
    "primitives are deleted from a list": (
        {"metadata": {"finalizers": ["a", "b", "c"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}},
        {"metadata": {"finalizers": ["a", "c"]}},
    ),
    "an order of elements is left to the result": (
        {"spec": {"containers": [{"name": "a"}]}},
        {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a", "tty": True}]}},
        {"spec": {"containers": [{"name": "a", "tty": True}]}},
    ),
    "mounts merge by path": (
        pod(volumeMounts=[{"mountPath": "/a", "name": "x"}]),
        pod(volumeMounts=[{"mountPath": "/b", "name": "y"}, {"mountPath": "/a", "name": "z"}]),
        pod(volumeMounts=[{"mountPath": "/a", "name": "z"}, {"mountPath": "/b", "name": "y"}]),
    ),
    "ports merge by number": (
        pod(ports=[{"containerPort": 1, "name": "x"}]),
        pod(ports=[{"containerPort": 1, "protocol": "TCP"}]),
        pod(ports=[{"containerPort": 1, "name": "x", "protocol": "TCP"}]),
    ),
    "arguments are replaced": (pod(args=["a", "b"]), pod(args=["c"]), pod(args=["c"])),
    "sources of variables are replaced": (
        pod(envFrom=[{"configMapRef": {"name": "a"}}]),
        pod(envFrom=[{"secretRef": {"name": "b"}}]),
        pod(envFrom=[{"secretRef": {"name": "b"}}]),
    ),
    "tolerations are replaced": (
        {"spec": {"tolerations": [{"key": "a"}]}}, {"spec": {"tolerations": [{"key": "b"}]}},
        {"spec": {"tolerations": [{"key": "b"}]}},
    ),
    "a variable's other origin replaces the first": (
        pod(env=[{"name": "X", "value": "1"}]),
        pod(env=[{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "p"}}}]),
        pod(env=[{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "p"}}}]),
    ),
    "a volume's other source replaces the first": (
        {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}},
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}},
    ),
    "a volume's same source merges": (
        {"spec": {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]}},
        {"spec": {"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}]}},
        {"spec": {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]}},
    ),
    "a probe's other action replaces the first": (
        pod(livenessProbe={"httpGet": {"path": "/"}, "periodSeconds": 5}),
        pod(livenessProbe={"exec": {"command": ["x"]}}),
        pod(livenessProbe={"periodSeconds": 5, "exec": {"command": ["x"]}}),
    ),
    "a probe's figures merge": (
        pod(livenessProbe={"httpGet": {"path": "/"}, "periodSeconds": 5}),
        pod(livenessProbe={"periodSeconds": 9}),
        pod(livenessProbe={"httpGet": {"path": "/"}, "periodSeconds": 9}),
    ),
    "init containers are containers": (
        {"spec": {}}, {"spec": {"initContainers": [{"name": "i", "env": [{"name": "X", "value": "1"}]}]}},
        {"spec": {"initContainers": [{"name": "i", "env": [{"name": "X", "value": "1"}]}]}},
    ),
}  # fmt: skip

KINDER = {
    "a variable's other origin replaces the first",
    "a volume's other source replaces the first",
    "a probe's other action replaces the first",
}
"""Cases in which Kubernetes would keep both and then refuse the pod."""


@pytest.mark.parametrize(("base", "overlay", "result"), [pytest.param(*case, id=name) for name, case in MERGES.items()])
def test_an_overlay_merges(base: dict[str, Any], overlay: dict[str, Any], result: dict[str, Any]) -> None:
    before = copy.deepcopy((base, overlay))
    assert strategic_merge(base, overlay, field="podTemplate") == result
    assert (base, overlay) == before, "neither is changed"
    assert strategic_merge(result, {}, field="podTemplate") == result


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        pytest.param({"spec": {"containers": {"name": "a"}}}, r"spec\.containers: .* is not a list", id="no list"),
        pytest.param({"spec": {"containers": ["a"]}}, r"spec\.containers\[0\]: 'a' is not an object", id="no object"),
        pytest.param({"spec": {"containers": [{"image": "x"}]}}, r"containers\[0\]: name is missing", id="no name"),
        pytest.param({"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}, "occurs twice", id="twice"),
        pytest.param({"spec": {"x": {"$patch": "remove"}}}, "'remove' is not a directive", id="directive"),
        pytest.param({"spec": {"x": {"$retainKeys": "a"}}}, "must be a list of keys", id="retained keys"),
        pytest.param({"spec": {"affinity": 1}}, r"spec\.affinity: '1' is not an object", id="a number for a map"),
    ],
)
def test_a_wrong_overlay_is_refused_by_path(overlay: dict[str, Any], words: str) -> None:
    base = {"spec": {"containers": [{"name": "a"}], "affinity": {"a": 1}}}
    with pytest.raises(InputError, match=words) as refusal:
        strategic_merge(base, overlay, field="podTemplate")
    assert str(refusal.value.field).startswith("podTemplate.spec")
