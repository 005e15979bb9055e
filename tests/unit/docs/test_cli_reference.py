"""The reference of the command line is what click knows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from vlm_operator.cli.main import COMMANDS, vlmctl

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reference" / "cli.md"


@pytest.mark.parametrize("columns", ["60", "200"])
def test_the_page_is_what_the_code_says_on_any_terminal(columns: str) -> None:
    check = subprocess.run(
        [sys.executable, ROOT / "hack" / "generators" / "cli-reference", "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": columns},
    )
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_is_listed_under_it(name: str) -> None:
    command = vlmctl.get_command(click.Context(vlmctl), name)
    assert command is not None
    if isinstance(command, click.Group):
        return
    section = PAGE.read_text(encoding="utf-8").split(f"\n## vlmctl {name}\n")[1].split("\n## ")[0]
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    assert [one.opts[-1] for one in options if one.opts[-1] not in section] == []
