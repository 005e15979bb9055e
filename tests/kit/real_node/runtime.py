"""containerd, runc and CNI's plugins: those of the machine, or Debian's packages unpacked into the cache.

Unpacked, not installed: no service is started, and nothing outside the cache changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kit.real_node.folders import cache

PACKAGES: Final = ("containerd", "runc", "containernetworking-plugins")
PROGRAMS: Final = ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
PLUGINS: Final = ("bridge", "host-local", "loopback")
_PLUGIN_FOLDERS: Final = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))


@dataclass(frozen=True)
class Runtime:
    """Where the programs are.

    Attributes:
        path: value of PATH under which all of them are found.
        plugins: folder of CNI's plugins.
    """

    path: str
    plugins: Path


def _unpacked() -> Path:
    return cache() / "runtime"


def find_runtime() -> Runtime | None:
    """Those of the machine, else those unpacked earlier, else None."""
    unpacked = _unpacked()
    own = os.pathsep.join(str(unpacked / folder) for folder in ("usr/bin", "usr/sbin"))
    here = os.environ.get("PATH", os.defpath)
    for path, folders in ((here, _PLUGIN_FOLDERS), (f"{own}{os.pathsep}{here}", (unpacked / "usr/lib/cni",))):
        plugins = next((folder for folder in folders if all((folder / name).exists() for name in PLUGINS)), None)
        if plugins is not None and all(shutil.which(name, path=path) for name in PROGRAMS):
            return Runtime(path, plugins)
    return None


def unpack_runtime(say: Callable[[str], None]) -> Runtime:
    """Download Debian's packages with the machine's own apt and unpack them.

    Raises:
        RuntimeError: apt-get or dpkg-deb failed, with their words.
    """
    folder = _unpacked()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"{', '.join(PACKAGES)}: Debian's packages by apt-get download, unpacked into {folder}")
    try:
        _run(["apt-get", "download", *PACKAGES], folder)
    except RuntimeError:
        _run(["apt-get", "update"], folder)  # lists older than the mirror name files that are gone
        _run(["apt-get", "download", *PACKAGES], folder)
    for package in folder.glob("*.deb"):
        _run(["dpkg-deb", "-x", str(package), str(folder)], folder)
        package.unlink()
    found = find_runtime()
    if found is None:
        raise RuntimeError(f"the packages {', '.join(PACKAGES)} do not hold {', '.join((*PROGRAMS, *PLUGINS))}")
    return found


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
