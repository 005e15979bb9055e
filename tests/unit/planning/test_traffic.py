"""What pages of a server's metrics say: bounds of the longest request, what came between two pages, peaks."""

from __future__ import annotations

import random

import pytest

from vlm_operator.planning.seen_traffic import SeenTraffic, seen_in
from vlm_operator.planning.traffic import Lengths, Span, Traffic, read_traffic

BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


def lengths(*tokens: int, bounds: tuple[int, ...] = BOUNDS) -> Lengths:
    """The histogram that vLLM keeps of these requests."""
    return Lengths(len(tokens), sum(tokens), tuple((bound, sum(each <= bound for each in tokens)) for bound in bounds))


def page(*requests: tuple[int, int], usage: float = 0.0, running: int = 0, waiting: int = 0) -> Traffic:
    """A page after these requests, each prompt and answer."""
    prompts, answers = [each for each, _ in requests], [each for _, each in requests]
    return Traffic(usage, running, waiting, 0, lengths(*prompts), lengths(*answers), blocks=1000)


@pytest.mark.parametrize("seed", range(40))
def test_the_longest_request_lies_within_its_bounds(seed: int) -> None:
    chance = random.Random(seed)
    tokens = [chance.randint(1, chance.choice([30, 700, 6000])) for _ in range(chance.randint(1, 300))]
    for bounds in (BOUNDS, tuple(range(50, 7000, 50))):
        span = lengths(*tokens, bounds=bounds).longest_within(8192)
        assert span.high is not None
        assert span.low <= max(tokens) <= span.high


def test_one_request_is_known_to_the_token() -> None:
    assert lengths(1234).longest_within() == Span(1234, 1234)


def test_the_sum_narrows_the_bucket() -> None:
    assert lengths(10, 10, 3000).longest_within() == Span(3000, 3000 + 2 * (10 - 6))


def test_above_the_last_bucket_the_context_bounds() -> None:
    histogram = lengths(7000, 7000, bounds=(1000, 2000))
    assert histogram.longest is None
    assert histogram.longest_within(8192) == Span(7000, 8192)
    assert histogram.longest_within() == Span(7000, 11_999)


def test_fine_buckets_bound_closely() -> None:
    fine = tuple(round(64 * 1.05**step) for step in range(80))
    tokens = [100, 900, 1850, *[400] * 197]
    span = lengths(*tokens, bounds=fine).longest_within(4096)
    assert span.high is not None
    assert span.high <= 1850 * 1.05


def test_between_two_pages_each_request_counts_once() -> None:
    first, second = page((1000, 20)), page((1000, 20), (3000, 50))
    seen = seen_in((first, second), 8192)
    assert (seen.requests, seen.prompt, seen.prompt_tokens) == (2, Span(3000, 3000), 4000)


def test_a_server_that_began_anew_is_added() -> None:
    seen = seen_in((page((1000, 20), (1000, 20)), page((500, 9))), 8192)
    assert (seen.requests, seen.prompt.high) == (3, 1000)


def test_peaks_are_those_of_the_pages() -> None:
    seen = seen_in((page(usage=0.5, running=3, waiting=2), page(usage=0.2, running=1)), 8192)
    assert (seen.peak_requests, seen.peak_cache_usage, seen.blocks) == (5, 0.5, 1000)
    assert seen.with_peaks(9, 0.1).peak_requests == 9


@pytest.mark.parametrize(("requests", "enough"), [(99, False), (100, True)])
def test_a_hundred_requests_are_enough(requests: int, enough: bool) -> None:
    assert SeenTraffic(requests=requests).is_enough is enough


def test_client_errors_are_counted_of_the_api_alone() -> None:
    text = (
        'vllm:kv_cache_usage_perc{engine="0"} 0.25\n'
        'vllm:cache_config_info{block_size="16",num_gpu_blocks="1234",engine="0"} 1.0\n'
        'http_requests_total{handler="/v1/completions",method="POST",status="4xx"} 3.0\n'
        'http_requests_total{handler="/v1/completions",method="POST",status="2xx"} 9.0\n'
        'http_requests_total{handler="/metrics",method="GET",status="4xx"} 2.0\n'
    )
    found = read_traffic(text)
    assert found is not None
    assert (found.refused, found.blocks, found.cache_usage) == (3, 1234, 0.25)
