"""What is one change that a plan may make? A lever and its levels, each with its price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vlm_operator.engine.settings import EngineSettings

Apply = Callable[[EngineSettings], EngineSettings]


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
    """

    flag: str
    levels: tuple[Level, ...]
    mild: bool = False

    def mild_part(self) -> Lever:
        """The lever with only the levels that nobody would notice."""
        return self if self.mild else Lever(self.flag, tuple(level for level in self.levels if level.mild))

    def same_as(self, other: Lever) -> bool:
        """True for the same lever, offered anew or in part."""
        return self.flag == other.flag and self.levels[0].cost == other.levels[0].cost
