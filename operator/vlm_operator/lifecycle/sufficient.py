"""Which context, limit or cap would have served the requests that were refused, and whether it fits on the same GPUs.

The planner answers, with every other field of the spec as the user set it. Nothing is changed by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from vlm_operator.capacity.multimodal import cap_for_tokens, plural
from vlm_operator.diagnosis.refused_requests import MODALITIES, SHARE, RefusedRequests
from vlm_operator.engine.settings import ModalityLimit
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.lifecycle.history import History
from vlm_operator.lifecycle.planned import Planned, Planner
from vlm_operator.planning.asked_plan import gpu_count
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.planning.workload import family_of

MOST: Final = f"{SHARE:.0%}"


@dataclass(frozen=True)
class WhatWouldServe:
    """The words about what was refused, for a server that runs ``planned``.

    Attributes:
        context: of the running command, tokens.
    """

    planner: Planner
    planned: Planned
    history: History
    context: int

    def words(self, refused: RefusedRequests) -> str:
        """Everything that was refused, what would have served it, and whether it fits."""
        return "; ".join((*self._too_long(refused), *self._items(refused)))

    # --- too long

    def _too_long(self, refused: RefusedRequests) -> Iterator[str]:
        if not refused.too_long:
            return
        count = _requests(refused.too_long)
        said = f"{count} refused as longer than the context of {self.context:,} tokens"
        needed = refused.context_for()
        if needed is None or refused.longest is None:
            yield f"{said}; vLLM does not say how long they were"
            return
        yield f"{said} (the longest needs {refused.longest:,}); {self._context_words(needed)}"

    def _context_words(self, needed: int) -> str:
        cap = self._intent.maximum_context
        raised = f" and context.maximum to {needed}" if cap is not None and cap < needed else ""
        step = f"set {self._context_field} to {needed}{raised}"
        would = f"{needed:,} would have served {MOST} of them"
        answer = self._answer(self._with_context(needed))
        if isinstance(answer, str):
            return f"{would}; whether it fits is not known: {answer}"
        if answer.verdict is Verdict.FITS:
            return f"{would}: {needed:,} fits {self._where}: {step}"
        if answer.verdict is Verdict.FITS_TIGHT:
            return f"{would}: {needed:,} may just fit {self._where} (FitsTight): {step}"
        return f"{would}, and does not fit {self._where}: {self._instead(needed, answer)}"

    @property
    def _context_field(self) -> str:
        return "engine.contextLength" if "max_model_len" in self.planner.intent.pinned else "context.minimum"

    def _instead(self, needed: int, failed: Plan) -> str:
        """What can be done where the context does not fit as everything else stands."""
        if failed.reason is Reason.CONTEXT_ABOVE_MODEL:
            return failed.message
        more = self._answer(replace(self._with_context(needed), gpu_count=None))
        if isinstance(more, Plan) and more.fits and more.gpu_count > self._gpus:
            pinned = self.planner.spec.gpu is not None and self.planner.spec.gpu.count is not None
            count = f"gpu.count to {more.gpu_count} and " if pinned else ""
            return f"it does on {more.gpu_count} of these GPUs: set {count}{self._context_field} to {needed}"
        evaluation = failed.evaluation
        longest = 0
        if evaluation is not None and failed.context is not None:
            longest = evaluation.layout.longest_context(
                max(evaluation.budget.kv_cache_low_bytes, 0), failed.context.cap
            )
        if longest > self.context:
            return f"{longest:,} does; {failed.hint or failed.message}"
        return failed.hint or failed.message

    def _with_context(self, length: int) -> Intent:
        intent, cap = self._intent, self._intent.maximum_context
        return replace(
            intent,
            minimum_context=length,
            maximum_context=None if cap is None else max(cap, length),
            settings=intent.settings.with_(max_model_len=None),
            pinned=intent.pinned - {"max_model_len"},
        )

    # --- items

    def _items(self, refused: RefusedRequests) -> Iterator[str]:
        if not refused.items:
            return
        yield f"{_requests(refused.items)} refused for their items"
        for modality in sorted(MODALITIES):
            if (most := refused.enough(f"{modality}/items")) is not None:
                yield self._count_words(modality, most)
            if (tokens := refused.enough(f"{modality}/tokens")) is not None:
                yield self._size_words(modality, tokens)

    def _count_words(self, modality: str, count: int) -> str:
        would = f"{count:,} {plural(modality)} in one request would have served {MOST} of those with too many"
        field, intent = self._with_items(modality, count)
        if intent is None:
            return f"{would}: describe such requests in spec.workload"
        return f"{would}{self._fits_words(intent, f'set {field} to {count}')}"

    def _with_items(self, modality: str, count: int) -> tuple[str, Intent | None]:
        """The field that allows so many items, and the intent with it; None where nobody described such items."""
        intent, items = self._intent, f"{modality}s"
        if "limit_mm_per_prompt" in intent.pinned and (limit := intent.settings.limit(modality)) is not None:
            limits = tuple(
                (name, replace(each, count=count) if name == modality else each)
                for name, each in intent.settings.limit_mm_per_prompt or ((modality, ModalityLimit(limit.count)),)
            )
            settings = intent.settings.with_(limit_mm_per_prompt=limits)
            return f"engine.limitMMPerPrompt.{modality}", replace(intent, settings=settings)
        described: Any = getattr(intent.workload, items, None)
        if intent.workload is None or described is None:
            return "", None
        workload = replace(intent.workload, **{items: replace(described, count=count)})
        return f"workload.{items}.count", replace(intent, workload=workload)

    def _size_words(self, modality: str, tokens: int) -> str:
        intent = self._intent
        settings = intent.settings.with_(max_num_batched_tokens=tokens)
        raised = replace(intent, settings=settings, pinned=intent.pinned | {"max_num_batched_tokens"})
        would = f"an encoder budget for {modality}s of {tokens:,} tokens would have served {MOST} of those too large"
        words = f"{would}{self._fits_words(raised, f'set engine.maxNumBatchedTokens to {tokens}')}"
        family = family_of(self.planner.model) if self.planner.model is not None else None
        budget = self.planned.settings.max_num_batched_tokens
        if family is None or budget is None:
            return words
        cap = cap_for_tokens(family, modality, budget, intent.version)
        return (
            words if cap is None else f"{words}; or set engine.mmProcessorKwargs to {cap.processor_kwargs}: {cap.price}"
        )

    # --- the planner

    @property
    def _intent(self) -> Intent:
        return replace(self.planner.intent, gpu_count=self._gpus if self.planned.offer is not None else None)

    @property
    def _gpus(self) -> int:
        return gpu_count(self.planned.settings)

    @cached_property
    def _where(self) -> str:
        return "the same GPUs" if self.planned.offer is not None else "this KV cache"

    def _fits_words(self, intent: Intent, step: str) -> str:
        answer = self._answer(intent)
        if isinstance(answer, str):
            return f"; whether that fits is not known: {answer}"
        if answer.fits:
            return f", and that fits {self._where}: {step}"
        return f", and that does not fit {self._where}: {answer.hint or answer.message}"

    def _answer(self, intent: Intent) -> Plan | str:
        """The plan of another intent on the same offer; in words why there is none."""
        planner, offer = self.planner, self.planned.offer
        if planner.model is None or planner.unknown is not None:
            return "only vLLM itself knows this model"
        try:
            evidence = planner.evidence(offer, self.history)
            if offer is None:
                return _known(cpu_plan(planner.model, intent, evidence))
            return _known(plan(planner.model, offer.gpu, offer.asked(intent), evidence))
        except (InputError, UnknownFact) as error:
            return error.message


def _known(made: Plan) -> Plan | str:
    return made.message if made.verdict is Verdict.UNKNOWN else made


def _requests(count: int) -> str:
    return f"{count:,} request was" if count == 1 else f"{count:,} requests were"
