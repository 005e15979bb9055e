"""Quantised variants of a model that does not fit: same base model, from the built-in catalogue, planned the same way.

A variant is named only if the planner says that it fits. Where the facts of an entry are not its own config's, its plan
is not certain, and the sentence says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import catalogue
from vlm_operator.sources.catalogue import CatalogueEntry, Origin
from vlm_operator.units import format_gib

if TYPE_CHECKING:
    from vlm_operator.model.facts import ModelFacts
    from vlm_operator.planning.plan import Plan

MOST_PLANS: Final = 4
"""Variants that are planned at most: the largest first, because fewer bits cost quality."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A quantised variant with its plan.

    Attributes:
        is_certain: its own config was read, and the planner says that it fits.
    """

    entry: CatalogueEntry
    plan: Plan
    is_certain: bool

    @property
    def sentence(self) -> str:
        """The variant with its figures: "MODEL (awq, weights 6.59 GiB) fits with 16,384 tokens on 1 GPU"."""
        settings, plan = self.plan.settings, self.plan
        weights = plan.budget.weights_bytes if plan.budget is not None else 0
        gpus = f"{plan.gpu_count} GPU{'' if plan.gpu_count == 1 else 's'}"
        fits = "fits" if self.is_certain else "should fit, but its own config was not read,"
        return (
            f"{self.entry.id} ({self.entry.quantization}, weights {format_gib(weights)} a GPU) {fits} with "
            f"{settings.max_model_len or 0:,} tokens on {gpus}"
        )

    def to_json(self) -> dict[str, Any]:
        """As ``vlmctl plan -o json`` has it under ``variants``."""
        return {
            "model": self.entry.id,
            "quantization": self.entry.quantization,
            "verdict": str(self.plan.verdict),
            "origin": str(self.entry.origin),
            "weightsBytes": self.plan.budget.weights_bytes if self.plan.budget is not None else None,
            "maxModelLen": self.plan.settings.max_model_len,
            "gpuCount": self.plan.gpu_count,
        }


def variants_that_fit(plan: Plan, planned: Callable[[ModelFacts], Plan]) -> tuple[Variant, ...]:
    """The quantised variants of the plan's model that fit; empty unless the plan is ``DoesNotFit``.

    Args:
        planned: plans other facts for the same intent on the same GPU.
    """
    if plan.verdict is not Verdict.DOES_NOT_FIT:
        return ()
    found: list[Variant] = []
    for entry in _candidates(plan.model.model):
        other = planned(catalogue.load(entry))
        if other.fits or _would_fit(other):
            found.append(Variant(entry, other, other.fits and entry.origin is Origin.READ))
    return tuple(sorted(found, key=lambda variant: not variant.is_certain))


def _would_fit(plan: Plan) -> bool:
    """A plan that is Unknown only because its model's own config was not read."""
    return plan.verdict is Verdict.UNKNOWN and plan.reason is Reason.MODEL_DERIVED


def _candidates(model: str) -> Iterator[CatalogueEntry]:
    """Quantised entries whose base, by their name, is this model; largest weights first."""
    from vlm_operator.model.upload_schemes import named_uploads

    asked = catalogue.find(model)
    if asked is None or asked.quantization is not None:
        return
    short = asked.id.rpartition("/")[2].lower()
    fitting = [
        entry
        for entry in catalogue.entries().values()
        if entry.quantization
        and entry.architecture == asked.architecture
        and any(upload.base.lower() == short for upload in named_uploads(entry.id))
    ]
    yield from sorted(fitting, key=lambda entry: (-(entry.weights_bytes or 0), entry.id))[:MOST_PLANS]
