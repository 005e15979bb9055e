"""What a server's own metrics say of its traffic: vLLM's ``/metrics`` in the text format of Prometheus.

Names (vLLM 0.11.2 to 0.33.0: ``v1/metrics/loggers.py``): ``vllm:kv_cache_usage_perc``, ``vllm:num_requests_running``,
``vllm:num_requests_waiting``, ``vllm:num_preemptions_total``, ``vllm:request_prompt_tokens``,
``vllm:request_generation_tokens``. Engines of one server are added up.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(r"(vllm:\w+)(?:\{([^}\n]*)\})?\s+([0-9.eE+-]+|\+?Inf|NaN)", re.ASCII)
_BOUND: Final = re.compile(r'le="([^"]+)"', re.ASCII)


@dataclass(frozen=True, slots=True)
class Lengths:
    """A histogram of tokens of requests.

    Attributes:
        requests: how many were counted.
        longest: none was longer than this, tokens: the upper bound of a bucket; None where the last bucket is open.
        mean: tokens of a request.
    """

    requests: int
    longest: int | None
    mean: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a server has seen since it started.

    Attributes:
        cache_usage: share of the KV cache in use now, 0 to 1.
        running, waiting: requests now.
        preemptions: requests that were stopped for want of KV cache.
    """

    cache_usage: float
    running: int
    waiting: int
    preemptions: int
    prompt: Lengths
    generation: Lengths

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
        else:
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
    )


def _lengths(name: str, values: dict[str, list[float]], buckets: dict[str, dict[float, float]]) -> Lengths:
    count = round(sum(values[f"{name}_count"]))
    found = sorted(buckets[name].items())
    longest = next((bound for bound, total in found if total >= count), math.inf)
    mean = sum(values[f"{name}_sum"]) / count if count else 0.0
    return Lengths(count, int(longest) if count and math.isfinite(longest) else None, round(mean, 1))
