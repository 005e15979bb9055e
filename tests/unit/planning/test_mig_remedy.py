"""On a slice that is too small, the smallest slice of the same product that holds the model is named."""

from __future__ import annotations

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.mig_profiles import profiles_that_hold, slice_words


@pytest.mark.parametrize(
    ("product", "words"),
    [
        pytest.param("H100-MIG-1g.10gb", "a 1g.20gb slice of NVIDIA-H100-80GB-HBM3 holds it", id="too small"),
        pytest.param("H100-MIG-3g.40gb", None, id="it fits"),
        pytest.param("T4", None, id="no slice"),
    ],
)
def test_the_slice_that_holds_it_is_named(product: str, words: str | None) -> None:
    assert slice_words(plan(qwen3_vl(), gpu(product), Intent())) == words


def test_the_slices_that_hold_it_come_by_size() -> None:
    found = list(profiles_that_hold(plan(qwen3_vl(), gpu("H100-MIG-1g.10gb"), Intent())))
    assert found[0] == "1g.20gb"
    assert found[-1] == "7g.80gb"
    sizes = [float(name.partition(".")[2].removesuffix("gb")) for name in found]
    assert sizes == sorted(sizes)


def test_of_a_prediction_nothing_else_is_planned() -> None:
    assert slice_words(plan(qwen3_vl(), gpu("H100-MIG-1g.10gb"), Intent(is_prediction=True))) is None
