"""Which events tell what: a start-up recorded, a child deployed or put back, a plan, a refusal, a condition."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.api.names import FIELD_MANAGER, FINGERPRINT_ANNOTATION
from vlm_operator.lifecycle.dry_run.knowledge import LIMIT, model_files, superfluous_facts
from vlm_operator.lifecycle.events import applied_event, observed_event
from vlm_operator.lifecycle.situation import Rejection, Target
from vlm_operator.units import GIB


def observation(run: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "o"}, "spec": {"lastRun": run, "started": 2, "failed": 1, **spec}}


@pytest.mark.parametrize(
    ("known", "made", "words"),
    [
        pytest.param([], observation("a"), "2 started and 1 failed start-ups in o", id="the first"),
        pytest.param([observation("a")], observation("b", measured={"kvCache": {"latestBytes": 3 * GIB}}),
                     "KV cache 3.00 GiB; 2 started and 1 failed start-ups in o", id="another run, with its KV cache"),
        pytest.param([observation("a")], observation("a"), None, id="the same run: only its use was noted"),
        pytest.param([{"metadata": {"name": "other"}, "spec": {"lastRun": "a"}}], observation("a"),
                     "2 started and 1 failed start-ups in o", id="another observation's run"),
    ],
)  # fmt: skip
def test_a_recorded_start_up_is_told_once(known: list[Any], made: dict[str, Any], words: str | None) -> None:
    found = observed_event(made, known)
    assert (found.message if found else None) == (words and f"recorded as StartupObservation: {words}")
    assert found is None or (str(found.type), str(found.reason)) == ("Normal", "Observed")


def child(kind: str = "Deployment", command: str | None = "abc", replicas: int = 1, **metadata: Any) -> dict[str, Any]:
    annotations = {} if command is None else {FINGERPRINT_ANNOTATION: command}
    return {
        "kind": kind,
        "metadata": {"name": "demo", "annotations": annotations, **metadata},
        "spec": {"replicas": replicas},
    }


def owned_by(*managers: str, field: str = "f:spec", subresource: str | None = None) -> list[dict[str, Any]]:
    return [
        {"manager": name, "fieldsV1": {field: {}}, **({"subresource": subresource} if subresource else {})}
        for name in managers
    ]


def target(*, ran: bool = False, same_spec: bool = True) -> Target:
    attempts = [{"outcome": "Failed"}, *([{"outcome": "Started"}] if ran else [])]
    status = {"attempts": attempts, "observedGeneration": 1 if same_spec else 0}
    return Target("default", "demo", "uid", 1, "1", {}, status, {}, {}, deleting=False)


def deployed(done: str, command: str = "abc") -> tuple[str, str, str]:
    return "Normal", "Deployed", f"Deployment demo was {done}; fingerprint of its command: {command}"


def repaired(done: str, kind: str = "Deployment") -> tuple[str, str, str]:
    return "Warning", "Repaired", f"{kind} demo was {done}"


SCALED = child(managedFields=owned_by("kubectl", FIELD_MANAGER))


@pytest.mark.parametrize(
    ("manifest", "live", "about", "told"),
    [
        pytest.param(child(), None, target(), deployed("created"), id="the first time"),
        pytest.param(child(command="new"), child(), target(), deployed("changed", "new"), id="another command"),
        pytest.param(child(replicas=0), child(), target(), deployed("changed with no replica"), id="stopped"),
        pytest.param(
            child(), None, target(ran=True), repaired("deleted and has been created again"), id="deleted while it ran"
        ),
        pytest.param(child(), None, target(ran=True, same_spec=False), deployed("created"), id="of a new spec"),
        pytest.param(
            child(), SCALED, target(), repaired("changed by kubectl and has been put back"), id="changed by another"
        ),
        pytest.param(child(command="new"), SCALED, target(), deployed("changed", "new"), id="and a new command"),
        pytest.param(child(), SCALED, target(same_spec=False), deployed("changed"), id="and a new spec"),
        pytest.param(
            child(),
            child(managedFields=owned_by("kubelet", subresource="status")),
            target(),
            deployed("changed"),
            id="only its status",
        ),
        pytest.param(
            child(),
            child(managedFields=owned_by("kubectl", field="f:metadata")),
            target(),
            deployed("changed"),
            id="only its labels",
        ),
        pytest.param(child("Service", command=None), None, target(), None, id="a Service along with it"),
        pytest.param(
            child("Service", command=None),
            None,
            target(ran=True),
            repaired("deleted and has been created again", "Service"),
            id="a Service that was deleted",
        ),
        pytest.param(child(command=None), None, target(), None, id="no command"),
    ],
)
def test_what_the_application_of_a_child_means(
    manifest: dict[str, Any], live: dict[str, Any] | None, about: Target, told: tuple[str, str, str] | None
) -> None:
    found = applied_event(manifest, live, about)
    assert (found and (str(found.type), str(found.reason), found.message)) == told


REFUSED = Rejection("Deployment", "demo", "no", 1, digest="d")


@pytest.mark.parametrize(
    ("other", "again"),
    [
        pytest.param(Rejection("Deployment", "demo", "no", 1, digest="d"), True, id="the same"),
        pytest.param(Rejection("Deployment", "demo", "in other words", 1, digest="d"), True, id="in other words"),
        pytest.param(Rejection("Service", "demo", "no", 1, digest="d"), False, id="another kind"),
        pytest.param(Rejection("Deployment", "demo", "no", 2, digest="d"), False, id="another generation"),
        pytest.param(Rejection("Deployment", "demo", "no", 1, digest="e"), False, id="another manifest"),
        pytest.param(Rejection("Deployment", "demo", "no", 1, transient=True, digest="d"), False, id="for a while"),
        pytest.param(None, False, id="none before"),
    ],
)
def test_a_refusal_is_the_same_whatever_the_words(other: Rejection | None, again: bool) -> None:
    assert REFUSED.is_again(other) is again


def facts(name: str, created: str | None, namespace: str | None = "team") -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": created}, "spec": {"namespace": namespace}}


@pytest.mark.parametrize(("more", "removed"), [(0, []), (1, ["old-000"]), (2, ["old-000", "old-001"])])
def test_the_oldest_facts_of_dry_runs_go_beyond_the_limit(more: int, removed: list[str]) -> None:
    found = [
        facts(f"old-{number:03}", f"2026-11-{number // 24 + 1:02}T{number % 24:02}") for number in range(LIMIT + more)
    ]
    applied = [facts(f"applied-{number}", "2020-01-01", None) for number in range(5)]
    assert superfluous_facts([*applied, *reversed(found)]) == tuple(removed)


@pytest.mark.parametrize(
    ("files", "read"),
    [
        pytest.param([{"config.json": {"a": 1}}], {"config.json": {"a": 1}}, id="a config"),
        pytest.param([{"tokenizer.json": {}}, {"config.json": {}}], {"config.json": {}}, id="the first with a config"),
        pytest.param([{"config.json": "text"}, None], None, id="none"),
        pytest.param([], None, id="no facts"),
    ],
)
def test_a_models_files_are_those_of_the_first_facts_with_a_config(files: list[Any], read: Any) -> None:
    assert model_files([{"spec": {"found": {"modelFiles": each}}} for each in files]) == read
