"""What other numbers of GPUs would give: one card where a plan takes more, more cards where levers were pulled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.feasibility import InfeasibleReason
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.item_levers import CAPPING
from vlm_operator.planning.verdict import Reason, Verdict

if TYPE_CHECKING:
    from vlm_operator.planning.plan import Move, Plan

PARALLEL_SIZES: Final = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
"""Flags that say how many GPUs a replica takes."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """The same intent on another number of GPUs.

    Attributes:
        message: what it gives, what it costs or why it is not possible, in one line.
    """

    gpu_count: int
    verdict: Verdict
    reason: Reason | InfeasibleReason
    message: str


Planned = Callable[[Intent], "Plan | None"]
"""Makes the plan of an intent for the same model and GPU; None where the intent is refused."""


def alternatives(plan: Plan, planned: Planned) -> tuple[Alternative, ...]:
    """What one card gives where the plan takes more, and what more cards give where levers were pulled."""
    if not plan.fits:
        return ()
    return tuple(_alternatives(plan, planned))


def _alternatives(plan: Plan, planned: Planned) -> Iterator[Alternative]:
    if plan.gpu_count > 1:
        one = planned(_on(plan.intent, 1))
        if one is not None:
            yield Alternative(1, one.verdict, one.reason, f"1 GPU: {_outcome(one)}")
    lowered = [flag for move in plan.ladder if move.applied for flag, _, _ in move.change]
    is_free = plan.intent.gpu_count is None and plan.intent.pinned.isdisjoint(PARALLEL_SIZES)
    if not is_free or not set(lowered) - {"gpu_memory_utilization"}:
        return
    for count in range(plan.gpu_count + 1, plan.intent.gpus_available + 1):
        more = planned(_on(plan.intent, count))
        if more is None or more.verdict is not Verdict.FITS:
            continue
        given = [words for flag in dict.fromkeys(lowered) if (words := _given(flag, plan.settings, more.settings))]
        if given:
            yield Alternative(count, more.verdict, more.reason, f"{count} GPUs: {', '.join(given)}")
            return


def _on(intent: Intent, count: int) -> Intent:
    """The intent with a number of GPUs in place of its own parallel sizes."""
    sizes = dict.fromkeys(PARALLEL_SIZES, 1)
    return replace(
        intent,
        settings=intent.settings.with_(**sizes),
        pinned=intent.pinned - sizes.keys(),
        gpu_count=count,
        nodes=1,
    )


def _outcome(one: Plan) -> str:
    """What one card gives: the levers and their prices, or why it does not do."""
    if one.verdict is Verdict.FITS:
        levers = [_lever(move) for move in one.ladder if move.applied]
        return f"fits with {', '.join(levers)}" if levers else "fits as well"
    words = {
        Verdict.FITS_TIGHT: "not certain to fit",
        Verdict.DOES_NOT_FIT: "does not fit",
        Verdict.UNSUPPORTED: "vLLM would reject it",
        Verdict.UNKNOWN: "not known",
    }
    return f"{words[one.verdict]}: {one.message}"


def _lever(move: Move) -> str:
    """A pulled lever as users type it, with its price."""
    flag, _, value = move.change[0]
    name = f"--{flag.replace('_', '-')}"
    if isinstance(value, int | float | str) and flag not in CAPPING and not isinstance(value, bool):
        name += f" {value}"
    return f"{name} ({move.cost})"


def _given(flag: str, fewer: EngineSettings, more: EngineSettings) -> str | None:
    """What ``more`` has of a flag that ``fewer`` had to lower, in words; None where it has no more."""
    before: Any = getattr(fewer, flag)
    after: Any = getattr(more, flag)
    if before == after:
        return None
    match flag:
        case "max_num_seqs":
            return f"{after:,} sequences at once" if after > before else None
        case "max_num_batched_tokens":
            return f"prefill in chunks of {after:,} tokens" if after > before else None
        case "max_model_len":
            return f"a context of {after:,} tokens" if after > before else None
        case "enforce_eager":
            return "CUDA graphs"
        case "kv_cache_dtype":
            return "a KV cache in full precision"
        case "limit_mm_per_prompt":
            back = [name for name in ("image", "video", "audio") if more.enabled(name) and not fewer.enabled(name)]
            return f"requests with {' and '.join(back)}" if back else None
        case "mm_processor_kwargs":
            return "no pixel cap" if after is None else None
        case "media_io_kwargs":
            return "every frame" if after is None else None
        case _:
            return None
