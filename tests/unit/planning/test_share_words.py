"""What a share of one GPU says: the sum and what is left, what is missing or who does not fit, and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan, Refusal
from vlm_operator.planning.share import Part, Share
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.units import GIB

CARD = gpu("H100").with_(total_bytes=80 * GIB, total_uncertainty_bytes=2 * GIB)
STEP = "lower the context, the concurrent requests or the described items of one of them, or use a larger GPU"


def part(name: str, takes: int, refusal: Refusal | None = None, *, left: int = 7) -> Part:
    """What one server takes: one GiB of it as its context, one as graphs; a refusal where it does not fit."""
    made = Plan(
        model=qwen3(),
        gpu=CARD,
        gpu_count=1,
        version=DEFAULT,
        intent=Intent(),
        settings=EngineSettings(),
        verdict=Verdict.FITS if refusal is None else Verdict.DOES_NOT_FIT,
        reason=Reason.FITS if refusal is None else Reason.OUT_OF_MEMORY,
        refusal=refusal,
    )
    return Part(name, made, (takes - 2) * GIB, GIB, GIB, left * GIB)


def refused(name: str, takes: int, hint: str | None = "shrink it") -> Part:
    return part(name, takes, Refusal("it does not fit there", hint))


@pytest.mark.parametrize(
    ("parts", "fits", "words"),
    [
        pytest.param([part("a", 30), part("b", 20)], True,
                     "30.00 GiB a + 20.00 GiB b = 50.00 GiB; there are 74.00 GiB of 80.00 GiB, 4.00 GiB kept for "
                     "others: 24.00 GiB is left", id="they fit"),
        pytest.param([part("a", 44), part("b", 30)], True,
                     "44.00 GiB a + 30.00 GiB b = 74.00 GiB; there are 74.00 GiB of 80.00 GiB, 4.00 GiB kept for "
                     "others: 0.00 GiB is left", id="to the byte"),
        pytest.param([part("a", 44), part("b", 31)], False,
                     "44.00 GiB a + 31.00 GiB b = 75.00 GiB, but there are 74.00 GiB of 80.00 GiB, 4.00 GiB kept for "
                     "others: 1.00 GiB is missing", id="each fits, the sum is too much"),
        pytest.param([part("a", 44), refused("b", 40)], False,
                     "44.00 GiB a + 40.00 GiB b = 84.00 GiB, but there are 74.00 GiB of 80.00 GiB, 4.00 GiB kept for "
                     "others: 10.00 GiB is missing", id="one does not fit, because the sum is too much"),
        pytest.param([part("a", 44), refused("b", 30)], False,
                     "44.00 GiB a + 30.00 GiB b = 74.00 GiB, but there are 74.00 GiB of 80.00 GiB, 4.00 GiB kept for "
                     "others; b on the 7.00 GiB left for it: it does not fit there",
                     id="one does not fit though the sum is there"),
    ],
)  # fmt: skip
def test_the_message_is_the_sum_and_what_comes_of_it(parts: list[Part], fits: bool, words: str) -> None:
    found = Share(CARD, 4 * GIB, tuple(parts))
    assert (found.fits, found.message) == (fits, words)


def test_what_is_kept_is_told_only_where_something_is() -> None:
    found = Share(CARD, 0, (part("a", 30), part("b", 20)))
    assert found.available_bytes == 78 * GIB
    assert "there are 78.00 GiB of 80.00 GiB: 28.00 GiB is left" in found.message


@pytest.mark.parametrize(
    ("parts", "hint"),
    [
        pytest.param([part("a", 30), part("b", 20)], None, id="they fit"),
        pytest.param([part("a", 60), part("b", 20)], STEP, id="each fits, the sum is too much"),
        pytest.param(
            [part("a", 44), refused("b", 30)], f"b: shrink it; or {STEP}", id="what the one that fails offers"
        ),
        pytest.param([refused("a", 44), refused("b", 30)], f"a: shrink it; or {STEP}", id="the first that fails"),
        pytest.param([part("a", 44), refused("b", 30, hint=None)], STEP, id="it offers nothing"),
    ],
)
def test_the_hint_is_the_next_step(parts: list[Part], hint: str | None) -> None:
    assert Share(CARD, 4 * GIB, tuple(parts)).hint == hint


def test_a_plan_that_is_not_certain_takes_part() -> None:
    tight = part("b", 20)
    tight = replace(tight, plan=replace(tight.plan, verdict=Verdict.FITS_TIGHT))
    assert Share(CARD, 0, (part("a", 30), tight)).fits
