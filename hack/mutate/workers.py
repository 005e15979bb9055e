"""Copies of the checkout, each with a process that runs tests in it: a mutant is never put into the checkout itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from project import ROOT

NICENESS: Final = 5
"""A run leaves the machine to others."""


class Workers:
    """Copies of the checkout in a temporary folder, each with a process that runs tests in it."""

    def __init__(self, folder: Path, count: int) -> None:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self._all: list[subprocess.Popen[str]] = []
        for number in range(count):
            copy = folder / str(number)
            for name in filter(None, files):
                if (ROOT / name).is_file():
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(ROOT / name, copy / name)
            self._start(copy)

    def _start(self, copy: Path) -> None:
        by_content = ("-m", "compileall", "-q", "--invalidation-mode=checked-hash", "operator", "tests")
        subprocess.run([sys.executable, *by_content], cwd=copy, check=True)
        path = os.pathsep.join(str(copy / name) for name in ("operator", "tests", "hack"))
        worker = subprocess.Popen(
            ["nice", "-n", str(NICENESS), sys.executable, "-m", "mutate.worker"],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._all.append(worker)
        self._idle.put(worker)

    def ask(self, task: dict[str, object]) -> str:
        """Give a task to the next idle worker and wait for its answer."""
        worker = self._idle.get()
        try:
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write(json.dumps(task) + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline().strip()
            if not answer:
                raise RuntimeError("a worker ended")
            return answer
        finally:
            self._idle.put(worker)

    def stop(self) -> None:
        """End the workers."""
        for worker in self._all:
            assert worker.stdin is not None
            worker.stdin.close()
            worker.wait()
