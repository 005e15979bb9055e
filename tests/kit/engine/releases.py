"""The code of vLLM releases for CUDA, with a Python that can import it: got once, kept outside the checkout.

Only the Python files of vLLM's wheels are kept; PyTorch and the other requirements are installed once and shared, as
the program simulates the device and needs no compiled part of vLLM. ``VLM_OPERATOR_ENGINE_PYTHON`` and
``VLM_OPERATOR_ENGINE_SOURCES`` (a folder with ``RELEASE/vllm``) name ones that are there already.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RELEASES: Final = ("0.23.0", "0.28.0", "0.32.0")
TORCH: Final = ("torch==2.13.0", "torchvision==0.28.0")
FURTHER: Final = ("timm", "numba", "diskcache", "opencv-python-headless", "gguf")
_NEEDLESS: Final = re.compile(
    r"torch|nvidia|flashinfer|quack|tilelang|apache-tvm|cuda|humming|triton|fastsafetensors|tokenspeed|outlines"
    r"|opencv|ray|mooncake|nixl|numba|nvtx|instanttensor|intel|lm-format|deep.?gemm|pynvvideocodec",
    re.IGNORECASE,
)
"""Requirements that compile for a GPU or serve requests: neither loading nor profiling a model imports them."""
_MARK: Final = (
    f"complete-{hashlib.sha256(repr((RELEASES[-1], TORCH, FURTHER, _NEEDLESS.pattern)).encode()).hexdigest()[:8]}"
)

SIZES: Final = (
    f"vLLM {', '.join(RELEASES)}: about 0.5 GB each as wheels, downloaded one after the other; 60 MB each are kept",
    f"{' '.join(TORCH)} and vLLM's requirements: about 6 GB installed",
)


@dataclass(frozen=True, slots=True)
class Release:
    """One release: the interpreter, and the folder that holds the package ``vllm``."""

    version: str
    python: Path
    sources: Path

    def environment(self) -> dict[str, str]:
        """Environment variables with which the interpreter finds that release."""
        return {**os.environ, "PYTHONPATH": str(self.sources)}


def folder() -> Path:
    """Where everything is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vlm-operator" / "engine"


def missing() -> tuple[str, ...]:
    """What would have to be downloaded, in words; nothing where all of it is there."""
    sources = _sources()
    wheels = [version for version in RELEASES if not (sources / version / "vllm").is_dir()]
    notes = [SIZES[0]] if wheels else []
    return tuple(notes + ([] if _is_installed() else [SIZES[1]]))


def prepare() -> tuple[Release, ...]:
    """Get what is missing; every release with its interpreter.

    Raises:
        CalledProcessError: pip could not get something.
    """
    sources = _sources()
    for version in RELEASES:
        if not (sources / version / "vllm").is_dir():
            _unpack(version, sources / version)
    python = _python()
    if not _is_installed():
        _install(python, sources / RELEASES[-1])
    return tuple(Release(version, python, sources / version) for version in RELEASES)


def _python() -> Path:
    return Path(os.environ.get("VLM_OPERATOR_ENGINE_PYTHON") or folder() / "venv/bin/python")


def _is_installed() -> bool:
    """True where the interpreter and all its packages are there: one that was cut, or of others, has no mark."""
    named = os.environ.get("VLM_OPERATOR_ENGINE_PYTHON")
    return Path(named).is_file() if named else (_python().parents[1] / _MARK).is_file()


def _sources() -> Path:
    return Path(os.environ.get("VLM_OPERATOR_ENGINE_SOURCES") or folder() / "sources")


def _unpack(version: str, target: Path) -> None:
    """The Python files of one wheel; they appear in the cache whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        work = Path(name)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", str(work), f"vllm=={version}"], check=True)
        wheel = next(work.glob("vllm-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            members = [each for each in archive.namelist() if not each.endswith(".so")]
            archive.extractall(work / "unpacked", members)
        (work / "unpacked").rename(target)


def _install(python: Path, newest: Path) -> None:
    """A virtual environment with PyTorch and what the newest release requires."""
    root = python.parents[1]
    shutil.rmtree(root, ignore_errors=True)
    metadata = next(newest.glob("vllm-*.dist-info/METADATA")).read_text(encoding="utf-8")
    lines = [line.removeprefix("Requires-Dist: ") for line in metadata.splitlines() if "Requires-Dist" in line]
    needed = [line for line in lines if "extra ==" not in line and not _NEEDLESS.match(line)]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(root)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *TORCH], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *needed, *FURTHER], check=True)
        (root / _MARK).touch()
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
