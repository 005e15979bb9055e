"""Activation peaks against those of vLLM's own profiling run on a simulated GPU (``hack/oracle/startup_peaks.py``)."""

from __future__ import annotations

import pytest

from oracle.startup_peaks import WITHIN_GIB, Recorded, known_differences, model_of, predict, recorded
from vlm_operator.capacity.startup.uncertainty import SIMULATED_ENCODER_SHARE
from vlm_operator.model.registry import by_architecture, families

RECORDED = list(recorded())
KNOWN = known_differences()
ROUNDING_GIB = 0.01


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in RECORDED])
def test_the_peak_is_that_of_vllms_profiling_run(case: Recorded) -> None:
    predicted = predict(case)
    allowed = max(WITHIN_GIB, abs(KNOWN.get(case.id, 0.0)) + ROUNDING_GIB)
    assert predicted.peak == pytest.approx(case.peak, abs=allowed), f"dummy items: {predicted.items}, vLLM {case.items}"


def test_every_start_up_is_named_once() -> None:
    names = [case.id for case in RECORDED]
    assert len(names) == len(set(names))


def test_known_differences_name_start_ups_that_were_simulated() -> None:
    assert KNOWN.keys() <= {case.id for case in RECORDED}


def test_the_peak_is_the_highest_of_its_moments() -> None:
    for case in RECORDED:
        moments = [moment for moment in (case.encoder, case.text, case.sampler) if moment is not None]
        assert case.peak == pytest.approx(max(moments), abs=0.005), case.id


def test_what_is_called_simulated_lies_within_the_share_that_its_bounds_allow() -> None:
    by_family: dict[str, list[Recorded]] = {}
    for case in RECORDED:
        known = by_architecture(model_of(case.model).architecture)
        if known is not None and case.encoder is not None:
            by_family.setdefault(known.family.name, []).append(case)
    claimed = {family.name for family in families() if family.simulated}
    assert claimed
    assert claimed <= by_family.keys()
    for name in claimed:
        for case in by_family[name]:
            allowed = SIMULATED_ENCODER_SHARE * case.peak + ROUNDING_GIB
            assert predict(case).peak == pytest.approx(case.peak, abs=allowed), case.id
