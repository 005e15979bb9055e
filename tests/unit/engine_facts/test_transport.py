"""A report on its way out of a container, and what else may come from there."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.dryrun import transport as program
from vlm_operator.engine_facts.transport import LONGEST_REPORT_BYTES, lies_in_log, report_in
from vlm_operator.errors import InputError

RECORDED = json.loads((Path(__file__).parents[2] / "data/dry_runs/qwen3-vl-8b-h100-0.32.0.json").read_text())


def delivered(report: dict[str, Any], folder: Path) -> tuple[str, str]:
    """Termination message and log."""
    log = io.StringIO()
    program.deliver(report, str(folder / "message"), log)
    return (folder / "message").read_text(), log.getvalue()


def packed(content: bytes) -> str:
    return program.PREFIX + base64.b64encode(zlib.compress(content)).decode()


def test_a_short_report_is_the_termination_message(tmp_path: Path) -> None:
    message, log = delivered(RECORDED, tmp_path)
    assert len(message) <= 4096
    assert log == ""
    assert not lies_in_log(message)
    report = report_in(message)
    assert report is not None
    assert report.document == RECORDED


def test_a_long_report_is_in_the_log_between_other_lines(tmp_path: Path) -> None:
    long = {**RECORDED, "modelFiles": {"config.json": {str(n): f"{n * 7919 % 10007:x}" for n in range(3000)}}}
    message, log = delivered(long, tmp_path)
    assert lies_in_log(message)
    assert report_in(message) is None
    report = report_in(f"INFO loading\n{log}INFO done\n")
    assert report is not None
    assert report.model_files == long["modelFiles"]


@pytest.mark.parametrize("text", [None, "", "Traceback: ImportError: vllm", program.IN_LOG])
def test_what_holds_no_report_gives_none(text: str | None) -> None:
    assert report_in(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(f"{program.PREFIX}%%%", "Error", id="no base64"),
        pytest.param(f"{program.PREFIX}AAAA", "error", id="not compressed"),
        pytest.param(packed(b"{"), "JSONDecodeError", id="no JSON"),
        pytest.param(packed(b"[]"), "object", id="no object"),
        pytest.param(packed(b"[" * 200_000), "RecursionError", id="nested without end"),
        pytest.param(packed(b" " * (LONGEST_REPORT_BYTES + 1)), "at most", id="much larger than it looks"),
        pytest.param(packed(b'{"weightsBytes": "many"}'), "weightsBytes", id="a size that is no number"),
        pytest.param(packed(b'{"weightsBytes": -1}'), "weightsBytes", id="a size below zero"),
        pytest.param(packed(b'{"bytesPerBlock": true}'), "bytesPerBlock", id="a size that is a truth value"),
        pytest.param(packed(b'{"requests": [{"maxModelLen": 1e300, "neededBytes": 1}]}'), "maxModelLen", id="a float"),
        pytest.param(packed(b'{"kvGroups": 5}'), "TypeError", id="groups that are a number"),
    ],
)
def test_what_cannot_be_read_is_said_and_never_crashes(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        report_in(text)


def test_both_ends_agree() -> None:
    from vlm_operator.engine_facts import transport

    assert (transport.PREFIX, transport.IN_LOG) == (program.PREFIX, program.IN_LOG)
