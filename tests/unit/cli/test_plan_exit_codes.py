"""What scripts see of ``vlmctl plan``: its exit code says whether the plan can be deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builders import QWEN3_VL
from vlm_operator.cli.main import main

UNKNOWN_WEIGHTS = {**QWEN3_VL, "quantization_config": {"quant_method": "a-new-one"}}


def plan(config: dict[str, Any], folder: Path, *options: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    """The exit code of ``vlmctl plan FOLDER``, and its answer."""
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(folder), *options, "--offline", "-o", "json"])
    said = capsys.readouterr().out
    return int(ended.value.code or 0), json.loads(said)


@pytest.mark.parametrize(
    ("config", "options", "verdict", "code"),
    [
        pytest.param(QWEN3_VL, ["--gpu", "H100"], "Fits", 0, id="fits"),
        pytest.param(
            QWEN3_VL,
            ["--gpu", "NVIDIA-L4", "--gpu-count", "1", "--max-model-len", "262144"],
            "DoesNotFit",
            3,
            id="does not fit",
        ),
        pytest.param(UNKNOWN_WEIGHTS, ["--gpu", "H100"], "Unknown", 4, id="not known"),
    ],
)
def test_the_exit_code_is_the_verdict(
    config: dict[str, Any],
    options: list[str],
    verdict: str,
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended, answer = plan(config, tmp_path, *options, capsys=capsys)
    assert (answer["verdict"], ended) == (verdict, code)


def test_a_tight_fit_is_one_that_can_be_deployed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """67,000 tokens: more than is certain, less than what vLLM will probably find."""
    flags = ["--max-model-len", "67000", "--gpu-memory-utilization", "0.92"]
    ended, answer = plan(QWEN3_VL, tmp_path, "--gpu", "RTX-5090", "--gpu-count", "1", *flags, capsys=capsys)
    assert (answer["verdict"], ended) == ("FitsTight", 0)


def test_an_upgrade_check_ends_with_the_worse_of_both_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--gpu", "NVIDIA-L4", "--gpu-count", "1", "--max-model-len", "262144", "--compare", "0.31.0"]
    ended, answer = plan(QWEN3_VL, tmp_path, *options, capsys=capsys)
    assert (answer["verdict"], ended) == (["DoesNotFit", "DoesNotFit"], 3)
