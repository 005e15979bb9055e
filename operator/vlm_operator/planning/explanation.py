"""Explain a plan in short sentences: the container, the cup, what is idle, what each limit does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vlm_operator.capacity.startup import Budget
from vlm_operator.capacity.startup.regimes import Regime
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.evaluation import Evaluation
from vlm_operator.planning.fitting import items_that_fit
from vlm_operator.planning.intent import Goal, Intent, Workload
from vlm_operator.planning.verdict import Verdict
from vlm_operator.planning.workload import RequestSize, WantedContext
from vlm_operator.units import format_gib


def explain(
    evaluation: Evaluation,
    context: WantedContext,
    intent: Intent,
    *,
    model: ModelFacts,
    gpu: GPUFacts | None,
    notes: tuple[str, ...],
) -> tuple[str, ...]:
    """The explanation of an evaluation, in reading order; ``notes`` are sentences of the choices behind it."""
    return tuple(_sentences(evaluation, context, intent, model=model, gpu=gpu, notes=notes))


def _sentences(
    evaluation: Evaluation,
    context: WantedContext,
    intent: Intent,
    *,
    model: ModelFacts,
    gpu: GPUFacts | None,
    notes: tuple[str, ...],
) -> Iterator[str]:
    budget, length = evaluation.budget, evaluation.settings.context_tokens
    container = evaluation.container(context.model_maximum)
    yield _container(budget, container.capacity_tokens, intent, on_gpu=gpu is not None)
    for term in budget.beside:
        yield f"Of the weights, {format_gib(term.size_bytes)} are {term.name}: {term.why}."
    if budget.regime is not None:
        yield _bounds(budget, budget.regime)
    if budget.compile_bytes:
        yield _first_start(budget)
    yield _cup(evaluation)
    yield _why_this_context(length, context, intent)
    held = items_that_fit(model, intent, context.request, evaluation.settings, length) if context.request else ""
    if held and length >= context.least:
        yield f"Beside prompt and answer, the context holds {held}."
    if context.request is not None and intent.workload is not None:
        yield from _resolution(context.request, intent.workload)
    idle = container.capacity_tokens - length
    if evaluation.verdict is Verdict.FITS and idle > 0:
        yield f"One such request leaves {idle:,} tokens of the KV cache for prefix caching or further requests."
    yield from _concurrency(container.capacity_tokens, context, intent)
    for note in notes:
        yield f"{note[0].upper()}{note[1:]}."
    if gpu is None:
        return
    if evaluation.verdict is Verdict.FITS:
        yield _in_use(budget, intent)
        if intent.goal is Goal.SINGLE_USER:
            yield _stays_free(budget, intent)
    yield from gpu.notes


def summarize(
    evaluation: Evaluation, context: WantedContext, intent: Intent, *, gpu: GPUFacts | None
) -> tuple[str, ...]:
    """What matters most of the explanation: at most five sentences.

    Of a plan that fits: why this context, what nvidia-smi shows, what stays free or runs at once, and how sure it is
    where less than two sources have published start-ups of its kind. Of another: the container and the cup.
    """
    budget, length = evaluation.budget, evaluation.settings.context_tokens
    capacity = evaluation.container(context.model_maximum).capacity_tokens
    why = _why_this_context(length, context, intent)
    if evaluation.verdict is not Verdict.FITS or gpu is None:
        return _container(budget, capacity, intent, on_gpu=gpu is not None), _cup(evaluation), why
    found = [why, *([_first_start(budget)] if budget.compile_bytes else []), _in_use(budget, intent)]
    if intent.goal is Goal.SINGLE_USER:
        found.append(_stays_free(budget, intent))
    else:
        found += _concurrency(capacity, context, intent)
    if budget.regime is not None and not (budget.regime.seen and budget.regime.sources > 1):
        found.append(_bounds(budget, budget.regime))
    return tuple(found)


def _container(budget: Budget, capacity: int, intent: Intent, *, on_gpu: bool) -> str:
    """What is left for KV cache, and what is taken first."""
    if not on_gpu:
        return (
            f"Container: {format_gib(budget.kv_cache_bytes)} of host memory, {_cpu_source(budget, intent)}: "
            f"{capacity:,} tokens; weights ({format_gib(budget.weights_bytes)}) come on top."
        )
    return (
        f"Container: {format_gib(budget.requested_bytes)} requested, less {format_gib(budget.weights_bytes)} "
        f"weights, {format_gib(budget.activation_peak_bytes)} start-up peak, "
        f"{format_gib(budget.non_torch_bytes + budget.cuda_graph_bytes)} others"
        f"{_measured_difference(budget)}, "
        f"leaves {format_gib(max(budget.kv_cache_bytes, 0))} for KV cache: {capacity:,} tokens."
    )


def _cup(evaluation: Evaluation) -> str:
    length = evaluation.settings.context_tokens
    return f"Cup: one request of {length:,} tokens needs {format_gib(evaluation.layout.needed_bytes(length))}."


def _in_use(budget: Budget, intent: Intent) -> str:
    """What nvidia-smi shows, whatever runs; with a reserve, what it shows of vLLM."""
    outside = budget.total_bytes - budget.free_at_start_bytes
    if intent.reserve_bytes:
        shown = format_gib(budget.requested_bytes + max(outside - intent.reserve_bytes, 0))
        return (
            f"nvidia-smi will show about {shown} in use by vLLM at any load; "
            f"{format_gib(intent.reserve_bytes)} stays free for others."
        )
    shown = format_gib(budget.requested_bytes + outside)
    return f"nvidia-smi will show about {shown} in use at any load: vLLM allocates it at start."


def _stays_free(budget: Budget, intent: Intent) -> str:
    rest = format_gib(max(budget.free_at_start_bytes - budget.requested_bytes, 0))
    if intent.reserve_bytes:
        return f"{rest} more is left over."
    return f"{rest} of GPU memory stays free for the desktop or another process."


def _bounds(budget: Budget, regime: Regime) -> str:
    """The bounds of the container, and the published start-ups that they rest on."""
    low, high = (format_gib(max(size, 0)) for size in (budget.kv_cache_low_bytes, budget.kv_cache_high_bytes))
    half = f"{regime.half_width:.2f} GiB"
    if not regime.seen:
        rests = f"no start-up of this kind has been seen, so {half} as for {regime.name}"
    elif regime.sources == 1:
        rests = f"{regime.start_ups} published start-up(s) of one source lie within {half} ({regime.name})"
    else:
        rests = (
            f"nine in ten of {regime.start_ups} published start-ups ({regime.sources} sources, each counting once) lie "
            f"within {half} ({regime.name})"
        )
    width = budget.kv_cache_bytes - budget.kv_cache_low_bytes
    more = "; wider for what they do not show" if width > _CLEARLY_WIDER * regime.half_width_bytes else ""
    return f"Bounds: {low} to {high}; {rests}{more}."


_CLEARLY_WIDER: Final = 1.05
"""Bounds that exceed those of their regime by less are not called wider."""


def _first_start(budget: Budget) -> str:
    """What a start with an empty compile cache finds less."""
    return (
        f"The first start finds about {format_gib(budget.compile_bytes)} less: the compile cache is empty. Later ones "
        f"find about {format_gib(max(budget.kv_cache_warm_bytes, 0))} for KV cache; the plan is for the first."
    )


def _cpu_source(budget: Budget, intent: Intent) -> str:
    declared = intent.cpu_kv_cache_bytes or 0
    if budget.kv_cache_bytes == declared:
        return "exactly what kvCacheSpace says"
    return f"as start-ups measured, {format_gib(declared)} are declared"


def _measured_difference(budget: Budget) -> str:
    """What start-ups took beyond the estimated terms, or less: with it the terms add up to the KV cache."""
    difference = budget.requested_bytes - budget.fixed_bytes - budget.kv_cache_bytes
    if format_gib(abs(difference)) == format_gib(0):
        return ""
    sign = "less" if difference > 0 else "plus"
    return f", {sign} {format_gib(abs(difference))} by which start-ups differed from these estimates"


SEEN_WHOLE: Final = 0.9
"""An image of which this share of pixels is left after rounding to whole patches is not called scaled down."""


def _resolution(request: RequestSize, workload: Workload) -> Iterator[str]:
    """At which resolution the described items are seen, where it is less than theirs."""
    images, videos = workload.images, workload.videos
    if images is not None and request.image_pixels is not None:
        width, height = request.image_pixels
        if width * height < SEEN_WHOLE * images.width * images.height:
            yield f"Each image is scaled down to {width} x {height} pixels."
    if videos is not None and request.frames_per_video is not None:
        every = videos.seconds / request.frames_per_video
        size = ""
        if request.frame_pixels is not None:
            width, height = request.frame_pixels
            size = f", at {width} x {height} pixels each"
        yield f"{request.frames_per_video:,} frames are sampled from each video, one every {every:.1f} s{size}."


def _concurrency(capacity: int, context: WantedContext, intent: Intent) -> Iterator[str]:
    """Whether the container holds the requests that are to be served at once."""
    wanted = intent.workload.concurrent_requests if intent.workload else None
    if wanted is None or context.request is None:
        return
    held = capacity // max(context.request.tokens.total_tokens, 1)
    if held >= wanted:
        yield f"The KV cache holds {held:,} requests as described at once; {wanted:,} are wanted."
    else:
        yield f"The KV cache holds {held:,} requests as described at once; {wanted:,} are wanted, so the others queue."


def _why_this_context(length: int, context: WantedContext, intent: Intent) -> str:
    if "max_model_len" in intent.pinned:
        return f"The context of {length:,} tokens is pinned."
    if length > context.wanted:
        return (
            f"The context is {length:,} tokens: {context.why}, {context.wanted:,} were wanted, "
            "and the rest uses memory that is reserved anyway."
        )
    if length < context.wanted:
        return f"The context is {length:,} tokens, less than the {context.wanted:,} wanted ({context.why})."
    return f"The context is {length:,} tokens: {context.why}."
