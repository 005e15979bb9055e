"""What a server's own metrics say of its traffic: vLLM's ``/metrics`` in the text format of Prometheus.

Names (vLLM 0.11.2 to 0.33.0: ``v1/metrics/loggers.py``): ``vllm:kv_cache_usage_perc``, ``vllm:num_requests_running``,
``vllm:num_requests_waiting``, ``vllm:num_preemptions_total``, ``vllm:request_prompt_tokens``,
``vllm:request_generation_tokens``, ``vllm:cache_config_info``; ``http_requests_total`` is of
prometheus-fastapi-instrumentator, which vLLM mounts. Engines of one server are added up.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LARGEST_PAGE: Final = 16 * 1024**2
"""Most bytes that are read of a page of metrics; vLLM's own has some hundred KiB."""

_LINE: Final = re.compile(r"(vllm:\w+|http_requests_total)(?:\{([^}\n]*)\})?\s+([0-9.eE+-]+|\+?Inf|NaN)", re.ASCII)
_BOUND: Final = re.compile(r'le="([^"]+)"', re.ASCII)
_BLOCKS: Final = re.compile(r'num_gpu_blocks="(\d+)"', re.ASCII)
_REFUSED: Final = re.compile(r'handler="/v1/[^"]*"[^}]*status="4\w\w"', re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """A figure that is known within bounds: of the longest request, tokens.

    Attributes:
        low: it is at least this.
        high: it is at most this; None where nothing bounds it.
    """

    low: int = 0
    high: int | None = 0

    def or_larger(self, other: Span) -> Span:
        """The larger of two such figures."""
        highs = None if self.high is None or other.high is None else max(self.high, other.high)
        return Span(max(self.low, other.low), highs)


@dataclass(frozen=True, slots=True)
class Lengths:
    """A histogram of tokens of requests.

    Attributes:
        requests: how many were counted.
        tokens: of all of them together.
        buckets: upper bound and how many requests had no more tokens; the open one left out.
    """

    requests: int
    tokens: int
    buckets: tuple[tuple[int, int], ...] = ()

    @property
    def longest(self) -> int | None:
        """None was longer than this, tokens: the upper bound of a bucket; None where the last bucket is open."""
        if not self.requests:
            return None
        return next((bound for bound, total in self.buckets if total >= self.requests), None)

    @property
    def mean(self) -> float:
        """Tokens of a request."""
        return round(self.tokens / self.requests, 1) if self.requests else 0.0

    def since(self, earlier: Lengths) -> Lengths:
        """What came after ``earlier``, an older page of the same server; all of it where the server began anew."""
        before = dict(earlier.buckets)
        buckets = tuple((bound, total - before.get(bound, 0)) for bound, total in self.buckets)
        requests, tokens = self.requests - earlier.requests, self.tokens - earlier.tokens
        if requests < 0 or tokens < 0 or any(total < 0 for _, total in buckets):
            return self
        return Lengths(requests, tokens, buckets)

    def longest_within(self, cap: int | None = None) -> Span:
        """Bounds of the longest request: its bucket's, made narrower by the sum of all tokens, which is exact.

        The longest is at least the mean of its bucket, and at most what the sum leaves when all others are as short as
        their buckets allow.

        Args:
            cap: no request can be longer: the context.

        >>> Lengths(3, 5100, ((1000, 2), (5000, 3))).longest_within()
        Span(low=3100, high=5000)
        """
        if not self.requests:
            return Span()
        least = most = below = counted = 0
        for bound, total in (*self.buckets, (-1, self.requests)):
            here = total - counted
            if total >= self.requests and here:
                ceiling = (cap if bound < 0 else bound) if cap is None or bound < 0 else min(bound, cap)
                low = max(math.ceil((self.tokens - most) / here), below + 1)
                left = self.tokens - least - (here - 1) * (below + 1)
                high = left if ceiling is None else min(left, ceiling)
                return Span(min(low, high), high)
            least, most = least + here * (below + 1 if below else 0), most + here * bound
            counted, below = total, bound
        return Span(0, cap)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a server has seen since it started.

    Attributes:
        cache_usage: share of the KV cache in use now, 0 to 1.
        running, waiting: requests now.
        preemptions: requests that were stopped for want of KV cache.
        blocks: of the KV cache of one engine, None where the page does not say.
        refused: requests that were answered with a client error, for whatever reason.
    """

    cache_usage: float
    running: int
    waiting: int
    preemptions: int
    prompt: Lengths
    generation: Lengths
    blocks: int | None = None
    refused: int = 0

    @property
    def longest_request(self) -> int | None:
        """No request had more tokens, prompt and answer; None where that is not known."""
        if self.prompt.longest is None or self.generation.longest is None:
            return None
        return self.prompt.longest + self.generation.longest


def read_traffic(text: str) -> Traffic | None:
    """The traffic that a page of metrics tells; None where it is no page of vLLM's."""
    values: dict[str, list[float]] = defaultdict(list)
    buckets: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    blocks: int | None = None
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, labels, number = match[1], match[2] or "", float(match[3])
        if not math.isfinite(number):
            continue
        bound = _BOUND.search(labels) if name.endswith("_bucket") else None
        if bound is not None:
            buckets[name.removesuffix("_bucket")][float(bound[1])] += number
        elif name == "vllm:cache_config_info":
            found = _BLOCKS.search(labels)
            blocks = int(found[1]) if found else blocks
        elif name != "http_requests_total" or _REFUSED.search(labels):
            values[name].append(number)
    usage = values.get("vllm:kv_cache_usage_perc") or values.get("vllm:gpu_cache_usage_perc")
    if usage is None:
        return None
    return Traffic(
        cache_usage=max(usage),
        running=round(sum(values["vllm:num_requests_running"])),
        waiting=round(sum(values["vllm:num_requests_waiting"])),
        preemptions=round(sum(values["vllm:num_preemptions_total"])),
        prompt=_lengths("vllm:request_prompt_tokens", values, buckets),
        generation=_lengths("vllm:request_generation_tokens", values, buckets),
        blocks=blocks,
        refused=round(sum(values["http_requests_total"])),
    )


def _lengths(name: str, values: Mapping[str, list[float]], buckets: Mapping[str, Mapping[float, float]]) -> Lengths:
    count, tokens = round(sum(values.get(f"{name}_count", ()))), round(sum(values.get(f"{name}_sum", ())))
    found = sorted(buckets.get(name, {}).items())
    return Lengths(count, tokens, tuple((int(bound), round(total)) for bound, total in found if math.isfinite(bound)))
