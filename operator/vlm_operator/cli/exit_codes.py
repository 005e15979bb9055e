"""Exit codes of verdicts."""

from __future__ import annotations

from typing import Final

EXIT_CODES: Final = {"Fits": 0, "FitsTight": 0, "DoesNotFit": 3, "Unsupported": 3, "Unknown": 4}
