"""Shells complete commands, options, models, GPU products and releases; kubectl completes the plugin."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from vlm_operator.cli.completion import SHELLS, command, kubectl_lines
from vlm_operator.cli.main import COMMANDS

VLMCTL = Path(sys.executable).with_name("vlmctl")


def offered(*words: str) -> list[str]:
    """What is offered for the last of the words."""
    return [line.partition("\t")[0] for line in kubectl_lines(list(words[:-1]), words[-1])[:-1]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(("",), "plan", id="a command"),
        pytest.param(("dry",), "dry-run", id="a command that is begun"),
        pytest.param(("plan", "Qwen/Qwen3-VL-8B"), "Qwen/Qwen3-VL-8B-Instruct", id="a model"),
        pytest.param(("plan", "qwen3-vl-8b"), "Qwen/Qwen3-VL-8B-Instruct", id="a model without its owner"),
        pytest.param(("tokens", "OpenGVLab/"), "OpenGVLab/InternVL3-8B", id="a model of an owner"),
        pytest.param(("plan", "x", "--gpu", ""), "local", id="this machine"),
        pytest.param(("plan", "x", "--gpu", "NVIDIA-L"), "NVIDIA-L4", id="a GPU by its label"),
        pytest.param(("plan", "x", "--gpu", "rtx-50"), "RTX-5090", id="a GPU by its short name"),
        pytest.param(("plan", "x", "--vllm-version", "0.3"), "0.33.0", id="a release"),
        pytest.param(("plan", "x", "--compare", ""), "0.33.0", id="a release to compare with"),
        pytest.param(("audit", "--to", ""), "0.33.0", id="a release to upgrade to"),
        pytest.param(("plan", "x", "--goal", ""), "SingleUser", id="a goal"),
        pytest.param(("plan", "x", "--max-m"), "--max-model-len", id="an option"),
        pytest.param(("gpus", "NVIDIA-H1"), "NVIDIA-H100-80GB-HBM3", id="a product to show"),
    ],
)
def test_what_is_offered(words: tuple[str, ...], expected: str) -> None:
    assert expected in offered(*words)


def test_all_commands_are_offered_and_none_twice() -> None:
    assert offered("") == list(COMMANDS)


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (("plan", "-f", ""), True),
        (("render", "-f", "x"), True),
        (("diagnose", ""), True),
        (("plan", "./"), True),
        (("plan", "Qwen/"), False),
        (("plan", "x", "--gpu", ""), False),
    ],
    ids=str,
)
def test_kubectl_offers_files_only_where_one_is_meant(words: tuple[str, ...], files: bool) -> None:
    assert kubectl_lines(list(words[:-1]), words[-1])[-1] == (":0" if files else ":4")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script_that_asks_vlmctl(shell: str) -> None:
    result = CliRunner().invoke(command, [shell], catch_exceptions=False)
    assert f"_VLMCTL_COMPLETE={shell}_complete" in result.output


def test_another_shell_is_refused() -> None:
    assert CliRunner().invoke(command, ["csh"]).exit_code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_by_the_script(tmp_path: Path) -> None:
    script = tmp_path / "vlmctl.bash"
    script.write_text(subprocess.run([VLMCTL, "completion", "bash"], capture_output=True, text=True, check=True).stdout)
    asked = (
        f"source {script}; COMP_WORDS=(vlmctl plan Qwen/Qwen3-VL-8B-I); COMP_CWORD=2; _vlmctl_completion vlmctl; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{VLMCTL.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", asked], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    assert done.stdout.splitlines() == ["Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen3-VL-8B-Instruct-FP8"]
