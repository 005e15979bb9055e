"""Follow the lines a start-up prints as it progresses, whatever process prints them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from operator import contains
from typing import Final

from vlm_operator.engine.log_wordings.progress import GRAPHS_CAPTURED, PROGRESS

_PIECES: Final = tuple(piece for piece, _ in PROGRESS)


@dataclass(slots=True)
class Progress:
    """Where a start stands.

    Attributes:
        stage: the stage that the newest line of progress names; None before the first.
        first: the stage that the first such line names.
        graphs: CUDA graphs that were captured, as the newest progress bar says.
    """

    stage: str | None = None
    first: str | None = None
    graphs: int = 0

    def follow(self, text: str) -> None:
        """Take in one line."""
        if not any(map(contains, repeat(text), _PIECES)):
            return
        for piece, stage in PROGRESS:
            if piece in text:
                self.stage = stage
        self.first = self.first or self.stage
        captured = GRAPHS_CAPTURED.search(text)
        if captured is not None:
            self.graphs = int(captured["done"])
