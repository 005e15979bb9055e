"""What ``make test-engine`` downloads, and that only Python files of the wheels are kept."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kit.engine import releases


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("VLM_OPERATOR_ENGINE_PYTHON", raising=False)
    monkeypatch.delenv("VLM_OPERATOR_ENGINE_SOURCES", raising=False)
    return tmp_path / "vlm-operator" / "engine"


def test_sizes_are_said_before_anything_is_downloaded(cache: Path) -> None:
    assert releases.folder() == cache
    assert releases.missing() == releases.SIZES
    assert all("GB" in size for size in releases.missing())


def test_what_is_there_already_is_not_downloaded(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in releases.RELEASES:
        (tmp_path / "sources" / version / "vllm").mkdir(parents=True)
    monkeypatch.setenv("VLM_OPERATOR_ENGINE_SOURCES", str(tmp_path / "sources"))
    monkeypatch.setenv("VLM_OPERATOR_ENGINE_PYTHON", "/bin/sh")
    assert releases.missing() == ()
    assert [release.python for release in releases.prepare()] == [Path("/bin/sh")] * len(releases.RELEASES)


def test_only_python_files_of_a_wheel_are_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pip(command: list[str], **options: Any) -> None:
        assert command[-1].startswith("vllm==")
        wheel = Path(command[command.index("--dest") + 1]) / "vllm-0.32.0-cp38-abi3-manylinux_2_28_x86_64.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("vllm/__init__.py", "")
            archive.writestr("vllm/_C.abi3.so", "machine code")
            archive.writestr("vllm-0.32.0.dist-info/METADATA", "Name: vllm\nVersion: 0.32.0\n")

    monkeypatch.setattr(subprocess, "run", pip)
    monkeypatch.setenv("VLM_OPERATOR_ENGINE_PYTHON", "/bin/sh")
    (first, *_) = releases.prepare()
    kept = sorted(str(path.relative_to(first.sources)) for path in first.sources.rglob("*") if path.is_file())
    assert kept == ["vllm-0.32.0.dist-info/METADATA", "vllm/__init__.py"]
    assert first.environment()["PYTHONPATH"] == str(cache / "sources" / first.version)


@pytest.mark.parametrize(
    ("requirement", "needless"),
    [
        pytest.param("torch==2.13.0", True, id="installed beforehand"),
        pytest.param("flashinfer-python==0.7", True, id="compiles for a GPU"),
        pytest.param("nvidia-cutlass-dsl>=4", True, id="NVIDIA's libraries"),
        pytest.param("transformers>=5.16", False, id="reads configs and processors"),
        pytest.param("pydantic>=2.12", False, id="vLLM's own configuration"),
    ],
)
def test_requirements_that_need_a_gpu_are_left_out(requirement: str, needless: bool) -> None:
    assert bool(releases._NEEDLESS.match(requirement)) is needless
