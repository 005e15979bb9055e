"""Memory a release allocates while it loads a model, beside the model's parameters."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from vlm_operator.engine.version import EngineVersion

_ONE_ROW_SINCE: Final = EngineVersion(0, 30)
"""Four rows a position in 0.29.0, one in 0.32.0; the releases between were not read."""


class RotaryRows(StrEnum):
    """Rows a position of the table of multimodal rotary embeddings (``layers/rotary_embedding/mrope.py``)."""

    FOUR = ""
    """Four in every release."""
    ONE_LATER = "oneLater"
    """One in releases in which the model's class says ``mrope_positions_factor``, four before."""
    ONE = "one"

    @property
    def newest(self) -> int:
        """Rows in 0.32, by which ``ModelFacts.weights`` counts the table."""
        return 4 if self is RotaryRows.FOUR else 1


def multimodal_rotary_rows(rows: RotaryRows, version: EngineVersion) -> int:
    """Rows a position in ``version``, as a multiple of those in 0.32.

    Source (vLLM): ``layers/rotary_embedding/mrope.py`` (0.12.0 to 0.29.0: four rows a position for every family) and
    ``mrope_positions_factor`` of the models' classes (0.32.0: one). Two published start-ups of a 30B-A3B model on 0.11
    and 0.12 loaded 0.19 GiB more than parameters and DeepStack buffers: three rows.
    """
    return 4 if rows is RotaryRows.ONE_LATER and version < _ONE_ROW_SINCE else 1
