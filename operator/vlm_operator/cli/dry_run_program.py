"""Run the program ``dryrun`` where vLLM is: this Python, another one, or a container image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.sources.dry_run_program import write_program

LONGEST_SECONDS: Final = 1800
_VERSION: Final = "import importlib.metadata as m; print(m.version('vllm').partition('+')[0])"
_MODEL_IN_IMAGE: Final = "/model"
_PROGRAM_IN_IMAGE: Final = "/opt/vlm-operator"


@dataclass(frozen=True, slots=True)
class EngineEnvironment:
    """Where vLLM is.

    Attributes:
        python: the interpreter, or None for an image.
        image: the container image, or None for an interpreter.
    """

    python: str | None = None
    image: str | None = None

    @property
    def name(self) -> str:
        """In words."""
        return self.image or self.python or ""

    def vllm_version(self) -> str:
        """The vLLM release that it has.

        Raises:
            UnknownFact: it has none.
        """
        done = _run(self._command(["-c", _VERSION]), "", _with_program(None), self.name)
        version = done.stdout.strip().splitlines()[-1:] if done.returncode == 0 else []
        if not version:
            raise UnknownFact(
                f"dry run: {self.name} has no vLLM: {_last_line(done.stderr)}",
                field="python",
                hint="name a Python that has vLLM with --python, or an image with --image",
            )
        return version[0]

    def run(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The report of one request.

        Raises:
            UnknownFact: the program ended without one.
        """
        with tempfile.TemporaryDirectory(prefix="vlm-dry-run-") as name:
            folder = write_program(Path(name))
            asked, mounts = dict(request), []
            if self.image is not None:
                mounts = [(str(folder), _PROGRAM_IN_IMAGE), (str(request["model"]), _MODEL_IN_IMAGE)]
                asked["model"] = _MODEL_IN_IMAGE
            command = self._command(["-m", "dryrun", "-"], mounts)
            done = _run(command, json.dumps(asked), _with_program(None if self.image else folder), self.name)
        try:
            report = json.loads(done.stdout)
        except json.JSONDecodeError as error:
            raise UnknownFact(
                f"dry run: the program in {self.name} ended with exit code {done.returncode} and no report: "
                f"{_last_line(done.stderr)}",
                field="python",
                hint="its last line says why; a run takes 1 to 3 GB of the machine's memory",
            ) from error
        found: dict[str, Any] = report
        return found

    def _command(self, arguments: Sequence[str], mounts: Sequence[tuple[str, str]] = ()) -> list[str]:
        if self.image is None:
            return [str(self.python), *arguments]
        volumes = [part for source, target in mounts for part in ("-v", f"{source}:{target}:ro")]
        return [
            container_tool(), "run", "--rm", "-i", "--network", "none", *volumes,
            "-e", f"PYTHONPATH={_PROGRAM_IN_IMAGE}", "--entrypoint", "python3", self.image, *arguments,
        ]  # fmt: skip


def environment_of(python: str | None, image: str | None) -> EngineEnvironment:
    """The environment that the options name; this Python where they name none.

    Raises:
        InputError: both are named, or the interpreter is not there.
    """
    if python and image:
        raise InputError("python: --python and --image exclude each other", field="python", hint="give one of them")
    if image:
        return EngineEnvironment(image=image)
    found = shutil.which(os.path.expanduser(python)) if python else sys.executable
    if found is None:
        raise InputError(f"python: {python} is no program", field="python", hint="give the path of an interpreter")
    return EngineEnvironment(python=found)


def container_tool() -> str:
    """Docker or podman, whichever is there.

    Raises:
        InputError: neither is.
    """
    tool = shutil.which("docker") or shutil.which("podman")
    if tool is None:
        raise InputError(
            "image: neither docker nor podman is on this machine", field="image", hint="use --python with a Python"
        )
    return tool


def _with_program(folder: Path | None) -> dict[str, str]:
    """The process' environment, with the program's folder first on Python's path."""
    environment = dict(os.environ)
    if folder is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), environment.get("PYTHONPATH"))))
    return environment


def _run(
    command: Sequence[str], text: str, environment: Mapping[str, str], name: str
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnknownFact(f"dry run: {name} could not be run: {error}", field="python") from error


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it printed nothing"
