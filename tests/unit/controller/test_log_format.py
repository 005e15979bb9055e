"""A line of the operator's log: one JSON object, or text for a terminal."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from vlm_operator.controller.log_format import JsonFormatter, set_up


def record(message: str, *args: object, error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error is not None else None
    made = logging.LogRecord("vlm_operator.controller.x", logging.WARNING, "x.py", 1, message, args, info)
    made.created = 1_764_500_000.25
    for name, value in extra.items():
        setattr(made, name, value)
    return made


def line(made: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(made)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_has_time_level_logger_and_message() -> None:
    assert line(record("again in %.1f s", 2.5)) == {
        "time": "2025-11-30T10:53:20.250+00:00",
        "level": "warning",
        "logger": "vlm_operator.controller.x",
        "message": "again in 2.5 s",
    }


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        pytest.param({"vlmdeployment": "default/a"}, "default/a", id="of a VLMDeployment"),
        pytest.param({"vlmdeployment": ""}, None, id="of none"),
        pytest.param({}, None, id="not said"),
    ],
)
def test_a_line_names_the_vlmdeployment_that_it_is_about(extra: dict[str, str], told: str | None) -> None:
    assert line(record("x", **extra)).get("vlmdeployment") == told


def test_an_error_is_told_with_its_traceback() -> None:
    try:
        raise ValueError("größer")
    except ValueError as error:
        found = line(record("failed", error=error))
    assert found["error"].startswith("Traceback")
    assert found["error"].endswith("ValueError: größer\n")
    assert "error" not in line(record("fine"))


def test_letters_are_written_as_they_are() -> None:
    assert "größer" in JsonFormatter().format(record("größer"))


@pytest.fixture
def _loggers() -> Iterator[None]:
    root, quiet = logging.getLogger(), logging.getLogger("urllib3")
    kept = root.handlers[:], root.level, quiet.level
    yield
    root.handlers[:], root.level = kept[0], kept[1]
    quiet.setLevel(kept[2])


@pytest.mark.usefixtures("_loggers")
@pytest.mark.parametrize(
    ("form", "level", "is_json", "shown", "of_libraries"),
    [
        pytest.param("json", "info", True, logging.INFO, logging.WARNING, id="libraries say less"),
        pytest.param("plain", "debug", False, logging.DEBUG, logging.WARNING, id="even with debug"),
        pytest.param("json", "error", True, logging.ERROR, logging.ERROR, id="and no more than the operator"),
    ],
)
def test_the_level_holds_for_all_and_libraries_are_quieter(
    form: str, level: str, is_json: bool, shown: int, of_libraries: int
) -> None:
    set_up(form, level)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stderr
    assert isinstance(handler.formatter, JsonFormatter) is is_json
    assert logging.getLogger().level == shown
    assert logging.getLogger("urllib3").level == of_libraries
