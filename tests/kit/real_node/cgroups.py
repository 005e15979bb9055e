"""A cgroup of the node's own, above those of its pods: so that their share of the CPU outlives a kubelet's restart."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
NAME: Final = "vlm-real"

_SHARES: Final = 8192
"""cgroup v1: as much as eight ordinary processes have."""
_WEIGHT: Final = 800
"""cgroup v2: the same, where an ordinary cgroup has 100."""


def _unified() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """Where cgroups are made: one folder with cgroup v2, one for each controller with v1."""
    if _unified():
        return [ROOT]
    seen: dict[tuple[int, int], Path] = {}
    for folder in sorted(ROOT.iterdir()):
        if (folder / "cgroup.procs").exists():
            seen.setdefault((folder.stat().st_dev, folder.stat().st_ino), folder)
    return list(seen.values())


def make_cgroup() -> None:
    """Make it, with a larger share of the CPU than a process has: the node's pods are what the tests wait for."""
    for hierarchy in hierarchies():
        (hierarchy / NAME).mkdir(exist_ok=True)
    if _unified():
        controllers = (ROOT / "cgroup.controllers").read_text().split()
        (ROOT / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
        (ROOT / NAME / "cpu.weight").write_text(str(_WEIGHT))
        return
    for hierarchy in hierarchies():
        if (shares := hierarchy / NAME / "cpu.shares").exists():
            shares.write_text(str(_SHARES))


def remove_cgroup(within: float = 10) -> list[str]:
    """Remove it with all below it, once its processes have ended; what could not be removed."""
    deadline = time.monotonic() + within
    while True:
        for hierarchy in hierarchies():
            below = sorted((hierarchy / NAME).rglob("*/"), key=lambda folder: -len(folder.parts))
            for folder in (*below, hierarchy / NAME):
                with contextlib.suppress(OSError):
                    folder.rmdir()
        left = [str(hierarchy / NAME) for hierarchy in hierarchies() if (hierarchy / NAME).exists()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)
