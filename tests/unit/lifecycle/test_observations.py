"""What one start-up measured is found again under its model."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.api.object_names import model_label

LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
"""What Kubernetes takes."""


@pytest.mark.parametrize(
    ("model", "label"),
    [
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "Qwen.Qwen3-VL-8B-Instruct", id="an id"),
        pytest.param("a/b_", "a.b", id="ends with what a label may not end with"),
        pytest.param("x" * 63, "x" * 63, id="as long as may be"),
    ],
)
def test_a_model_is_spelt_as_a_label(model: str, label: str) -> None:
    assert model_label(model) == label


def test_long_models_with_one_beginning_have_two_labels() -> None:
    assert model_label("x" * 70) != model_label("x" * 71)


@given(st.text(max_size=200))
def test_whatever_the_model_is_called_the_label_is_valid(model: str) -> None:
    assert LABEL_VALUE.fullmatch(model_label(model))
