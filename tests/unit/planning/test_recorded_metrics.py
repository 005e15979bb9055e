"""Pages that vLLM 0.32.0's CPU build printed while a client sent 200 mixed requests, eight at once (context 4,096).

The client drew prompts of 50 to 1,700 tokens and answers of 8 to 48, and was answered exactly so many; of the pages of
a minute or so apart the first, the middle and the last are kept. ``refused``: after two further requests were answered
with 400, of which the log has no sentence.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from vlm_operator.planning.seen_traffic import SeenTraffic, seen_in
from vlm_operator.planning.traffic import Traffic, read_traffic

FOLDER = Path(__file__).parents[2] / "data" / "metrics"
CONTEXT = 4096
LONGEST_PROMPT, LONGEST_ANSWER, LONGEST_REQUEST = 1667, 48, 1694
MEAN_REQUEST = 785.985


def page(name: str) -> Traffic:
    found = read_traffic((FOLDER / f"vllm-0.32.0-{name}.prom").read_text())
    assert found is not None
    return found


@pytest.fixture(scope="module")
def seen() -> SeenTraffic:
    return seen_in((page(f"200-requests-{name}") for name in ("first", "middle", "last")), CONTEXT)


def test_every_request_is_counted_once(seen: SeenTraffic) -> None:
    assert (seen.requests, seen.blocks, seen.preemptions, seen.refused) == (200, 512, 0, 0)
    assert seen.mean_tokens == MEAN_REQUEST


def test_what_the_client_sent_lies_within_the_bounds(seen: SeenTraffic) -> None:
    for span, sent in (
        (seen.prompt, LONGEST_PROMPT),
        (seen.generation, LONGEST_ANSWER),
        (seen.longest, LONGEST_REQUEST),
    ):
        assert span.high is not None
        assert span.low <= sent <= span.high


def test_several_pages_tell_more_than_the_last(seen: SeenTraffic) -> None:
    assert seen.longest.low > seen_in((page("200-requests-last"),), CONTEXT).longest.low


def test_what_the_log_does_not_name_the_metrics_count() -> None:
    assert page("refused").refused == 2
