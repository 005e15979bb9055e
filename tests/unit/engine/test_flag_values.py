"""Values are read as vLLM's own parser reads them (0.33.0: ``utils/argparse_utils.py``)."""

from __future__ import annotations

import pytest

from vlm_operator.engine.flag_values import context_length, whole_number
from vlm_operator.errors import InputError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("32768", 32768),
        (" 32768 ", 32768),
        ("32_768", 32768),
        ("1k", 1_000),
        ("1K", 1_024),
        ("32k", 32_000),
        ("32K", 32_768),
        ("25.6k", 25_600),
        ("1m", 1_000_000),
        ("1M", 1_048_576),
        ("1.5m", 1_500_000),
        ("2g", 2_000_000_000),
        ("2G", 2_147_483_648),
        ("1t", 10**12),
        ("1T", 2**40),
    ],
)
def test_a_number_is_read_as_vllm_reads_it(text: str, number: int) -> None:
    assert whole_number(text, field="max-model-len") == number
    assert context_length(text, field="max-model-len") == number


@pytest.mark.parametrize("text", ["1.5K", "0.5M"])
def test_a_fraction_of_a_power_of_two_is_refused_as_vllm_refuses_it(text: str) -> None:
    with pytest.raises(InputError, match="fraction of a power of two") as refusal:
        whole_number(text, field="max-model-len")
    assert text.lower() in (refusal.value.hint or "")


@pytest.mark.parametrize("text", ["", "k", "32kb", "32 k", "1.5", "-2", "1e3", "32768.0", "_1", "1__0", "٣", "1" * 40])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="max-model-len: ") as refusal:
        whole_number(text, field="max-model-len")
    assert refusal.value.hint


@pytest.mark.parametrize("text", ["auto", "AUTO", " Auto", "-1"])
def test_a_context_may_be_left_to_be_chosen(text: str) -> None:
    assert context_length(text, field="max-model-len") is None
    with pytest.raises(InputError):
        whole_number(text, field="max-num-batched-tokens")
