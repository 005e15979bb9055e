"""The cache: what was written is there at once, and what is older never replaces what is newer."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.controller.cache import Cache
from vlm_operator.controller.queue import Key

KEY = Key("default", "model")
LABEL = "vlm-operator.dev/vlmdeployment"


def item(kind: str, version: int, *, uid: str = "u", name: str = "model", label: str = "model", **more: Any) -> Any:
    labels = {} if kind == "VLMDeployment" else {LABEL: label}
    metadata = {"name": name, "namespace": "default", "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"kind": kind, "metadata": metadata | more}


class Told(list[Key]):
    def __call__(self, keys: Any, delay: float) -> None:
        self.extend(keys)


def version(cache: Cache) -> str | None:
    found = cache.root(KEY)
    return None if found is None else found["metadata"]["resourceVersion"]


def test_what_this_operator_wrote_is_there_at_once_and_its_event_is_no_news() -> None:
    told = Told()
    cache = Cache(told)
    cache.put(item("VLMDeployment", 5))
    told.clear()
    cache.wrote(item("VLMDeployment", 7))
    assert version(cache) == "7"
    cache.put(item("VLMDeployment", 7))
    cache.put(item("VLMDeployment", 6))
    assert (version(cache), told) == ("7", [])
    cache.put(item("VLMDeployment", 8))
    assert told == [KEY]


@pytest.mark.parametrize("kind", ["Event", "Lease", "Status"])
def test_other_things_that_are_written_are_not_kept(kind: str) -> None:
    cache = Cache(Told())
    cache.wrote(item(kind, 5))
    assert cache.belonging(KEY, [kind]) == []


def test_a_deletion_of_an_earlier_object_of_that_name_is_no_deletion() -> None:
    cache = Cache(Told())
    cache.put(item("VLMDeployment", 5, uid="first"))
    cache.wrote(item("VLMDeployment", 9, uid="second"))
    cache.drop(item("VLMDeployment", 8, uid="first"))
    assert version(cache) == "9"


def test_a_listing_does_not_drop_what_was_written_after_it() -> None:
    cache = Cache(Told())
    cache.put(item("Deployment", 5, uid="gone"))
    cache.wrote(item("Deployment", 12, uid="new", name="other"))
    cache.retain(None, set(), 10, kind="Deployment")
    assert [found["metadata"]["uid"] for found in cache.belonging(KEY, ["Deployment"])] == ["new"]


def test_a_listing_of_one_namespace_and_kind_says_nothing_of_others() -> None:
    cache = Cache(Told())
    cache.put(item("Deployment", 5))
    cache.put(item("Service", 6))
    cache.retain("another", set(), 10, kind="Deployment")
    cache.retain(None, set(), 10, kind="Pod")
    assert len(cache.belonging(KEY, ["Deployment", "Service"])) == 2


def test_a_child_that_changes_hands_is_news_for_both() -> None:
    told = Told()
    cache = Cache(told)
    cache.put(item("Pod", 5))
    told.clear()
    cache.put(item("Pod", 6, label="other"))
    assert set(told) == {KEY, Key("default", "other")}
    assert cache.belonging(KEY, ["Pod"]) == []


def test_of_managed_fields_only_this_operators_are_kept() -> None:
    cache = Cache(Told())
    managed = [{"manager": "kube-controller-manager"}, {"manager": "vlm-operator"}]
    cache.put(item("Deployment", 5, managedFields=managed))
    (found,) = cache.belonging(KEY, ["Deployment"])
    assert found["metadata"]["managedFields"] == [{"manager": "vlm-operator"}]


def test_what_a_reader_does_to_an_object_stays_with_it() -> None:
    cache = Cache(Told())
    cache.put(item("VLMDeployment", 5))
    found = cache.root(KEY)
    assert found is not None
    found["metadata"].clear()
    assert version(cache) == "5"


def test_observations_are_found_by_their_model() -> None:
    cache = Cache(Told())
    found = {
        "kind": "StartupObservation",
        "metadata": {"name": "o", "uid": "o", "resourceVersion": "1", "labels": {"vlm-operator.dev/model": "a.b"}},
    }
    cache.put(found)
    assert cache.belonging("a.b", ["StartupObservation"]) == [found]
    assert cache.belonging("b.a", ["StartupObservation"]) == []


def sharing(name: str, version: int, group: str | None = "desk", **spec: Any) -> Any:
    gpu = {} if group is None else {"share": {"group": group}}
    return {**item("VLMDeployment", version, uid=name, name=name), "spec": {"gpu": gpu, **spec}}


SHARE = "default/desk"


def test_those_that_share_a_gpu_look_when_one_of_them_changes_be_it_by_the_operators_own_writing() -> None:
    told = Told()
    cache = Cache(told)
    for number, name in enumerate(("a", "b", "c"), 1):
        cache.put(sharing(name, number))
    cache.put(sharing("elsewhere", 4, "other"))
    told.clear()
    cache.wrote(sharing("a", 7))
    assert told == [Key("default", "b"), Key("default", "c")]
    told.clear()
    cache.put(sharing("a", 8))
    assert set(told) == {Key("default", name) for name in "abc"}


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda cache: cache.drop(sharing("a", 9)), id="deleted"),
        pytest.param(lambda cache: cache.retain(None, {"b"}, 9, kind="VLMDeployment"), id="gone from a listing"),
        pytest.param(lambda cache: cache.put(sharing("a", 9, None)), id="has a GPU of its own now"),
        pytest.param(lambda cache: cache.put(sharing("a", 9, replicas=0)), id="runs nowhere"),
    ],
)
def test_who_leaves_a_group_makes_room_for_the_others(leave: Any) -> None:
    told = Told()
    cache = Cache(told)
    cache.put(sharing("a", 1))
    cache.put(sharing("b", 2))
    told.clear()
    leave(cache)
    assert Key("default", "b") in told
    assert cache.sharing(SHARE) == [Key("default", "b")]
    assert cache.shares(Key("default", "b")) == SHARE
    assert cache.shares(Key("default", "a")) == ""


def test_the_claim_of_a_group_is_found_by_it() -> None:
    cache = Cache(Told())
    claim = item("ResourceClaim", 5, name="desk-1")
    claim["metadata"]["labels"] = {"vlm-operator.dev/gpu-share": "desk"}
    cache.wrote(claim)
    cache.put(item("ResourceClaim", 6, name="somebodys"))
    assert [each["metadata"]["name"] for each in cache.belonging(SHARE, ["ResourceClaim"])] == ["desk-1"]
