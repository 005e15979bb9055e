"""What ``vlmctl plan`` prints for a person: a bar that reads without colour, words that wrap, no command in vain."""

from __future__ import annotations

import re
from typing import Any

import pytest

from vlm_operator.cli.budget_bar import CELLS
from vlm_operator.cli.main import main

FITS = ("Qwen/Qwen3-VL-8B-Instruct", "--gpu", "RTX-4090", "--goal", "single-user", "--images", "4")
TOO_LARGE = ("Qwen/Qwen3-VL-30B-A3B-Instruct", "--gpu", "RTX-4090", "--gpu-count", "1")
LEVERS = ("Qwen/Qwen3-VL-8B-Instruct", "--gpu", "L4")


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str, columns: int = 80
) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main(["plan", *arguments, "--offline"])
    return capsys.readouterr().out


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda *arguments, **more: printed(capsys, monkeypatch, *arguments, **more)


def bar_of(text: str) -> str:
    return next(line.strip() for line in text.splitlines() if line.strip().startswith("WWW"))


def test_each_part_of_the_bar_has_a_letter_and_the_legend_names_it(plan: Any) -> None:
    text = plan(*FITS)
    drawn = set(bar_of(text))
    named = set(re.findall(r"^   ([A-Z.])  \S", text, re.MULTILINE))
    assert drawn <= named
    assert {"W", "P", "C", "."} <= drawn
    assert len(bar_of(text)) == CELLS


def test_what_exceeds_the_card_is_drawn_and_said(plan: Any) -> None:
    text = plan(*TOO_LARGE)
    need, card, over = map(float, re.search(
        r"([\d.]+) GiB on a card of ([\d.]+) GiB: ([\d.]+) GiB too much", text
    ).groups())  # type: ignore[union-attr]  # fmt: skip
    assert need - card == pytest.approx(over, abs=0.011)
    end = next(line for line in text.splitlines() if "the card ends here" in line).index("^") - 2
    assert end / len(bar_of(text)) == pytest.approx(card / need, abs=0.02)


def test_no_command_is_printed_that_cannot_work(plan: Any) -> None:
    assert "vllm serve" not in plan(*TOO_LARGE)
    assert "\nvllm serve Qwen/Qwen3-VL-8B-Instruct --max-model-len" in plan(*FITS)


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("arguments", [FITS, TOO_LARGE, LEVERS], ids=["fits", "too large", "levers"])
def test_lines_wrap_at_words_and_the_command_is_one_line(plan: Any, arguments: tuple[str, ...], columns: int) -> None:
    for more in ((), ("--explain",)):
        lines = plan(*arguments, *more, columns=columns).splitlines()
        long = [line for line in lines if len(line) > columns and not line.startswith("vllm serve") and "{" not in line]
        assert long == []


def test_the_short_answer_says_what_gave_way_and_explain_says_everything(plan: Any) -> None:
    short, long = plan(*LEVERS), plan(*LEVERS, "--explain")
    assert "* --gpu-memory-utilization 0.95: frees" in short
    assert "--kv-cache-dtype fp8" not in short
    assert "  --kv-cache-dtype fp8: frees" in long
    assert "Container:" not in short
    assert "Container:" in long
    assert "nvidia-smi will show about" in short


def test_fields_of_the_api_are_named_as_options_where_there_is_no_file(plan: Any) -> None:
    text = plan("Qwen/Qwen3-VL-8B-Instruct", "--gpu", "RTX-4090", "--gpu-count", "1", "--min-context", "200000")
    assert "--min-context to at most" in text.replace("\n", " ")
    assert "context.minimum" not in text


@pytest.mark.parametrize("spelling", ["SingleUser", "single-user", "single_user", "SINGLEUSER"])
def test_a_goal_may_be_spelled_as_people_do(plan: Any, spelling: str) -> None:
    assert "stays free for the desktop" in plan(*FITS[:3], "--goal", spelling).replace("\n  ", " ")
