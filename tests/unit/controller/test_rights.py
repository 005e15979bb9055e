"""The chart grants the verbs that the operator uses and no others."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from live_api_server import LiveApiServer, serving_live, until

from vlm_operator.agent.nvml import LocalGPU
from vlm_operator.controller.api_errors import Outdated
from vlm_operator.controller.apply import Applier
from vlm_operator.controller.client import Client
from vlm_operator.controller.gather import read_log
from vlm_operator.controller.leader import Leadership
from vlm_operator.controller.metrics import Metrics
from vlm_operator.controller.models import Models
from vlm_operator.controller.node_agent import NodeAgent
from vlm_operator.controller.queue import Key
from vlm_operator.controller.reconcile import Reconciler
from vlm_operator.controller.watches import Watches, World
from vlm_operator.gpu.measured import MeasuredGPU
from vlm_operator.lifecycle import observations
from vlm_operator.lifecycle.children import CHILD_KINDS
from vlm_operator.lifecycle.decision import ChildReference, Decision, Event, EventType, LogRequest
from vlm_operator.lifecycle.dry_run import knowledge
from vlm_operator.lifecycle.situation import Situation, StartupKey, Target
from vlm_operator.units import MIB

CHART = Path(__file__).resolve().parents[3] / "charts/vlm-operator/templates"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GROUP = "vlm-operator.dev/v1alpha1"

RULES = (
    "namespacedRules",
    "modelConfigRules",
    "leaderWorkerSetRules",
    "claimRules",
    "claimReadRules",
    "clusterRules",
)
NOT_CALLED = {("vlmdeployments/finalizers", "update")}
"""Asked for by admission (OwnerReferencesPermissionEnforcement), not by a request of the operator."""


def granted() -> set[tuple[str, str]]:
    """(resource, verb) of every rule in the chart."""
    rules: list[dict[str, Any]] = []
    helpers = (CHART / "_helpers.tpl").read_text()
    for name in (
        "namespacedRules",
        "modelConfigRules",
        "leaderWorkerSetRules",
        "claimRules",
        "claimReadRules",
        "clusterRules",
    ):
        found = re.search(rf'define "vlm-operator\.{name}" -}}}}(.*?){{{{- end }}}}', helpers, re.DOTALL)
        assert found is not None, name
        rules += yaml.safe_load(found[1])
    lease = re.search(r"-lease\n.*?rules:\n(.*?)---", (CHART / "rbac.yaml").read_text(), re.DOTALL)
    assert lease is not None
    rules += yaml.safe_load(re.sub(r"\[\{\{.*?\}\}\]", "[x]", lease[1]))
    return {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def observation(name: str) -> dict[str, Any]:
    return {"apiVersion": GROUP, "kind": "StartupObservation", "metadata": {"name": name}, "spec": {"lastUsedAt": name}}


def watch(client: Client) -> None:
    synced: list[bool] = []
    watches = Watches(client, World(lambda keys, delay: None), (), lambda: synced.append(True))
    watches.start()
    until(lambda: synced)
    watches.stop()


def apply_everything(client: Client) -> None:
    children = tuple(
        {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "model"}, "spec": {}}
        for kind in CHILD_KINDS
    )
    labels = {"vlm-operator.dev/gpu-share": "desk"}
    shared = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": "desk", "labels": labels},
    }
    children = (shared, *children)
    facts = tuple(
        {"apiVersion": GROUP, "kind": "EngineFacts", "metadata": {"name": name}, "spec": {"namespace": "default"}}
        for name in ("a", "b")
    )
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "model-dry-run"}, "data": {}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "model-dry-run"}, "spec": {}}
    decision = Decision(
        engine_facts=facts,
        dry_run=(config_map, job),
        children=children,
        status={"observedGeneration": 1},
        events=(Event(EventType.NORMAL, "Planned", "it fits", "Plan"),),
        observations=(observation("a"), observation("b")),
        delete=(
            ChildReference("v1", "Pod", "model-1", uid="pod", grace_seconds=1),
            ChildReference("batch/v1", "Job", "model-dry-run-0", uid="job"),
        ),
    )
    superseded = tuple(
        ChildReference(kind.api_version, kind.kind, "model", uid="child")
        for kind in CHILD_KINDS
        if kind.replicas or kind.by_content
    )
    metadata = {"name": "model", "namespace": "default"}
    made = client.create(f"/apis/{GROUP}/namespaces/default/vlmdeployments", {"metadata": metadata})["metadata"]
    target = Target("default", "model", made["uid"], 1, made["resourceVersion"], spec={})
    assert Applier(client, "pod").apply(Situation(target, NOW), decision) is None
    written_before_the_watch_brought_them = Decision(children=children, superseded=superseded)
    assert Applier(client, "pod").apply(Situation(target, NOW), written_before_the_watch_brought_them) is None


def lose_a_race(client: Client) -> None:
    def outdated(situation: Situation) -> Decision:
        raise Outdated("somebody was faster")

    world = World(lambda keys, delay: None)
    metadata = {"name": "model", "namespace": "default", "uid": "u", "resourceVersion": "1"}
    world.cache.put({"kind": "VLMDeployment", "metadata": metadata, "spec": {"model": {"path": "/x"}}})
    reconciler = Reconciler(client, world, Models(), Applier(client, "pod"), Metrics(), decide=outdated)
    reconciler.reconcile(Key("default", "model"))


def read_a_log(client: Client) -> None:
    path = "/api/v1/namespaces/default/pods/model-1"
    status = {"containerStatuses": [{"name": "vllm", "restartCount": 1, "state": {"running": {}}}]}
    metadata = {"name": "model-1", "namespace": "default", "uid": "pod", "creationTimestamp": "2026-11-25T11:00:00Z"}
    client.create(path.rpartition("/")[0], {"metadata": metadata, "spec": {"containers": []}, "status": status})
    read_log(client, "default", LogRequest(StartupKey("pod", "vllm", 0), "model-1", previous=True, kills=True))


def lead(client: Client) -> None:
    leadership = Leadership(client, "vlm-system", "vlm-operator", "a")
    assert leadership.hold()
    assert leadership.hold()


SCENARIOS = (watch, apply_everything, lose_a_race, read_a_log, lead)
PREPARED = {("vlmdeployments", "create"), ("pods", "create")}
"""What the scenarios themselves create, for there to be something to look at."""


class Recording(LiveApiServer):
    """Remembers which right each request needs."""

    def __init__(self) -> None:
        super().__init__()
        self.used: set[tuple[str, str]] = set()

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        self.used |= self._rights(method, path)
        if path.endswith("/log"):
            return 200, "the log"
        return super().answer(method, path, query, body)

    def watch(self, path: str, query: dict[str, str]) -> Any:
        self.used.add((path.rsplit("/", 1)[-1], "watch"))
        yield from super().watch(path, query)

    def _rights(self, method: str, path: str) -> set[tuple[str, str]]:
        parts = path.split("/")
        after = (
            parts[parts.index("namespaces") + 2 :] if "namespaces" in parts else parts[3 if parts[1] == "api" else 4 :]
        )
        resource = "/".join([after[0], *after[2:]])
        if method == "GET":
            return {(resource, "get" if len(after) > 1 else "list")}
        if method == "PATCH" and len(after) == 2 and path not in self.objects:
            return {(resource, "patch"), (resource, "create")}
        return {(resource, {"PATCH": "patch", "POST": "create", "PUT": "update", "DELETE": "delete"}[method])}


def run(server: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observations, "LIMIT", 1)
    monkeypatch.setattr(knowledge, "LIMIT", 1)
    with serving_live(server) as client:
        for scenario in SCENARIOS:
            scenario(client)


def test_what_the_operator_uses_is_granted_and_what_is_granted_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Recording()
    run(server, monkeypatch)
    assert server.used - PREPARED == granted() - NOT_CALLED


def test_the_agents_rights_are_those_it_uses() -> None:
    server = Recording()
    with serving_live(server) as client:
        server.put("/api/v1/nodes/n", {"metadata": {"name": "n", "uid": "node"}})
        agent = NodeAgent(client, "n", read=lambda: (LOCAL,))
        assert agent.look()
        agent.end()
    helpers = (CHART / "_helpers.tpl").read_text()
    found = re.search(r'define "vlm-operator\.agentRules" -}}(.*?){{- end }}', helpers, re.DOTALL)
    assert found is not None
    rules = yaml.safe_load(found[1])
    assert server.used == {(name, verb) for rule in rules for name in rule["resources"] for verb in rule["verbs"]}


LOCAL = LocalGPU(MeasuredGPU(0, "GPU-0", "NVIDIA L4", 23034 * MIB, 22500 * MIB, (8, 9)), "580.95")
