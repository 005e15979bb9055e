"""Why is the plan as it is? Short true sentences: the container, the cup, what is idle, what each limit does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vlm_operator.planning.intent import Goal, Intent
from vlm_operator.planning.plan import Verdict
from vlm_operator.planning.workload import RequestSize
from vlm_operator.units import format_gib

if TYPE_CHECKING:
    from vlm_operator.planning.attempt import Attempt
    from vlm_operator.planning.evaluation import Evaluation


def what_would_fit(intent: Intent, request: RequestSize, context: int) -> str:
    """How many of the described items a context of that many tokens holds, in one line."""
    workload = intent.workload
    assert workload is not None
    room = context - workload.prompt_tokens - workload.output_tokens
    offers: list[str] = []
    if request.tokens_per_image:
        offers.append(f"{max(room, 0) // request.tokens_per_image:,} such images")
    if request.tokens_per_video and workload.videos is not None:
        seconds = workload.videos.seconds * max(room, 0) / request.tokens_per_video
        if seconds >= workload.videos.seconds:
            offers.append(f"{max(room, 0) // request.tokens_per_video:,} such videos")
        else:
            offers.append(f"about {seconds:.0f} s of that video")
    needed = request.tokens.total_tokens
    raise_to = f"raise the context to at least {needed:,} tokens"
    return f"{context:,} tokens hold {', or '.join(offers)}; or {raise_to}" if offers else raise_to


def explain(attempt: Attempt, evaluation: Evaluation) -> tuple[str, ...]:
    """The explanation of a plan, in reading order."""
    return tuple(_sentences(attempt, evaluation))


def _sentences(attempt: Attempt, evaluation: Evaluation) -> Iterator[str]:
    budget, settings = evaluation.budget, evaluation.settings
    container = evaluation.container(attempt.model.derived_max_model_len)
    length = settings.max_model_len or 0
    yield (
        f"Container: {format_gib(budget.requested_bytes)} requested, less {format_gib(budget.weights_bytes)} weights, "
        f"{format_gib(budget.activation_peak_bytes)} start-up peak, "
        f"{format_gib(budget.non_torch_bytes + budget.cuda_graph_bytes)} others, "
        f"leaves {format_gib(max(budget.kv_cache_bytes, 0))} for KV cache: {container.capacity_tokens:,} tokens."
    )
    yield f"Cup: one request of {length:,} tokens needs {format_gib(evaluation.layout.needed_bytes(length))}."
    if attempt.is_pinned("max_model_len"):
        yield f"The context of {length:,} tokens is pinned."
    else:
        yield f"The context is {length:,} tokens: {attempt.context.why}."
    idle = container.capacity_tokens - length
    if evaluation.verdict is Verdict.FITS and idle > 0:
        yield f"With one such request {idle:,} tokens stay idle; they cache prefixes or serve more requests."
    for sentence in attempt.limit_sentences:
        yield sentence[0].upper() + sentence[1:] + "."
    if evaluation.verdict is Verdict.FITS:
        outside = budget.total_bytes - budget.free_at_start_bytes
        shown = format_gib(budget.requested_bytes + outside)
        yield f"nvidia-smi will show about {shown} in use whatever you send: allocation is not use."
        if attempt.intent.goal is Goal.SINGLE_USER:
            rest = budget.free_at_start_bytes - budget.requested_bytes
            yield f"{format_gib(max(rest, 0))} of the GPU stay free for the desktop or another process."
    for source in attempt.evidence.sources:
        yield f"Measured figures replace estimates: {source}."
    yield from attempt.gpu.notes
