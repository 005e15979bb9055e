"""What is one change that a plan may make? A lever and its levels, each with its price.

Levers know no plan: how far they may go is told when they are pulled, so that the same ones serve every plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.workload import RequestSize


@dataclass(frozen=True, slots=True)
class Bounds:
    """What levers may not go beyond in one plan, and how flags follow a workload that caps have shrunk.

    Attributes:
        ceiling: highest utilisation that is free at start.
        least_context: shortest context for these flags, tokens.
        refit: the flags with context and batch as short as the workload needs under their caps.
        request: one request as described, None where nobody described one.
    """

    ceiling: float
    least_context: Callable[[EngineSettings], int]
    refit: Callable[[EngineSettings], EngineSettings]
    request: RequestSize | None = None


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
        mild: True where no user of the described workload would notice, whatever the other levels cost.
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
        mild: True where no user would notice any level: tried before more GPUs are taken.
        only_helps: True where no combination that fits ceases to fit when this one is pulled as well.
    """

    flag: str
    levels: tuple[Level, ...]
    mild: bool = False
    only_helps: bool = False

    def mild_levels(self) -> int:
        """How many of the levels nobody would notice: the first ones."""
        return len(self.levels) if self.mild else sum(level.mild for level in self.levels)

    def mild_part(self) -> Lever:
        """The lever with only the levels that nobody would notice."""
        return self if self.mild else Lever(self.flag, self.levels[: self.mild_levels()])

    def same_as(self, other: Lever) -> bool:
        """True for the same lever, offered anew or in part."""
        return self.flag == other.flag and self.levels[0].cost == other.levels[0].cost
