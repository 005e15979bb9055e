"""What servers of one command have seen, over every page of metrics that was read of them.

Counters say what happened between two pages, however far apart they are; what runs at once shows only in the moment of
a page, so its peak is that of the pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from vlm_operator.planning.traffic import Span, Traffic

LEAST_REQUESTS: Final = 100
"""Requests that must have been seen before traffic says anything. With 95 % confidence at most 3 in ``n`` of further
requests like these are longer than the longest of ``n`` (the rule of three: 0.97^100 = 0.048)."""


NONE: Final = Span()
"""No request was seen."""


@dataclass(frozen=True, slots=True)
class SeenTraffic:
    """Of one server, or of several that share the traffic.

    Attributes:
        requests: that ended.
        prompt, generation: the longest of them, tokens.
        prompt_tokens, generation_tokens: of all of them together.
        peak_requests: running and waiting at once on one server, at most.
        peak_cache_usage: share of a server's KV cache in use, at most.
        blocks: of a server's KV cache, None where no page said.
        preemptions: requests that were stopped for want of KV cache.
        refused: requests that were answered with a client error.
    """

    requests: int = 0
    prompt: Span = NONE
    generation: Span = NONE
    prompt_tokens: int = 0
    generation_tokens: int = 0
    peak_requests: int = 0
    peak_cache_usage: float = 0.0
    blocks: int | None = None
    preemptions: int = 0
    refused: int = 0

    @property
    def is_enough(self) -> bool:
        """True once so many requests ended that they say something."""
        return self.requests >= LEAST_REQUESTS

    @property
    def longest(self) -> Span:
        """The longest request, prompt and answer, tokens."""
        high = None
        if self.prompt.high is not None and self.generation.high is not None:
            high = self.prompt.high + self.generation.high
        return Span(self.prompt.low + min(self.generation.low, 1), high)

    @property
    def mean_tokens(self) -> float:
        """Of a request, prompt and answer."""
        return (self.prompt_tokens + self.generation_tokens) / self.requests if self.requests else 0.0

    def after(self, page: Traffic, earlier: Traffic | None, context: int | None) -> SeenTraffic:
        """With one more page of a server.

        Args:
            earlier: the page of the same server before, None where this is its first.
            context: of that server, tokens.
        """
        prompt = page.prompt if earlier is None else page.prompt.since(earlier.prompt)
        generation = page.generation if earlier is None else page.generation.since(earlier.generation)
        preempted, refused = page.preemptions, page.refused
        if earlier is not None and preempted >= earlier.preemptions and refused >= earlier.refused:
            preempted, refused = preempted - earlier.preemptions, refused - earlier.refused
        return SeenTraffic(
            requests=self.requests + prompt.requests,
            prompt=self.prompt.or_larger(prompt.longest_within(context)),
            generation=self.generation.or_larger(generation.longest_within(context)),
            prompt_tokens=self.prompt_tokens + prompt.tokens,
            generation_tokens=self.generation_tokens + generation.tokens,
            peak_requests=max(self.peak_requests, page.running + page.waiting),
            peak_cache_usage=max(self.peak_cache_usage, page.cache_usage),
            blocks=page.blocks or self.blocks,
            preemptions=self.preemptions + preempted,
            refused=self.refused + refused,
        )

    def with_peaks(self, requests: int, cache_usage: float) -> SeenTraffic:
        """With peaks that were seen before: the operator's memory of them ends with it."""
        return replace(
            self,
            peak_requests=max(self.peak_requests, requests),
            peak_cache_usage=max(self.peak_cache_usage, cache_usage),
        )


def seen_in(pages: Iterable[Traffic], context: int | None) -> SeenTraffic:
    """What one server has seen by its pages, oldest first."""
    seen, earlier = SeenTraffic(), None
    for page in pages:
        seen, earlier = seen.after(page, earlier, context), page
    return seen
