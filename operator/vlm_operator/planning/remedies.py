"""Find remedies for a plan that does not fit; each works on its own, pinned flags as "would fit if"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.attempt import FOLLOWING, Attempt
from vlm_operator.planning.combination import apply_choice
from vlm_operator.planning.evaluation import Evaluation
from vlm_operator.planning.item_levers import CAPPING
from vlm_operator.planning.item_rejection import RejectedItem
from vlm_operator.planning.ladder import request_limit
from vlm_operator.planning.plan import Remedy
from vlm_operator.planning.validation import tensor_parallel_problem
from vlm_operator.planning.workload import SHORTEST_CONTEXT
from vlm_operator.units import format_gib

ALL_FLAGS: Final = frozenset(EngineSettings.__dataclass_fields__)


def flag_name(field: str) -> str:
    """``max_model_len`` as users type it: ``--max-model-len``."""
    return "--" + field.replace("_", "-")


def remedies(attempt: Attempt, failed: Evaluation) -> tuple[Remedy, ...]:
    """What would make ``failed`` fit, each judged to work: free flags, then GPUs, then pinned flags."""
    single = list(_single(attempt, failed))
    free = [remedy for remedy in single if not remedy.pinned]
    if not free:
        free = list(_together(attempt, failed, attempt.intent.pinned))
    found = [*free, *_more_gpus(attempt, failed.requested), *(remedy for remedy in single if remedy.pinned)]
    found += _lower_floor(attempt, failed)
    return tuple(found or _together(attempt, failed, frozenset()))


def _lower_floor(attempt: Attempt, failed: Evaluation) -> Iterator[Remedy]:
    """The longest context that would fit, where only ``context.minimum`` forbids it."""
    floor, request = attempt.intent.minimum_context, attempt.context.request
    longest = failed.layout.longest_context(max(failed.budget.kv_cache_low_bytes, 0), attempt.context.cap)
    needed = max(SHORTEST_CONTEXT, request.tokens.total_tokens if request else 0)
    if floor is None or attempt.is_pinned("max_model_len") or not needed <= longest < floor:
        return
    if attempt.judge.fits(failed.requested.with_(max_model_len=longest)):
        yield Remedy((("max_model_len", longest),), f"lower context.minimum to at most {longest:,}", False)


def _remedy(attempt: Attempt, field: str, value: Any, cost: str) -> Remedy:
    text = "set --enforce-eager" if value is True else f"set {flag_name(field)} to {_shown(value)}"
    return Remedy(((field, value),), f"{text} ({cost})", attempt.is_pinned(field))


def _level_remedy(attempt: Attempt, flag: str, before: EngineSettings, after: EngineSettings, cost: str) -> Remedy:
    """A lever's level as a remedy; what follows a cap (context, batch) is part of it."""
    remedy = _remedy(attempt, flag, getattr(after, flag), cost)
    if flag not in CAPPING:
        return remedy
    names = [name for name in FOLLOWING if getattr(after, name) != getattr(before, name)]
    return Remedy((*remedy.change, *((name, getattr(after, name)) for name in names)), remedy.text, remedy.pinned)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(f'"{name}": {limit.count}' for name, limit in value) + "}"
    return f"{value}"


def _single(attempt: Attempt, failed: Evaluation) -> Iterator[Remedy]:
    """Single changes that are enough; where every combination of free flags has been tried, of pinned flags only."""
    requested, fits = failed.requested, attempt.judge.fits
    tried = ALL_FLAGS - attempt.intent.pinned if attempt.is_exhausted else frozenset()
    if "gpu_memory_utilization" not in tried and (failed.settings.gpu_memory_utilization or 0) < attempt.ceiling:
        raised = attempt.at_lowest_utilization(failed)
        if raised is not None:
            value = raised.settings.gpu_memory_utilization
            yield _remedy(attempt, "gpu_memory_utilization", value, "uses more GPU memory")
    if failed.rejected is not None:
        batch = failed.rejected.batch_that_holds_it
        if fits(requested.with_(max_num_batched_tokens=batch)):
            yield _remedy(attempt, "max_num_batched_tokens", batch, "the encoder budget then holds the item")
    if "max_model_len" not in tried:
        longest = failed.layout.longest_context(max(failed.budget.kv_cache_low_bytes, 0), attempt.context.cap)
        longest = longest if longest == attempt.context.cap else longest // 256 * 256
        shortest = max(SHORTEST_CONTEXT, attempt.context.least)
        if longest >= shortest and fits(requested.with_(max_model_len=longest)):
            yield _remedy(attempt, "max_model_len", longest, request_limit(longest))
    for lever in attempt.levers_but(tried | {"max_model_len", "gpu_memory_utilization"}):
        for level in lever.levels:
            changed = level.apply(requested, attempt.bounds)
            if fits(changed):
                yield _level_remedy(attempt, lever.flag, requested, changed, level.cost)
                break


def _more_gpus(attempt: Attempt, requested: EngineSettings) -> Iterator[Remedy]:
    """More GPUs of the same nodes."""
    stages = requested.pipeline_parallel_size * requested.data_parallel_size
    per_node, nodes = attempt.intent.gpus_available, attempt.shape.nodes
    for size in range(requested.tensor_parallel_size + 1, per_node * nodes // stages + 1):
        if (nodes > 1 and per_node % size) or tensor_parallel_problem(attempt.model, size) is not None:
            continue
        if attempt.judge.fits(requested.with_(tensor_parallel_size=size)):
            yield _remedy(attempt, "tensor_parallel_size", size, f"{size * stages} GPUs")
            return


def _together(attempt: Attempt, failed: Evaluation, pinned: frozenset[str]) -> Iterator[Remedy]:
    """The cheapest combination of everything but ``pinned``, where no single change is enough."""
    if pinned == attempt.intent.pinned and attempt.is_exhausted:
        return
    requested = failed.requested
    found = attempt.levers_but(pinned)
    tried = None
    if attempt.is_exhausted:
        tried = tuple(0 if attempt.is_pinned(lever.flag) else len(lever.levels) for lever in found)
    choice = attempt.cheapest_of(found, tried)
    if choice is None:
        return
    pulled = [lever for lever, level in zip(found, choice, strict=True) if level]
    changed = apply_choice(requested, found, choice, attempt.bounds)
    changes = tuple((lever.flag, getattr(changed, lever.flag)) for lever in pulled)
    words = ", ".join(
        "--enforce-eager" if value is True else f"{flag_name(field)} {_shown(value)}" for field, value in changes
    )
    yield Remedy(changes, f"set together: {words}", any(attempt.is_pinned(field) for field, _ in changes))


WIDE: Final = 0.85
"""A utilisation that is lower and takes all that is free is bounded by what others hold or keep."""


def smallest_gpu(failed: Evaluation, *, one_only: bool = False) -> str:
    """How large a GPU would have to be, in words: at this utilisation, or where others bound it, with as much held.

    Args:
        one_only: a server cannot take several of these (MIG slices).
    """
    pinned = failed.settings.kv_cache_memory_bytes
    if pinned is not None:
        missing, share = failed.budget.in_use_bytes(pinned) - failed.budget.free_at_start_bytes, 1.0
    else:
        missing, share = -failed.headroom_bytes, failed.settings.gpu_memory_utilization or 1.0
    step = failed.budget.total_bytes // 100  # a utilisation has two digits
    if pinned is None and failed.budget.free_at_start_bytes - failed.budget.requested_bytes < step and share < WIDE:
        missing, share = missing + step, 1.0  # of a larger GPU all that is more is free
    total = failed.budget.total_bytes + int(missing / share)
    more = "" if one_only else "more GPUs, "
    return (
        f"use a GPU with at least {format_gib(total)} as CUDA reports it (this one has "
        f"{format_gib(failed.budget.total_bytes)}), {more}or a smaller or more quantised model"
    )


def send_smaller(rejected: RejectedItem) -> str:
    """What remains where no flag helps, in words."""
    bound = max(rejected.batched_tokens, rejected.largest_item_tokens)
    return (
        f"send smaller or shorter {rejected.modality}s (at most {bound:,} encoder tokens each; 'vlmctl tokens' counts "
        "them), or use a larger GPU and a larger max_num_batched_tokens"
    )


def as_hint(
    found: tuple[Remedy, ...], failed: Evaluation, uncounted_flags: tuple[str, ...] = (), *, one_only: bool = False
) -> str:
    """The remedies in one line, at most four of them; ``uncounted_flags`` take memory that none of them allows for.

    Args:
        one_only: as for ``smallest_gpu``.
    """
    if not found:
        return send_smaller(failed.rejected) if failed.rejected is not None else smallest_gpu(failed, one_only=one_only)
    free = [remedy.text for remedy in found if not remedy.pinned]
    pinned = [remedy.text for remedy in found if remedy.pinned]
    parts = []
    if free:
        parts.append("any of these makes it fit: " + "; ".join(free[:4]) if len(free) > 1 else free[0])
    if pinned:
        parts.append(f"{'It' if parts else 'it'} would fit if a pinned flag were changed: " + "; or ".join(pinned[:4]))
    if uncounted_flags:
        verb = "needs" if len(uncounted_flags) == 1 else "need"
        parts.append(f"{', '.join(uncounted_flags)} {verb} further memory, which is not counted")
    return ". ".join(parts)
