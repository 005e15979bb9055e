"""Of several operators one works; when it goes another takes over; never two at once, by anybody's clock."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from live_api_server import LiveApiServer, serving_live

from vlm_operator.controller.api_errors import RetryLater
from vlm_operator.controller.client import Client
from vlm_operator.controller.leader import LEASE_SECONDS, WRITING_SECONDS, Leadership

LEASE = "/apis/coordination.k8s.io/v1/namespaces/vlm-system/leases/vlm-operator"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def claim(client: Client, identity: str, clock: Clock) -> Leadership:
    return Leadership(client, "vlm-system", "vlm-operator", identity, clock=clock)


def test_the_first_leads_and_the_second_waits() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first, second = claim(client, "a", clock), claim(client, "b", clock)
        assert not first.may_write()
        assert first.hold()
        assert not second.hold()
        assert (first.may_write(), second.may_write()) == (True, False)
    spec = server.objects[LEASE]["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("a", LEASE_SECONDS)


def test_a_leader_that_renews_stays_the_leader() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first, second = claim(client, "a", clock), claim(client, "b", clock)
        first.hold()
        for _ in range(10):
            clock.now += 2
            assert first.hold()
            assert not second.hold()
    spec = server.objects[LEASE]["spec"]
    assert spec["leaseTransitions"] == 0
    assert spec["acquireTime"] < spec["renewTime"]


def test_a_leader_that_is_gone_is_followed_once_its_lease_is_over() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first, second = claim(client, "a", clock), claim(client, "b", clock)
        first.hold()
        taken = None
        for second_number in range(1, 20):
            clock.now = second_number
            overlap = first.may_write() and second.hold()
            assert not overlap, f"two leaders after {second_number} s"
            if taken is None and second.hold():
                taken = second_number
    assert taken is not None
    assert LEASE_SECONDS < taken <= 15
    assert server.objects[LEASE]["spec"]["leaseTransitions"] == 1


def test_a_leader_that_was_frozen_writes_nothing_when_it_wakes() -> None:
    """No event need reach it: its time is over by the clock."""
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first = claim(client, "a", clock)
        first.hold()
        client.may_write = first.may_write
        clock.now = WRITING_SECONDS
        with pytest.raises(RetryLater, match="another operator"):
            client.apply("/api/v1/namespaces/default/services/x", {"metadata": {"name": "x"}})
        assert client.get("/api/v1/nodes")["items"] == []


def test_a_lease_that_is_given_back_is_taken_at_once() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first, second = claim(client, "a", clock), claim(client, "b", clock)
        first.hold()
        first.release()
        assert not first.may_write()
        assert second.hold()


def test_what_another_holds_is_not_given_back() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first, second = claim(client, "a", clock), claim(client, "b", clock)
        first.hold()
        second.release()
    assert server.objects[LEASE]["spec"]["holderIdentity"] == "a"


def test_of_two_that_grab_at_once_one_gets_it() -> None:
    class Racing(LiveApiServer):
        """Between the look and the write another was faster."""

        raced = False

        def answer(self, method: str, path: str, query: dict[str, str], body: object) -> tuple[int, object]:
            if method in {"POST", "PUT"} and not self.raced:
                self.raced = True
                self.put(LEASE, {"metadata": {"name": "vlm-operator"}, "spec": {"holderIdentity": "c"}})
            return super().answer(method, path, query, body)

    server, clock = Racing(), Clock()
    with serving_live(server) as client:
        first = claim(client, "a", clock)
        assert not first.hold()
        assert not first.may_write()


def test_without_an_answer_it_stays_the_leader_until_its_time_is_over() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first = claim(client, "a", clock)
        first.hold()
        server.refused["/apis/coordination"] = (503, "ServiceUnavailable")
        with pytest.raises(RetryLater):
            first.hold()
        assert first.may_write()
        clock.now = WRITING_SECONDS
        assert not first.may_write()


def test_a_lease_is_over_only_after_its_whole_time_by_the_waiting_ones_clock() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first, second = claim(client, "a", clock), claim(client, "b", clock)
        first.hold()
        clock.now = 3.0
        assert not second.hold()
        clock.now = 3.0 + LEASE_SECONDS
        assert not second.hold()
        clock.now = 3.1 + LEASE_SECONDS
        assert second.hold()


def test_a_lease_of_another_length_is_waited_for_as_long_as_it_says() -> None:
    server, clock = LiveApiServer(), Clock()
    server.put(LEASE, {"metadata": {"name": "vlm-operator"},
                       "spec": {"holderIdentity": "a", "leaseDurationSeconds": 30}})  # fmt: skip
    with serving_live(server) as client:
        second = claim(client, "b", clock)
        assert not second.hold()
        clock.now = 30.0
        assert not second.hold()
        clock.now = 30.1
        assert second.hold()


def test_a_lease_without_a_length_or_a_spec_lasts_as_long_as_ours_or_is_free() -> None:
    server, clock = LiveApiServer(), Clock()
    server.put(LEASE, {"metadata": {"name": "vlm-operator"}, "spec": {"holderIdentity": "a"}})
    with serving_live(server) as client:
        second = claim(client, "b", clock)
        assert not second.hold()
        clock.now = LEASE_SECONDS
        assert not second.hold()
        clock.now = LEASE_SECONDS + 0.1
        assert second.hold()
    empty = LiveApiServer()
    empty.put(LEASE, {"metadata": {"name": "vlm-operator"}})
    with serving_live(empty) as client:
        assert claim(client, "b", Clock()).hold()


def test_a_lease_that_is_given_back_stays_with_nobody_and_is_short() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first = claim(client, "a", clock)
        first.release()
        assert LEASE not in server.objects, "what was never held is not given back"
        first.hold()
        first.release()
    spec = server.objects[LEASE]["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("", 1, 0)


def test_a_lease_that_another_took_meanwhile_is_left_to_it() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first = claim(client, "a", clock)
        first.hold()
        taken = {**server.objects[LEASE]["spec"], "holderIdentity": "b"}
        server.put(LEASE, {"metadata": {"name": "vlm-operator"}, "spec": taken})
        first.release()
        assert not first.may_write()
    assert server.objects[LEASE]["spec"]["holderIdentity"] == "b"


def test_an_api_server_that_is_away_does_not_hold_up_the_end() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first = claim(client, "a", clock)
        first.hold()
        server.refused["/apis/coordination"] = (503, "ServiceUnavailable")
        first.release()
        assert not first.may_write()


def test_who_takes_over_says_since_when() -> None:
    server, clock = LiveApiServer(), Clock()
    with serving_live(server) as client:
        first, second = claim(client, "a", clock), claim(client, "b", clock)
        first.hold()
        taken = server.objects[LEASE]["spec"]["acquireTime"]
        assert taken.endswith("Z")
        first.release()
        second.hold()
        spec = server.objects[LEASE]["spec"]
        assert spec["holderIdentity"] == "b"
        assert spec["acquireTime"] == spec["renewTime"] > taken
        assert spec["leaseTransitions"] == 1


def test_writing_ends_so_long_after_the_request_and_not_after_its_answer() -> None:
    clock = Clock()

    class Slow(LiveApiServer):
        """Answers after three seconds."""

        def answer(self, method: str, path: str, query: dict[str, str], body: object) -> tuple[int, object]:
            clock.now += 1.5
            return super().answer(method, path, query, body)

    with serving_live(Slow()) as client:
        first = claim(client, "a", clock)
        assert first.hold()
        assert clock.now == 3.0
        clock.now = WRITING_SECONDS - 0.1
        assert first.may_write()
        clock.now = WRITING_SECONDS
        assert not first.may_write()
