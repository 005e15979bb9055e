"""Regimes of start-ups, with the half-width of the bounds that the published start-ups of each have earned.

A regime is a range of releases that compute the KV cache in one way, on one kind of memory and platform; models whose
experts are stored in NVFP4 stand apart. ``hack/accuracy/regimes.py`` works the figures out again: each start-up is
predicted with coefficients fitted without any start-up of its source, and the half-width is the smallest that holds
90 % of them, every source counting once. ``tests/unit/capacity/startup`` holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from vlm_operator.engine.budget_rules import Formula
from vlm_operator.gpu.facts import GPUFacts, MemoryKind, Platform
from vlm_operator.model.facts import ModelFacts, Quantization
from vlm_operator.units import GIB


class Place(StrEnum):
    """Where vLLM looks for memory: what else moves there decides how far a prediction may be off."""

    LINUX = "linux"
    WINDOWS = "windows"
    """Windows or WSL2."""
    UNIFIED = "unified"
    """Memory that is shared with the host, on any platform."""


@dataclass(frozen=True, slots=True)
class Regime:
    """Start-ups that are predicted about equally well.

    Attributes:
        name: in words.
        half_width: GiB; below and above the best estimate 90 % of the start-ups lie.
        start_ups: how many published start-ups the half-width rests on.
        sources: from how many repositories, threads or pages they come.
        seen: False where no start-up of this kind was published: the widest half-width of related ones.
    """

    name: str
    half_width: float
    start_ups: int
    sources: int
    seen: bool = True

    @property
    def half_width_bytes(self) -> int:
        """The half-width in bytes."""
        return int(self.half_width * GIB)


@dataclass(frozen=True, slots=True)
class Earned:
    """A regime and the start-ups that belong to it."""

    regime: Regime
    formulas: frozenset[Formula]
    places: frozenset[Place]
    nvfp4_experts: frozenset[bool]

    def holds(self, formula: Formula, place: Place, nvfp4_experts: bool) -> bool:
        """Whether such a start-up belongs to it."""
        return formula in self.formulas and place in self.places and nvfp4_experts in self.nvfp4_experts


_TO_0_26: Final = frozenset({Formula.PEAK, Formula.PEAK_AND_GRAPHS})
_FROM_0_27: Final = frozenset({Formula.CONSUMED})
_DISCRETE: Final = frozenset({Place.LINUX, Place.WINDOWS})


def _earned(
    regime: Regime,
    formulas: frozenset[Formula],
    places: frozenset[Place],
    nvfp4_experts: frozenset[bool] = frozenset({False}),
) -> Earned:
    return Earned(regime, formulas, places, nvfp4_experts)


EARNED: Final = (
    _earned(Regime("Linux, vLLM 0.11 to 0.26", 0.22, 35, 23), _TO_0_26, frozenset({Place.LINUX})),
    _earned(Regime("Linux, vLLM 0.27 and later", 0.43, 14, 9), _FROM_0_27, frozenset({Place.LINUX})),
    _earned(Regime("Windows or WSL2, vLLM 0.11 to 0.26", 0.25, 5, 3), _TO_0_26, frozenset({Place.WINDOWS})),
    _earned(Regime("experts in NVFP4, vLLM 0.11 to 0.26", 1.72, 7, 1), _TO_0_26, _DISCRETE, frozenset({True})),
    _earned(
        Regime("unified memory, vLLM 0.11 to 0.26", 1.56, 13, 4),
        _TO_0_26,
        frozenset({Place.UNIFIED}),
        frozenset({False, True}),
    ),
    _earned(
        Regime("unified memory, vLLM 0.27 and later", 5.15, 1, 1),
        _FROM_0_27,
        frozenset({Place.UNIFIED}),
        frozenset({False, True}),
    ),
)
"""The regimes of published start-ups. Outside them lies what is rarer than one in ten of a regime's sources."""


def regime_of(model: ModelFacts | None, gpu: GPUFacts, formula: Formula) -> Regime:
    """The regime of a start-up; of one whose kind nobody published, the widest of those that apply.

    Those apply that have no peculiarity which the start-up lacks.

    Args:
        model: None where it is not known: taken as without experts in NVFP4.
    """
    place, nvfp4_experts = place_of(gpu), model is not None and has_nvfp4_experts(model)
    for earned in EARNED:
        if earned.holds(formula, place, nvfp4_experts):
            return earned.regime
    asked = _peculiarities(frozenset({formula}), frozenset({place}), frozenset({nvfp4_experts}))
    related = (
        earned.regime
        for earned in EARNED
        if _peculiarities(earned.formulas, earned.places, earned.nvfp4_experts) <= asked
    )
    return replace(max(related, key=lambda regime: regime.half_width), seen=False)


def _peculiarities(
    formulas: frozenset[Formula], places: frozenset[Place], nvfp4_experts: frozenset[bool]
) -> frozenset[object]:
    """What sets these start-ups apart from those of releases to 0.26 on Linux."""
    only = [kinds for kinds in (formulas, places, nvfp4_experts) if len(kinds) == 1]
    return frozenset[object]().union(*only) & {Formula.CONSUMED, Place.WINDOWS, Place.UNIFIED, True}


def place_of(gpu: GPUFacts) -> Place:
    """Where vLLM looks for memory on this GPU."""
    if gpu.memory_kind is MemoryKind.UNIFIED:
        return Place.UNIFIED
    return Place.LINUX if gpu.platform is Platform.LINUX else Place.WINDOWS


def has_nvfp4_experts(model: ModelFacts) -> bool:
    """Whether routed experts are stored in NVFP4: four bits, a one-byte scale for each 16."""
    if model.text.experts is None or model.quantization is None:
        return False
    stored = (model.quantization, *(kind for _, kind in model.quantization.listed))
    return any(_is_nvfp4(kind) for kind in stored)


def _is_nvfp4(kind: Quantization) -> bool:
    return (kind.weight_bits, kind.group_size, kind.scale_bytes) == (4, 16, 1)
