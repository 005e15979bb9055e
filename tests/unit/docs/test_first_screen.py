"""README's first screen: what it is, one command that shows it, one that runs every test."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]
SCREEN_LINES = 25


def test_the_first_screen_names_both_commands_in_order() -> None:
    screen = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:SCREEN_LINES]
    commands = [line.split("#")[0].strip() for line in screen if line.startswith("    make ")]
    assert commands == ["make demo", "make test"]


def test_the_whole_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 60
