"""From the traffic that servers have seen to the context, sequences, utilisation and GPUs that it needs.

The planner answers: the spec with the recommended fields in it is planned as any other, and only what fits for certain
is recommended. Nothing is changed by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.api.base import parse
from vlm_operator.api.intent import intent_of
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.diagnosis.refused_requests import rounded_up
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.planning.asked_plan import gpu_count
from vlm_operator.planning.intent import Goal, Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.seen_traffic import LEAST_REQUESTS, SeenTraffic
from vlm_operator.planning.verdict import Verdict
from vlm_operator.units import GIB, format_gib

ROOM: Final = 1.25
"""KV cache over the most that was ever in use: what runs at once is seen in moments, and the peak may lie between."""

CONFIDENCE: Final = 3
"""At most this many in as many requests as were seen are longer than the longest, with 95 % confidence."""

LEAST_CONTEXT: Final = 256
"""No shorter context is recommended, tokens: what a day without long requests shows is no reason to refuse them."""

STEPS: Final = 3
"""Hundredths of utilisation that are tried: what is asked for shifts a little with the limits that a plan chooses."""

CUSTOM_BUCKETS_SINCE: Final = EngineVersion(0, 32)
"""The first release read whose histograms may have other buckets than 1, 2, 5, 10, … (``config/observability.py``)."""

WIDE: Final = 1.1
"""Bounds that are farther apart than this leave memory unused that finer buckets would free."""

PlanOf = Callable[[Intent], Plan]
"""The plan of an intent on the GPUs of the server; raises what ``planning.choose.plan`` raises."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server whose traffic is looked at.

    Attributes:
        spec: of its VLMDeployment, as given.
        version: the vLLM release it runs.
        settings: flags of its command.
        plan_of: answers for other intents on its GPUs.
        refused_context: context that would have served most of the requests it refused; 0 for none.
    """

    spec: Mapping[str, Any]
    version: EngineVersion
    settings: EngineSettings
    plan_of: PlanOf
    refused_context: int = 0


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the traffic needs.

    Attributes:
        seen: what it rests on.
        server: as it runs now.
        context: tokens.
        sequences: requests at once; None where no page was read while any ran.
        utilization: of each GPU; None on the CPU backend.
        gpus: of a replica; 0 on the CPU backend.
        cache_bytes: KV cache of each GPU that the traffic fills.
        patch: the fields of ``spec`` that change, as a merge patch; empty where all is as recommended.
    """

    seen: SeenTraffic
    server: Serving
    context: int
    sequences: int | None
    utilization: float | None
    gpus: int
    cache_bytes: int
    patch: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The figures by their names in ``status.recommendation``."""
        seen = self.seen
        figures: dict[str, Any] = {
            "contextLength": self.context,
            "maxNumSeqs": self.sequences,
            "gpuMemoryUtilization": self.utilization,
            "gpus": self.gpus or None,
            "kvCacheBytes": self.cache_bytes,
            "requests": seen.requests,
            "longestAtLeast": seen.longest.low,
            "longestAtMost": seen.longest.high,
            "meanTokens": round(seen.mean_tokens),
            "peakRequests": seen.peak_requests,
            "peakCacheUsage": round(seen.peak_cache_usage, 3),
            "preemptions": seen.preemptions,
        }
        return {name: value for name, value in figures.items() if value is not None}

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, one sentence for each figure."""
        return tuple(self._reasons())

    @property
    def message(self) -> str:
        """All of it in one sentence."""
        return "; ".join(self.reasons)

    def _reasons(self) -> Iterator[str]:
        seen, now, span = self.seen, self.server.settings, self.seen.longest
        between = f"between {span.low:,} and {span.high:,}" if span.high is not None else f"at least {span.low:,}"
        wanted = self.server.refused_context
        refused = f", and refused ones needed {wanted:,}" if wanted else ""
        yield (
            f"context {self.context:,} (now {now.max_model_len or 0:,}): the longest of {seen.requests:,} requests had "
            f"{between} tokens{refused}; at most {CONFIDENCE / seen.requests:.1%} of further ones are longer"
        )
        if self.server.version >= CUSTOM_BUCKETS_SINCE and (span.high is None or span.high > WIDE * span.low):
            yield (
                "the bounds are those of vLLM's buckets; finer ones, --custom-histogram-buckets in engine.extraArgs, "
                "tell the length more closely"
            )
        if self.sequences is None:
            yield "sequences not known: no request ran when the metrics were read"
        else:
            yield f"sequences {self.sequences:,} (now {now.max_num_seqs or 0:,}): so many ran or waited at once"
        stopped = f", {seen.preemptions:,} requests were stopped for want of it" if seen.preemptions else ""
        used = f"at most {seen.peak_cache_usage:.0%} of the KV cache was in use{stopped}"
        share = "" if self.utilization is None else f"utilisation {self.utilization:g}"
        before = f" (now {now.gpu_memory_utilization:g})" if share and now.gpu_memory_utilization is not None else ""
        yield f"{share}{before}{': ' if share else ''}{used}; {format_gib(self.cache_bytes)} hold the traffic"
        if self.gpus:
            yield f"GPUs {self.gpus} (now {gpu_count(now)}): the fewest that hold it for certain"


@dataclass(frozen=True, slots=True)
class NoRecommendation:
    """Why there is none, and what would bring one."""

    message: str


def remembered(seen: SeenTraffic, status: Mapping[str, Any]) -> SeenTraffic:
    """With the peaks that ``status.recommendation`` holds of the command in force: whoever read them is gone."""
    before: Mapping[str, Any] = status.get("recommendation") or {}
    if before.get("fingerprint") != (status.get("plan") or {}).get("fingerprint"):
        return seen
    return seen.with_peaks(int(before.get("peakRequests") or 0), float(before.get("peakCacheUsage") or 0))


def recommend(server: Serving, seen: SeenTraffic) -> Recommendation | NoRecommendation:
    """What the traffic that was seen needs, judged by the planner."""
    if not seen.is_enough:
        return NoRecommendation(
            f"{seen.requests:,} requests have ended, and {LEAST_REQUESTS} are needed: with so many, at most "
            f"{CONFIDENCE} in {LEAST_REQUESTS} of further ones are longer than the longest (95 % confidence)"
        )
    longest = seen.longest.high or server.settings.max_model_len
    if longest is None:
        return NoRecommendation("the longest request is not known: the last bucket of the histogram is open")
    context = max(rounded_up(longest), server.refused_context, LEAST_CONTEXT)
    if server.settings.max_model_len is not None and not server.refused_context:
        context = min(context, server.settings.max_model_len)  # what was served fits into it
    try:
        found = _fewest_gpus(server, seen, context)
    except (InputError, UnknownFact) as error:
        return NoRecommendation(f"{error.message}; {error.hint}" if error.hint else error.message)
    if found is None:
        return NoRecommendation(
            f"the traffic needs a context of {context:,} tokens, and no number of these GPUs holds for certain what "
            "was in use at its peak"
        )
    return found


def _fewest_gpus(server: Serving, seen: SeenTraffic, context: int) -> Recommendation | None:
    """On the fewest GPUs whose KV cache holds what was in use, for certain."""
    given, sequences = parse(VLMDeploymentSpec, server.spec, where="spec"), seen.peak_requests or None
    context, described = _described(server, given, seen, context)
    most = max(intent_of(given, server.version).gpus_available, gpu_count(server.settings))
    for count in (0,) if given.cpu is not None else range(1, most + 1):
        patch = merged(_patch(given, context, sequences, count), described)
        made = _planned(server, patch)
        if made is None or made.verdict is not Verdict.FITS or made.evaluation is None:
            continue
        needed = _needed_bytes(made, seen)
        utilization = None
        if given.cpu is not None:
            patch = merged(patch, {"cpu": {"kvCacheSpace": f"{max(math.ceil(needed / GIB), 1)}Gi"}})
        else:
            sized = _sized(server, made, patch, needed)
            if sized is None:
                continue
            utilization, patch = sized
        news = _difference(patch, server.spec)
        return Recommendation(seen, server, context, sequences, utilization, count, needed, news)
    return None


def _described(server: Serving, spec: VLMDeploymentSpec, seen: SeenTraffic, context: int) -> tuple[int, dict[str, Any]]:
    """The context, and the fields that shorten the described request to it; its items stay as described."""
    if spec.workload is None:
        return context, {}
    tokens = server.plan_of(intent_of(spec, server.version)).workload
    if tokens.total_tokens <= context:
        return context, {}
    items = tokens.image_tokens + tokens.video_tokens + tokens.audio_tokens
    output = min(tokens.output_tokens, max(seen.generation.high or tokens.output_tokens, 1))
    prompt = max(context - items - output, 0)
    return items + output + prompt, {"workload": {"promptTokens": prompt, "outputTokens": output}}


def _planned(server: Serving, patch: Mapping[str, Any]) -> Plan | None:
    """The plan of the spec with a patch; None where the two contradict each other or the model."""
    try:
        spec = parse(VLMDeploymentSpec, merged(server.spec, patch), where="spec")
        return server.plan_of(intent_of(spec, server.version))
    except InputError:
        return None


def _sized(
    server: Serving, made: Plan, patch: dict[str, Any], needed: int
) -> tuple[float | None, dict[str, Any]] | None:
    """The lowest utilisation, in hundredths, whose KV cache holds ``needed`` for certain, and the patch with it.

    Where the goal chooses it, or a pinned KV cache takes its place, it is left alone as long as it is enough. None
    where no utilisation is.
    """
    evaluation = made.evaluation
    assert evaluation is not None
    budget, chosen = evaluation.budget, evaluation.settings.gpu_memory_utilization
    is_enough, is_pinned = budget.kv_cache_low_bytes >= needed, made.settings.kv_cache_memory_bytes is not None
    if is_pinned or (is_enough and made.intent.goal is Goal.SINGLE_USER):
        return (None if is_pinned else chosen, patch) if is_enough else None
    first = math.ceil(100 * (budget.requested_bytes - budget.kv_cache_low_bytes + needed) / budget.total_bytes)
    for hundredths in range(max(first, 1), first + STEPS):
        lower = merged(patch, {"engine": {"gpuMemoryUtilization": hundredths / 100}})
        other = _planned(server, lower) if hundredths <= 100 else None
        if other is None or other.evaluation is None or other.verdict is not Verdict.FITS:
            continue
        if other.evaluation.budget.kv_cache_low_bytes >= needed:
            return hundredths / 100, lower
    return (chosen, patch) if is_enough else None


def _needed_bytes(made: Plan, seen: SeenTraffic) -> int:
    """KV cache of each GPU that the traffic fills: the longest request, what runs at once, and what was in use."""
    evaluation = made.evaluation
    assert evaluation is not None
    layout, context = evaluation.layout, evaluation.settings.context_tokens
    together = max(seen.peak_requests, 1) * layout.needed_bytes(max(math.ceil(seen.mean_tokens), 1))
    in_use = math.ceil(ROOM * seen.peak_cache_usage * (seen.blocks or 0)) * layout.bytes_per_block
    return max(layout.needed_bytes(context) + layout.bytes_per_block, together, in_use)


def _patch(spec: VLMDeploymentSpec, context: int, sequences: int | None, count: int) -> dict[str, Any]:
    """The fields that hold the recommended figures: pins where the user pinned, bounds where he did not."""
    engine = spec.engine
    patch: dict[str, Any] = {}
    if engine is not None and engine.context_length is not None:
        bounds = {name: context for name in ("minimum", "maximum") if spec.context and getattr(spec.context, name)}
        patch = {"engine": {"contextLength": context}, **({"context": bounds} if bounds else {})}
    else:
        patch = {"context": {"minimum": context, "maximum": context}}
    if sequences is not None:
        pinned = engine is not None and engine.max_num_seqs is not None
        if spec.workload is not None and not pinned:
            patch = merged(patch, {"workload": {"concurrentRequests": sequences}})
        else:
            patch = merged(patch, {"engine": {"maxNumSeqs": sequences}})
    return merged(patch, _of_gpus(spec, count)) if count else patch


def _of_gpus(spec: VLMDeploymentSpec, count: int) -> dict[str, Any]:
    """The fields that set the number of GPUs: ``gpu.count``, unless only the tensor parallel size is pinned.

    One GPU is taken wherever it is enough, so where nobody stated a number none is stated.
    """
    pinned = spec.engine is not None and spec.engine.tensor_parallel_size is not None
    stated = spec.gpu is not None and spec.gpu.count is not None
    engine = {"engine": {"tensorParallelSize": count}} if pinned else {}
    return {**engine, **({"gpu": {"count": count}} if stated or (not pinned and count > 1) else {})}


def merged(spec: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The spec after a merge patch (RFC 7386, without removals).

    >>> merged({"gpu": {"count": 2}, "goal": "Throughput"}, {"gpu": {"count": 1}})
    {'gpu': {'count': 1}, 'goal': 'Throughput'}
    """
    result = dict(spec)
    for name, value in patch.items():
        inner = result.get(name)
        result[name] = merged(inner or {}, value) if isinstance(value, Mapping) else value
    return result


def _difference(patch: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """The patch without what the spec says already."""
    found: dict[str, Any] = {}
    for name, value in patch.items():
        known = spec.get(name)
        if isinstance(value, Mapping):
            inner = _difference(value, known if isinstance(known, Mapping) else {})
            if inner:
                found[name] = inner
        elif value != known:
            found[name] = value
    return found
