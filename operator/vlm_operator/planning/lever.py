"""One change that a plan may make: a lever and its levels, each with its price.

A level is **mild** where it takes away nothing that the user described: the utilisation, the batch, sequences down to
those described, items that nobody described. Mild levels are preferred to more GPUs. Every other level is **dear**
(context, precision of the KV cache, CUDA graphs, described items made smaller): more GPUs are preferred to it.

Levers know no plan: how far they may go is told when they are pulled, so that the same ones serve every plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.workload import RequestSize


@dataclass(frozen=True, slots=True)
class Bounds:
    """What levers may not go beyond in one plan, and how flags follow a workload that caps have shrunk.

    Attributes:
        ceiling: highest utilisation that is free at start for certain.
        least_context: shortest context for these flags, tokens.
        refit: the flags with context and batch as short as the workload needs under their caps.
        request: one request as described, None where nobody described one.
        highest: highest utilisation that is free at start by the best estimate; never below the ceiling.
    """

    ceiling: float
    least_context: Callable[[EngineSettings], int]
    refit: Callable[[EngineSettings], EngineSettings]
    request: RequestSize | None = None
    highest: float = 0.0


Apply = Callable[[EngineSettings, Bounds], EngineSettings]
"""A change to flags, within bounds."""


def setting(**changes: object) -> Apply:
    """The change that sets flags to fixed values."""
    return lambda settings, bounds: settings.with_(**changes)


@dataclass(frozen=True, slots=True)
class Level:
    """One setting of a lever.

    Attributes:
        weight: its price as a number, for the order of the search only.
        cost: its price in words.
        apply: the change.
        mild: True where it takes away nothing that the user described, whatever the other levels cost.
    """

    weight: float
    cost: str
    apply: Apply
    mild: bool = False


@dataclass(frozen=True, slots=True)
class Lever:
    """One thing that can be changed, mildest level first.

    Attributes:
        flag: the field of ``EngineSettings`` it changes.
        levels: the mild ones first.
        subject: what it changes of a flag that several levers share: a modality.
        only_helps: True where no combination that fits ceases to fit when this one is pulled as well.
        may_take_memory: True where some flags need more memory with it than without.
    """

    flag: str
    levels: tuple[Level, ...]
    subject: str = ""
    only_helps: bool = False
    may_take_memory: bool = False

    def mild_levels(self) -> int:
        """The number of mild levels, which are the first ones."""
        return sum(level.mild for level in self.levels)

    def mild_part(self) -> Lever:
        """The lever with only its mild levels."""
        count = self.mild_levels()
        return self if count == len(self.levels) else replace(self, levels=self.levels[:count])

    def same_as(self, other: Lever) -> bool:
        """True for the same lever, offered anew or in part."""
        return (self.flag, self.subject) == (other.flag, other.subject)
