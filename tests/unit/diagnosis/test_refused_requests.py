"""Requests that a healthy server refused are counted, with the context that would have served most of them."""

from __future__ import annotations

import pytest

from vlm_operator.diagnosis import Outcome, diagnose, document
from vlm_operator.diagnosis.refused_requests import RefusedRequests, rounded_up
from vlm_operator.engine.log_wordings import KINDS_BY_NAME

SERVING = (
    "INFO 11-24 10:00:00 [api_utils.py:345] version 0.32.0\n(APIServer pid=1) INFO:     Application startup complete.\n"
)
CHAIN = "(APIServer pid=1) The above exception was the direct cause of the following exception:\n"


def refusal(words: str) -> str:
    return f"(APIServer pid=1) Traceback (most recent call last):\n(APIServer pid=1) ValueError: {words}\n"


def too_long(tokens: int) -> str:
    return refusal(f"The decoder prompt (length {tokens}) is longer than the maximum model length of 8192. Make sure")


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        pytest.param(
            "The decoder prompt (length 9000) is longer than the maximum model length of 8192.", 9001, id="the prompt"
        ),
        pytest.param(
            "The decoder prompt (length 8192) plus the number of requested output tokens (at least 1) is longer than "
            "the maximum model length of 8192.",
            8193,
            id="no room for an answer",
        ),
        pytest.param(
            "This model's maximum context length is 8192 tokens. However, your request has 9000 input tokens. Please",
            9001,
            id="0.11",
        ),
        pytest.param(
            "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 8192 "
            "tokens and your request has 5000 input tokens (4096 > 8192 - 5000).",
            9096,
            id="0.11, prompt and answer",
        ),
        pytest.param(
            "This model's maximum context length is 8192 tokens. However, you requested 4096 output tokens and your "
            "prompt contains 5000 input tokens, for a total of 9096 tokens. Please",
            9096,
            id="0.33, prompt and answer",
        ),
        pytest.param(
            "This model's maximum context length is 8192 tokens. However, your prompt contains 9000 input tokens, "
            "which exceeds this limit even without any output tokens.",
            9001,
            id="0.33, counted exactly",
        ),
        pytest.param(
            "This model's maximum context length is 8192 tokens. However, your prompt contains at least 8193 input "
            "tokens, which exceeds this limit even without any output tokens.",
            8194,
            id="0.33, a lower bound",
        ),
        pytest.param("Input length (9000) exceeds model's maximum context length (8192).", 9001, id="0.18"),
        pytest.param(
            "This model's maximum context length is 8192 tokens. However, your prompt contains 900000 characters (more "
            "than 800000 characters, which is the upper bound for 8192 input tokens).",
            None,
            id="characters are no tokens",
        ),
    ],
)
def test_every_wording_of_a_request_that_is_too_long_counts(words: str, needed: int | None) -> None:
    answer = diagnose(SERVING + refusal(words))
    assert answer.outcome is Outcome.STARTED
    assert (answer.refused.too_long, answer.refused.longest, answer.refused.items) == (1, needed, 0)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("At most 4 image(s) may be provided in one prompt.", id="too many items"),
        pytest.param(
            "The decoder prompt contains a(n) image item with 9000 embedding tokens, which exceeds the pre-allocated "
            "encoder cache size 8192. Please",
            id="an item above the encoder cache",
        ),
    ],
)
def test_items_are_counted_apart(words: str) -> None:
    refused = diagnose(SERVING + refusal(words)).refused
    assert (refused.too_long, refused.longest, refused.items) == (0, None, 1)


def test_the_context_serves_ninety_five_of_a_hundred() -> None:
    log = SERVING + "".join(too_long(9000) for _ in range(95)) + "".join(too_long(100_000) for _ in range(5))
    told = document(diagnose(log))["requests"]
    assert (told["refusedTooLong"], told["longestRefused"]) == (100, 100_001)
    assert 9001 <= told["contextForMost"] <= 9001 * 1.02


def test_one_more_long_request_asks_for_its_length() -> None:
    log = SERVING + "".join(too_long(9000) for _ in range(94)) + "".join(too_long(100_000) for _ in range(6))
    assert diagnose(log).refused.context_for() == rounded_up(100_001)


def test_a_chained_traceback_is_one_request() -> None:
    assert diagnose(SERVING + too_long(9000) + CHAIN + too_long(9000)).refused.too_long == 1
    assert diagnose(SERVING + too_long(9000) + too_long(9000)).refused.too_long == 2
    assert diagnose(SERVING + too_long(9000) + CHAIN + too_long(9001)).refused.too_long == 2


def test_a_new_start_begins_anew() -> None:
    assert diagnose(SERVING + too_long(9000) + SERVING).refused.too_long == 0


def test_what_is_kept_does_not_grow_with_the_log() -> None:
    refused, kind = RefusedRequests(), KINDS_BY_NAME["prompt_too_long"]
    for length in range(1, 1_000_000, 7):
        refused.add(kind, {"prompt_len": length})
    assert len(refused.sizes["tokens"]) < 2000
    assert refused.longest == 1 + max(range(1, 1_000_000, 7))


@pytest.mark.parametrize("length", [1, 63, 64, 127, 128, 9001, 131_073, 10**9])
def test_steps_are_never_below_a_length_and_less_than_two_percent_above(length: int) -> None:
    assert length <= rounded_up(length) <= length * 1.02
