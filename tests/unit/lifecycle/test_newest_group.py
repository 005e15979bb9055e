"""Which pods are the ranks of the start-up that is looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest

from group_world import GroupWorld, running
from vlm_operator.api.names import FINGERPRINT_ANNOTATION
from vlm_operator.lifecycle.replica_outcome import newest_group
from vlm_operator.lifecycle.situation import Pod


def ranks() -> tuple[Pod, ...]:
    world = GroupWorld()
    world.reconcile()
    world.group(running(), running())
    return tuple(world.pods)


def of_command(pod: Pod, command: str) -> Pod:
    return replace(pod, annotations={**pod.annotations, FINGERPRINT_ANNOTATION: command})


def test_the_ranks_of_one_group_come_with_the_leader_first() -> None:
    leader, worker = ranks()
    assert newest_group([worker, leader], frozenset()) == (leader, worker)


@pytest.mark.parametrize(
    ("other", "same_command"),
    [
        pytest.param("of another command in the same group", False, id="another command"),
        pytest.param("of the same command in no group", True, id="no group"),
    ],
)
def test_pods_beside_the_group_are_none_of_its_ranks(other: str, same_command: bool) -> None:
    leader, worker = ranks()
    stranger = replace(leader, name=other, group=None) if same_command else of_command(leader, "other")
    assert newest_group([leader, worker, stranger], frozenset()) == (leader, worker)


def test_a_replica_of_its_own_has_no_ranks() -> None:
    leader, worker = ranks()
    assert newest_group([replace(leader, group=None), worker], frozenset()) == ()
    assert newest_group([], frozenset()) == ()
