"""Requests that a serving command refused: counted once each, and what would have served them."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle_world import MODEL, TOO_LONG, World

TOO_MANY = "ValueError: At most 2 image(s) may be provided in one prompt."
TOO_LARGE = (
    "ValueError: The decoder prompt contains a(n) image item with 9000 embedding tokens, which exceeds the "
    "pre-allocated encoder cache size 8192. Please"
)
QUIET = 'INFO:     10.0.0.1:1 - "POST /v1/chat/completions HTTP/1.1" 200 OK'
PINNED = {"contextLength": 8192}


def serving(**spec: Any) -> World:
    world = World(spec={"model": {"id": MODEL}, "engine": PINNED, **spec})
    assert world.settle() == "Ready"
    return world


def prints(world: World, *lines: str) -> World:
    world.printed = list(lines)
    world.reconcile()
    return world


def said(world: World) -> str:
    return str(world.condition("ContextSufficient")["message"])


def test_nothing_is_said_before_a_log_was_read() -> None:
    world = serving()
    assert world.condition("ContextSufficient") == {}
    assert "requests" not in world.status


def test_a_server_that_refuses_nothing_suffices() -> None:
    world = prints(serving(), QUIET)
    assert world.condition("ContextSufficient")["status"] == "True"
    assert world.status["requests"] | {"since": 0, "fingerprint": 0, "readUntil": 0} == {
        "fingerprint": 0, "since": 0, "refusedTooLong": 0, "refusedItems": 0, "readUntil": 0,
    }  # fmt: skip


def test_a_context_that_fits_is_named_with_its_field() -> None:
    world = prints(serving(), *[TOO_LONG.format(9000)] * 95, *[TOO_LONG.format(30_000)] * 5)
    found = world.condition("ContextSufficient")
    assert (found["status"], found["reason"]) == ("False", "ContextTooShort")
    assert said(world) == (
        "100 requests were refused as longer than the context of 8,192 tokens (the longest needs 30,001); 9,088 would "
        "have served 95% of them: 9,088 fits the same GPUs: set engine.contextLength to 9088"
    )
    assert world.status["requests"]["longestRefused"] == 30_001
    assert world.condition("Ready")["status"] == "True", "no part of Ready"


def test_where_the_context_is_chosen_the_floor_is_named() -> None:
    world = serving(engine={}, context={"maximum": 8192})
    assert "set context.minimum to 9088 and context.maximum to 9088" in said(prints(world, TOO_LONG.format(9000)))


def test_a_context_that_does_not_fit_says_what_does() -> None:
    small = {"gpuMemoryUtilization": 0.7, "kvCacheDtype": "auto", "maxNumSeqs": 4, "maxNumBatchedTokens": 2048}
    fixed = {"enforceEager": False, "mmProcessorKwargs": {}, "limitMMPerPrompt": {"image": 1, "video": 0}}
    pinned = {**PINNED, **small, **fixed}
    world = prints(serving(engine=pinned), TOO_LONG.format(100_000))
    assert "does not fit the same GPUs" in said(world)
    assert "engine.contextLength" not in said(world), "no field is named that would end in a refusal"


def test_more_than_the_model_supports_is_said_in_its_words() -> None:
    assert "longer than the 262,144 tokens" in said(prints(serving(), TOO_LONG.format(400_000)))


def test_a_length_that_no_sentence_tells_is_not_invented() -> None:
    characters = (
        "ValueError: This model's maximum context length is 8192 tokens. However, your prompt contains 900000 "
        "characters (more than 800000 characters, which is the upper bound for 8192 input tokens)."
    )
    assert "vLLM does not say how long they were" in said(prints(serving(), characters))


def test_counts_add_up_and_are_told_once_as_an_event() -> None:
    world = prints(serving(), TOO_LONG.format(9000))
    prints(world, TOO_LONG.format(12_000), TOO_LONG.format(9000))
    assert world.status["requests"]["refusedTooLong"] == 3
    assert [event.reason for event in world.events].count("RequestsRefused") == 1


def test_what_changes_nothing_is_not_written() -> None:
    world = prints(serving(), TOO_LONG.format(9000))
    before = world.status
    world.printed = [QUIET]
    assert world.reconcile().status == before, "not even how far the log was read"


def test_another_command_counts_anew() -> None:
    world = prints(serving(), TOO_LONG.format(9000))
    world.spec = {**world.spec, "engine": {"contextLength": 16384}}
    world.generation += 1
    assert world.settle() == "Ready"
    assert "requests" not in world.status
    assert prints(world, QUIET).condition("ContextSufficient")["status"] == "True"


@pytest.mark.parametrize(
    ("spec", "line", "words"),
    [
        pytest.param(
            {"workload": {"images": {"count": 2}}, "engine": {}},
            TOO_MANY,
            "3 images in one request would have served 95% of those with too many, and that fits the same GPUs: set "
            "workload.images.count to 3",
            id="described images",
        ),
        pytest.param(
            {"engine": {**PINNED, "limitMMPerPrompt": {"image": 2}}},
            TOO_MANY,
            "set engine.limitMMPerPrompt.image to 3",
            id="a pinned limit",
        ),
        pytest.param({"engine": {}}, TOO_MANY, "describe such requests in spec.workload", id="nobody described any"),
        pytest.param(
            {"engine": {**PINNED, "maxNumBatchedTokens": 8192}},
            TOO_LARGE,
            "set engine.maxNumBatchedTokens to 9088; or set engine.mmProcessorKwargs to ",
            id="an item above the encoder's budget",
        ),
    ],
)
def test_refused_items_name_the_limit_or_the_cap(spec: dict[str, Any], line: str, words: str) -> None:
    world = prints(serving(**spec), line)
    assert (world.status["requests"]["refusedItems"], world.status["requests"]["refusedTooLong"]) == (1, 0)
    assert words in said(world)
