"""One list says which kinds of children there are; what reads, watches and renders them follows it."""

from __future__ import annotations

import pytest

from claim_world import ClaimWorld
from group_world import GroupWorld
from lifecycle_world import MODEL, World
from vlm_operator.controller.client import PLURALS, path_of
from vlm_operator.lifecycle.children import CHILD_KINDS, ChildKind, Replicas, replicas_of, runs_the_server


@pytest.mark.parametrize("kind", CHILD_KINDS, ids=lambda kind: kind.kind)
def test_a_listed_kind_has_a_path(kind: ChildKind) -> None:
    assert PLURALS[kind.kind] == kind.plural
    assert path_of(kind.api_version, kind.kind, "default", "model").endswith(f"/default/{kind.plural}/model")


def test_what_is_rendered_is_of_the_listed_kinds_in_their_order() -> None:
    listed = [(kind.api_version, kind.kind) for kind in CHILD_KINDS]
    on_two = [(child["apiVersion"], child["kind"]) for child in GroupWorld().reconcile().children]
    claimed = [(child["apiVersion"], child["kind"]) for child in ClaimWorld().decide().children]
    cached = World(spec={"model": {"id": MODEL, "cache": {"size": "1Gi"}}}).reconcile().children
    on_one = [(child["apiVersion"], child["kind"]) for child in cached]
    assert [each for each in listed if each in on_one] == on_one
    assert [each for each in listed if each in on_two] == on_two
    assert [each for each in listed if each in claimed] == claimed
    assert {*on_one, *on_two, *claimed} == set(listed)


@pytest.mark.parametrize(
    ("children", "replicas"),
    [
        pytest.param((), None, id="no child yet"),
        pytest.param(({"kind": "Service", "spec": {}},), None, id="a Service runs nothing"),
        pytest.param(({"kind": "Deployment", "spec": {"replicas": 2}},), Replicas(2, 0), id="created, no status"),
        pytest.param(({"kind": "Deployment", "spec": {}, "status": {"readyReplicas": 1}},), Replicas(1, 1), id="ready"),
        pytest.param(({"kind": "Deployment", "spec": {"replicas": 0}},), Replicas(0, 0), id="scaled to zero"),
        pytest.param(
            ({"kind": "LeaderWorkerSet", "spec": {"replicas": 2}, "status": {"readyReplicas": 1}},),
            Replicas(2, 1),
            id="groups",
        ),
    ],
)
def test_the_state_of_the_server_is_read_from_the_child_that_runs_it(
    children: tuple[dict[str, object], ...], replicas: Replicas | None
) -> None:
    assert replicas_of(children) == replicas
    assert [runs_the_server(child) for child in children] == [child["kind"] != "Service" for child in children]


def test_which_kinds_a_cluster_or_the_operators_rights_may_lack() -> None:
    assert [kind.kind for kind in CHILD_KINDS if kind.optional] == [
        "PersistentVolumeClaim",
        "ResourceClaimTemplate",
        "LeaderWorkerSet",
    ]
