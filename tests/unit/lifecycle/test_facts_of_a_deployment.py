"""Which ``EngineFacts`` of a cluster are about a VLMDeployment: model, image, namespace, volumes and overrides."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.lifecycle.dry_run.knowledge import LIMIT, bearing
from vlm_operator.lifecycle.dry_run.subject import place_of

IMAGE = "registry.example/vllm:v0.33.0"
POD = {"spec": {"volumes": [{"name": "models"}]}}


def spec(**more: Any) -> VLMDeploymentSpec:
    engine = {"image": IMAGE, "vllmVersion": "0.33.0", **more.pop("engine", {})}
    given = {"model": {"path": "/models/a"}, "podTemplate": POD, "engine": engine, **more}
    return parse(VLMDeploymentSpec, given, where="spec")


def facts(name: str = "found", **change: Any) -> dict[str, Any]:
    """Facts that a dry run of ``spec()`` found, changed."""
    own = {"model": "/models/a", "image": IMAGE, "namespace": "team", "place": place_of(spec())}
    given = {**own, **change}
    return {"metadata": {"name": name}, "spec": {key: value for key, value in given.items() if value is not None}}


@pytest.mark.parametrize(
    ("change", "bears"),
    [
        pytest.param({}, True, id="its own dry run"),
        pytest.param({"namespace": None, "place": None}, True, id="applied for everybody"),
        pytest.param({"image": None}, True, id="of whatever image"),
        pytest.param({"model": "/models/b"}, False, id="another model"),
        pytest.param({"revision": "main"}, False, id="another revision"),
        pytest.param({"image": "registry.example/vllm:v0.32.0"}, False, id="another image"),
        pytest.param({"namespace": "other"}, False, id="another namespace"),
        pytest.param({"place": "0" * 16}, False, id="another volume"),
        pytest.param({"hfOverrides": '{"a":1}'}, False, id="another config"),
        pytest.param({"namespace": None, "place": None, "hfOverrides": '{"a":1}'}, False, id="applied, another config"),
    ],
)
def test_facts_bear_on_the_model_as_the_server_finds_it(change: dict[str, Any], bears: bool) -> None:
    assert [item["metadata"]["name"] for item in bearing([facts(**change)], spec(), "team")] == ["found"] * bears


def test_facts_of_a_changed_config_bear_on_the_spec_that_changes_it_so() -> None:
    changed = spec(engine={"extraArgs": ["--hf-overrides.a", "1"]})
    names = [facts("changed", hfOverrides='{"a":1}'), facts("plain")]
    assert [item["metadata"]["name"] for item in bearing(names, changed, "team")] == ["changed"]


def test_facts_come_by_name_whatever_their_order() -> None:
    found = bearing([facts("b"), facts("c", model="/models/b"), facts("a")], spec(), "team")
    assert [item["metadata"]["name"] for item in found] == ["a", "b"]


def test_two_hundred_facts_of_dry_runs_are_kept() -> None:
    assert LIMIT == 200
