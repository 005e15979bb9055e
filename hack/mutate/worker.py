"""Runs tests against one mutant after another in a copy of the checkout; each in a process of its own.

Reads one JSON object a line: ``{"path", "source", "tests", "cpu_seconds"}``; answers each with one word. pytest and
everything that is not under test is imported once, and each run is a fork of that.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from mutate.reach import Recorder, Selection

HEAVY: Final = ("kubernetes.client", "pydantic", "yaml", "click", "rich.table", "jinja2", "huggingface_hub",
                "prometheus_client", "kubernetes_validate", "syrupy", "hypothesis.stateful")  # fmt: skip
WALL: Final = 12
"""A run may take so many times its processor time: the machine may be busy with other things."""
MEMORY: Final = 6 * 2**30
OPTIONS: Final = ("-q", "-x", "-p", "no:cacheprovider", "--hypothesis-profile=mutate", "--timeout=120")


def main() -> None:
    root = Path.cwd()
    settings.register_profile(
        "mutate", max_examples=12, stateful_step_count=15, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    for name in HEAVY:
        importlib.import_module(name)
    for line in sys.stdin:
        task = json.loads(line)
        answer = record(root, task) if "record" in task else judge(root, task)
        print(answer, file=sys.__stdout__, flush=True)


def record(root: Path, task: dict[str, Any]) -> str:
    """Run all of ``task["paths"]`` and write what each test reaches to ``task["record"]``."""
    options = [option for option in OPTIONS if option != "-x"]
    return in_child(lambda: pytest.main([*options, *task["paths"]], [Recorder(root, Path(task["record"]))]), None)


def judge(root: Path, task: dict[str, Any]) -> str:
    """Put the mutant in its place, run the tests, put the original back."""
    path = root / task["path"]
    original = path.read_bytes()
    files = sorted({test.split("::")[0] for test in task["tests"]})
    path.write_bytes(task["source"].encode())
    try:
        return in_child(lambda: pytest.main([*OPTIONS, *files], [Selection(task["tests"])]), task["cpu_seconds"])
    finally:
        path.write_bytes(original)


def in_child(run: Any, cpu_seconds: int | None) -> str:
    """``passed``, ``failed`` or ``timeout``."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        nowhere = os.open(os.environ.get("MUTATE_OUTPUT", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        if cpu_seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 2))
        code = 3
        try:
            code = int(run())
        finally:
            os._exit(code)
    deadline = time.monotonic() + (WALL * cpu_seconds if cpu_seconds is not None else 7200)
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            _end_group(child)
            if os.WIFSIGNALED(status):
                return "timeout"
            return "passed" if os.WEXITSTATUS(status) in {0, 5} else "failed"
        time.sleep(0.02)
    _end_group(child)
    os.waitpid(child, 0)
    return "timeout"


def _end_group(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
