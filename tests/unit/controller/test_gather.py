"""The world as the API server has it becomes one frozen situation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from api_server import FakeApiServer, serving

from vlm_operator.controller.api_errors import Outdated
from vlm_operator.controller.gather import LOG_BYTES, gather, read_log, read_pod, read_target
from vlm_operator.controller.models import Models
from vlm_operator.controller.queue import Key
from vlm_operator.controller.watches import World
from vlm_operator.errors import ModelNotFound
from vlm_operator.lifecycle.decision import LogRequest
from vlm_operator.lifecycle.situation import Rejection, Situation, StartupKey, StartupLog
from vlm_operator.rendering import PodTemplatePolicy

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LABELS = {"vlm-operator.dev/vlmdeployment": "model"}
LOG = "/api/v1/namespaces/default/pods/model-1/log"
REQUEST = LogRequest(StartupKey("pod-uid", "vllm", 0), "model-1", previous=True)


def vlmdeployment(**metadata: Any) -> dict[str, Any]:
    known = {"name": "model", "namespace": "default", "uid": "uid-1", "resourceVersion": "7", "generation": 2}
    spec = {"model": {"id": "example/model"}}
    return {"kind": "VLMDeployment", "metadata": known | metadata, "spec": spec, "status": {}}


def pod(name: str, created: str, **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-of-{name}", "creationTimestamp": created}
    return {
        "kind": "Pod",
        "metadata": {**metadata, "resourceVersion": "1", "labels": LABELS},
        "spec": {
            "nodeName": "node-1",
            "containers": [
                {"name": "sidecar", "image": "x"},
                {"name": "vllm", "image": "vllm/vllm-openai:v0.32.0", "args": ["example/model", "--port", "8000"]},
            ],
        },
        "status": status,
    }


def child(kind: str, owner_uid: str) -> dict[str, Any]:
    owner = {"uid": owner_uid, "controller": True}
    metadata = {"name": "model", "namespace": "default", "uid": kind, "resourceVersion": "1", "labels": LABELS}
    return {"kind": kind, "metadata": {**metadata, "ownerReferences": [owner]}}


def no_such_model(name: str, *, revision: str | None = None, hf_overrides: Mapping[str, Any] | None = None) -> Any:
    raise ModelNotFound(f"{name} is nowhere")


def world(*objects: dict[str, Any]) -> World:
    made = World(lambda keys, delay: None)
    for item in objects:
        made.cache.put(item)
    return made


def gathered(*objects: dict[str, Any], rejection: Rejection | None = None) -> Situation | None:
    key, policy = Key("default", "model"), PodTemplatePolicy.UNRESTRICTED
    return gather(world(*objects), Models(no_such_model), key, policy=policy, rejection=rejection, now=NOW)


def test_a_vlmdeployment_that_is_gone_is_no_situation() -> None:
    assert gathered() is None


def test_only_children_it_controls_are_its_children() -> None:
    situation = gathered(vlmdeployment(), child("Deployment", "uid-1"), child("Service", "uid-of-a-former-life"))
    assert situation is not None
    assert [item["kind"] for item in situation.children] == ["Deployment"]
    assert situation.model_error is not None
    assert "example/model is nowhere" in situation.model_error.message


def test_observations_are_those_of_the_model() -> None:
    found = {"one": "example.model", "other": "example.other"}
    observations = [
        {
            "kind": "StartupObservation",
            "metadata": {
                "name": name,
                "uid": name,
                "resourceVersion": "1",
                "labels": {"vlm-operator.dev/model": model},
            },
        }
        for name, model in found.items()
    ]
    situation = gathered(vlmdeployment(), *observations)
    assert situation is not None
    assert [item["metadata"]["name"] for item in situation.observations] == ["one"]


def test_pods_come_newest_first() -> None:
    old, new = pod("old", "2026-11-25T10:00:00Z"), pod("new", "2026-11-25T11:00:00Z")
    situation = gathered(vlmdeployment(), new, old)
    assert situation is not None
    assert [item.name for item in situation.pods] == ["new", "old"]


@pytest.mark.parametrize(
    ("generation", "kept"), [pytest.param(2, True, id="of now"), pytest.param(1, False, id="of before")]
)
def test_a_refusal_counts_for_the_generation_it_was_about(generation: int, kept: bool) -> None:
    rejection = Rejection("Deployment", "model", "no", generation)
    situation = gathered(vlmdeployment(), rejection=rejection)
    assert situation is not None
    assert (situation.rejection == rejection) is kept


def test_a_crash_loop_is_read_with_the_run_before() -> None:
    ended = {"exitCode": 1, "reason": "Error", "finishedAt": "2026-11-25T11:01:00Z", "message": "the end of the log"}
    status = {
        "name": "vllm",
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }
    read = read_pod(pod("new", "2026-11-25T11:00:00Z", phase="Running", containerStatuses=[status]))
    assert read.args == ("example/model", "--port", "8000")
    container = read.container("vllm")
    assert container is not None
    assert (container.restart_count, container.state.reason) == (3, "CrashLoopBackOff")
    assert container.last_state is not None
    assert (container.last_state.kind, container.last_state.exit_code) == ("terminated", 1)


@pytest.mark.parametrize(
    ("probe", "seconds"),
    [
        pytest.param(None, None, id="no probe"),
        pytest.param({"periodSeconds": 10, "failureThreshold": 180}, 1800, id="as rendered"),
        pytest.param({"initialDelaySeconds": 60, "failureThreshold": 2}, 80, id="Kubernetes' own period"),
        pytest.param({"periodSeconds": 5}, 15, id="Kubernetes' own threshold"),
    ],
)
def test_how_long_a_pod_may_start_is_what_its_probe_says(probe: dict[str, Any] | None, seconds: int | None) -> None:
    raw = pod("model-1", "2026-11-25T11:00:00Z")
    raw["spec"]["containers"][1] |= {"startupProbe": probe} if probe else {}
    raw["metadata"]["deletionGracePeriodSeconds"] = 60
    read_back = read_pod(raw)
    assert (read_back.startup_probe_seconds, read_back.grace_seconds) == (seconds, 60)


def killing(container: str, message: str, at: str) -> dict[str, Any]:
    field = f"spec.containers{{{container}}}"
    return {"involvedObject": {"fieldPath": field}, "message": message, "lastTimestamp": at, "reason": "Killing"}


def test_what_the_kubelet_says_about_a_killed_container_comes_with_its_log() -> None:
    server = server_with_pod(1, "one\n")
    items = [
        killing("vllm", "Container vllm failed startup probe, will be restarted", "2026-11-25T11:40:00Z"),
        killing("sidecar", "Stopping container sidecar", "2026-11-25T11:50:00Z"),
        killing("vllm", "earlier", "2026-11-25T11:10:00Z"),
    ]
    server.texts["/api/v1/namespaces/default/events"] = [json.dumps({"items": items})]
    log = read(server, LogRequest(StartupKey("pod-uid", "vllm", 0), "model-1", previous=True, kills=True))
    assert [kill.message for kill in log.kills] == ["earlier", items[0]["message"]]
    (query,) = [r.query for r in server.requests if r.path.endswith("/events")]
    assert query == {"fieldSelector": "involvedObject.uid=pod-uid,reason=Killing"}


def test_a_log_comes_without_the_kubelets_words_where_they_may_not_be_read() -> None:
    class Forbidding(FakeApiServer):
        def answer(self, request: Any) -> Any:
            return (403, {}, {}) if request.path.endswith("/events") else super().answer(request)

    plain = server_with_pod(1, "one\n")
    server = Forbidding(objects=plain.objects, texts=plain.texts)
    log = read(server, LogRequest(StartupKey("pod-uid", "vllm", 0), "model-1", previous=True, kills=True))
    assert (log.text, log.kills) == ("one\n", ())


def test_a_pod_the_kubelet_has_not_seen_yet_has_no_container() -> None:
    assert read_pod(pod("new", "2026-11-25T11:00:00Z")).container("vllm") is None


def server_with_pod(restarts: int, *logs: str, uid: str = "pod-uid", **more: Any) -> FakeApiServer:
    """A pod whose container has been restarted so often; its logs, in the order they are asked for."""
    status = {"name": "vllm", "restartCount": restarts, "state": {"running": {}}}
    raw = pod("model-1", "2026-11-25T11:00:00Z", containerStatuses=[status])
    raw["metadata"]["uid"] = uid
    return FakeApiServer(objects={LOG.removesuffix("/log"): raw}, texts={LOG: list(logs)}, **more)


def read(server: FakeApiServer, request: LogRequest = REQUEST) -> StartupLog:
    with serving(server) as client:
        return read_log(client, "default", request)


def asked(server: FakeApiServer) -> list[dict[str, str]]:
    return [request.query for request in server.requests if request.path == LOG]


def test_a_log_is_asked_for_from_its_end_and_of_the_run_before() -> None:
    server = server_with_pod(1, "one\ntwo\n")
    log = read(server)
    assert (log.text, log.truncated, log.gone) == ("one\ntwo\n", False, False)
    assert asked(server) == [
        {"container": "vllm", "limitBytes": str(4 * 2**20), "previous": "true", "tailLines": "5000"}
    ]


def test_a_log_with_lines_of_megabytes_is_read_again_from_nearer_its_end() -> None:
    server = server_with_pod(1, "x" * LOG_BYTES, "x" * LOG_BYTES)
    assert read(server).truncated
    assert [query["tailLines"] for query in asked(server)] == ["5000", "500"]


def test_a_container_that_was_started_again_meanwhile_has_its_log_among_the_previous() -> None:
    """It ended, was looked at, was started again, and only then its log was read: that is the new run's."""
    server = server_with_pod(1, "the new run has begun", "ValueError: the old run's cause")
    log = read(server, LogRequest(StartupKey("pod-uid", "vllm", 0), "model-1", previous=False))
    assert log.text == "ValueError: the old run's cause"
    assert ["previous" in query for query in asked(server)] == [False, True]


@pytest.mark.parametrize(
    ("restarts", "uid"),
    [
        pytest.param(2, "pod-uid", id="started twice since then"),
        pytest.param(1, "another-pod", id="another pod of that name"),
    ],
)
def test_the_log_of_another_run_is_never_taken_for_it(restarts: int, uid: str) -> None:
    with pytest.raises(Outdated):
        read(server_with_pod(restarts, "of another run", uid=uid))


@pytest.mark.parametrize(
    ("code", "words", "gone"),
    [
        pytest.param(404, 'pods "model-1" not found', True, id="the pod is gone"),
        pytest.param(400, 'previous terminated container "vllm" in pod "model-1" not found', True, id="rotated away"),
        pytest.param(400, 'container "vllm" is waiting to start: PodInitializing', False, id="too early"),
        pytest.param(403, "pods/log is forbidden", False, id="no right to read it"),
    ],
)
def test_a_log_that_cannot_be_read_says_why_and_whether_waiting_helps(code: int, words: str, gone: bool) -> None:
    log = read(server_with_pod(1, failures=[(code, {"message": words}, {})]))
    assert log.text is None
    assert words in (log.unreadable or "")
    assert log.gone is gone


@pytest.mark.parametrize("deleting", [False, True])
def test_what_is_being_deleted_is_seen_as_such(deleting: bool) -> None:
    marked: dict[str, Any] = {"deletionTimestamp": "2026-11-25T11:59:00Z"} if deleting else {}
    raw = pod("model-1", "2026-11-25T11:00:00Z")
    raw["metadata"] |= marked
    assert read_pod(raw).deleting is deleting
    assert read_target(vlmdeployment(**marked)).deleting is deleting


def test_a_pod_is_its_servers_container_with_arguments_and_conditions() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU"}
    raw = pod("model-1", "2026-11-25T11:00:00Z", phase="Pending", reason="Evicted", conditions=[condition])
    raw["metadata"]["labels"] = LABELS | {"pod-template-hash": "abc"}
    found = read_pod(raw)
    assert (found.args, found.image) == (("example/model", "--port", "8000"), "vllm/vllm-openai:v0.32.0")
    assert found.conditions == {"PodScheduled": ("False", "Unschedulable", "no GPU")}
    assert (found.phase, found.reason, found.node_name, found.template_hash) == ("Pending", "Evicted", "node-1", "abc")
    assert found.created_at == "2026-11-25T11:00:00Z"


def test_a_vlmdeployment_is_read_with_what_a_new_one_lacks() -> None:
    found = read_target({"metadata": {"name": "m", "namespace": "n", "uid": "u", "resourceVersion": "1"}})
    assert (found.generation, found.spec, found.status) == (0, {}, {})
    assert (found.annotations, found.labels) == ({}, {})


def test_gpus_in_use_are_those_of_everybody_elses_pods() -> None:
    seen = world(vlmdeployment())
    spec = {"nodeName": "n1", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "3"}}}]}
    seen.gpu_use.put(
        {"metadata": {"name": "train", "namespace": "other", "uid": "t", "resourceVersion": "1"}, "spec": spec}
    )
    seen.gpu_use.retain(None, {"t"}, 2)
    key, policy = Key("default", "model"), PodTemplatePolicy.UNRESTRICTED
    found = gather(seen, Models(no_such_model), key, policy=policy, rejection=None, now=NOW)
    assert found is not None
    assert found.gpus_in_use == {"n1": {"nvidia.com/gpu": 3}}


def test_a_vlmdeployment_is_read_with_its_annotations_and_labels() -> None:
    metadata = {"name": "m", "namespace": "n", "uid": "u", "resourceVersion": "1"}
    marks = {"annotations": {"a": "1"}, "labels": {"l": "2"}}
    found = read_target({"metadata": {**metadata, **marks}})
    assert (found.annotations, found.labels, found.deleting) == ({"a": "1"}, {"l": "2"}, False)


@pytest.mark.parametrize(
    ("labels", "place"),
    [
        pytest.param({}, (None, 0), id="a replica of one pod"),
        pytest.param(
            {"leaderworkerset.sigs.k8s.io/group-index": "3", "leaderworkerset.sigs.k8s.io/worker-index": "2"},
            ("3", 2),
            id="a rank of a group",
        ),
        pytest.param({"leaderworkerset.sigs.k8s.io/group-index": "0"}, ("0", 0), id="the leader of a group"),
    ],
)
def test_a_pod_knows_its_group_and_rank(labels: dict[str, str], place: tuple[str | None, int]) -> None:
    raw = pod("new", "2026-11-25T11:00:00Z")
    raw["metadata"]["labels"] = labels
    read = read_pod(raw)
    assert (read.group, read.rank) == place


@pytest.mark.parametrize(
    ("probe", "seconds"),
    [
        pytest.param(None, None, id="no probe"),
        pytest.param({}, 30, id="Kubernetes' defaults: three times ten"),
        pytest.param({"periodSeconds": 5}, 15, id="a period"),
        pytest.param({"failureThreshold": 60}, 600, id="a number of failures"),
        pytest.param({"initialDelaySeconds": 7, "periodSeconds": 2, "failureThreshold": 4}, 15, id="all three"),
    ],
)
def test_a_start_up_probe_says_how_long_a_start_may_take(probe: dict[str, int] | None, seconds: int | None) -> None:
    raw = pod("new", "2026-11-25T11:00:00Z")
    if probe is not None:
        raw["spec"]["containers"][1]["startupProbe"] = probe
    assert read_pod(raw).startup_probe_seconds == seconds


def test_what_a_pod_does_not_say_is_not_there() -> None:
    raw = pod("new", "2026-11-25T11:00:00Z")
    raw["spec"] = {"containers": []}
    raw["metadata"]["labels"] = None
    read = read_pod(raw)
    assert (read.phase, read.args, read.image, read.node_name) == ("Unknown", (), "", None)
    assert (read.containers, read.conditions, read.owner_uid, read.template_hash) == ((), {}, None, None)
    assert (read.grace_seconds, read.reason, read.message, read.deleting) == (None, None, None, False)


def test_a_pods_owner_is_its_controller() -> None:
    raw = pod("new", "2026-11-25T11:00:00Z")
    raw["metadata"]["ownerReferences"] = [{"uid": "other"}, {"uid": "set", "controller": True}]
    raw["metadata"]["labels"] = {"pod-template-hash": "abc"}
    raw["metadata"]["deletionGracePeriodSeconds"] = 45
    read = read_pod(raw)
    assert (read.owner_uid, read.template_hash, read.grace_seconds) == ("set", "abc", 45)
