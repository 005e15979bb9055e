"""Fit reports as the watch has seen them."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.controller.fit_reports import FitReports


def report(name: str, version: str = "10", spec: Any = None) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": version}
    return {"metadata": metadata, **({} if spec is None else {"spec": spec})}


def seen(*items: dict[str, Any]) -> FitReports:
    found = FitReports()
    for item in items:
        found.put(item)
    return found


def test_the_last_state_of_each_is_kept_in_the_order_of_their_names() -> None:
    found = seen(report("b"), report("a", spec={"n": 1}), report("a", "11", spec={"n": 2}))
    assert list(found.specs().items()) == [("a", {"n": 2}), ("b", {})]


def test_one_that_was_deleted_is_gone() -> None:
    found = seen(report("a"), report("b"))
    found.drop(report("a"))
    found.drop(report("never"))
    assert list(found.specs()) == ["b"]


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        pytest.param("9", False, id="older than the listing that lacks it"),
        pytest.param("10", False, id="as old"),
        pytest.param("11", True, id="newer"),
        pytest.param("x", False, id="a version that is no number is old"),
    ],
)
def test_a_listing_says_what_went_before_it(version: str, kept: bool) -> None:
    found = seen(report("a", version), report("b", "1"))
    found.retain(None, {"uid-b"}, 10)
    assert list(found.specs()) == (["a", "b"] if kept else ["b"])
