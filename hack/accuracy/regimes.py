"""Work out what each regime of start-ups has earned: the half-width of its bounds. Prints the figures of the budget.

Every start-up is predicted with coefficients fitted without any start-up of its source. The half-width of a regime is
the smallest that holds 90 % of its start-ups, every source counting once, beside the doubts that a start-up has of its
own (``capacity/startup/uncertainty.py``). Put what it prints into ``capacity/startup/regimes.py``.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import project  # noqa: F401 - the project's own Python
from accuracy import fit
from accuracy.cases import Case, cases
from vlm_operator.capacity.startup.model import StartupTerms, startup_terms
from vlm_operator.capacity.startup.regimes import EARNED, Earned, Regime, regime_of
from vlm_operator.units import GIB

SHARE = 0.9
"""Of start-ups that the bounds hold, every source counting once."""

STEP = 0.01
"""GiB; half-widths are rounded up to it."""


@dataclass(frozen=True)
class LeftOut:
    """A start-up predicted without its source, GiB.

    Attributes:
        error: predicted less printed.
        own_doubt: half-width that it would have if its regime had none.
    """

    case: Case
    source: str
    regime: Regime
    error: float
    own_doubt: float

    @property
    def needed(self) -> float:
        """The least half-width of the regime that holds it."""
        return math.sqrt(max(self.error**2 - self.own_doubt**2, 0.0))

    def inside(self, half_width: float) -> bool:
        """Whether bounds of that half-width hold it."""
        return self.needed <= half_width + 1e-9


def source_of(row: dict[str, Any]) -> str:
    """Who published it: a repository, an issue of vLLM's, a site; start-ups without an address count as one source for
    each product and release."""
    address = str(row.get("source") or "")
    if match := re.match(r"https?://(github\.com/vllm-project/[^#]+|github\.com/[^/]+/[^/]+|[^/]+)", address):
        return match[1]
    return f"{row['gpu']} {str(row['vllm']).rpartition('.')[0]}"


def left_out(some: Iterable[Case] | None = None) -> list[LeftOut]:
    """Every start-up of a stock release, predicted without its source."""
    every = list(cases() if some is None else some)
    data = [(source_of(case.row), equation) for case in every for equation in fit.equations(case)]
    found = []
    for case in every:
        if case.row["class"] not in {"stock", "unified"}:
            continue
        source = source_of(case.row)
        coefficients = fit.fit(equation for other, equation in data if other != source)
        terms = _terms(case)
        found.append(
            LeftOut(
                case,
                source,
                regime_of(case.model, case.gpu, terms.formula),
                fit.predict(case, coefficients) - case.kv_bytes / GIB,
                math.sqrt(max(terms.variance - terms.regime.half_width_bytes**2, 0.0)) / GIB,
            )
        )
    return found


def _terms(case: Case) -> StartupTerms:
    return startup_terms(
        case.model, case.gpu, case.settings, case.known_version, weights=case.weights_bytes, encoder=case.encoder
    )


def half_width(some: Sequence[LeftOut]) -> float:
    """The smallest half-width that holds 90 % of them, every source counting once."""
    for each in sorted(each.needed for each in some):
        rounded = math.ceil(each / STEP - 1e-9) * STEP
        if share_inside(some, rounded) >= SHARE - 1e-9:
            return round(rounded, 2)
    raise ValueError("no start-ups")


def share_inside(some: Sequence[LeftOut], width: float) -> float:
    """Share of them that bounds of that half-width hold, every source counting once."""
    sources = {each.source for each in some}
    shares = []
    for source in sources:
        of_source = [each for each in some if each.source == source]
        shares.append(sum(each.inside(width) for each in of_source) / len(of_source))
    return sum(shares) / len(shares)


def nested_share(some: Sequence[LeftOut]) -> float | None:
    """The same where the half-width, too, is set without the source; None with one source only."""
    sources = sorted({each.source for each in some})
    if len(sources) < 2:
        return None
    shares = []
    for source in sources:
        of_source = [each for each in some if each.source == source]
        width = half_width([each for each in some if each.source != source])
        shares.append(sum(each.inside(width) for each in of_source) / len(of_source))
    return sum(shares) / len(shares)


def of_regime(found: Iterable[LeftOut], earned: Earned) -> list[LeftOut]:
    return [each for each in found if each.regime == earned.regime]


def main() -> None:
    found = left_out()
    for earned in EARNED:
        some = of_regime(found, earned)
        if not some:
            print(f"{earned.regime.name}: no start-ups")
            continue
        sources = len({each.source for each in some})
        print(f'Regime("{earned.regime.name}", {half_width(some):.2f}, {len(some)}, {sources})')


if __name__ == "__main__":
    main()
