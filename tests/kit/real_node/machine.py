"""Whether this machine can hold the real node: every reason why not, and what would help."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from kit.real_node.cgroups import hierarchies
from kit.real_node.folders import cache, lab, take_lab
from kit.real_node.network import NODE_ADDRESS, bridge_exists
from kit.real_node.runtime import PACKAGES, find_runtime
from kit.real_node.vllm_environment import DOWNLOAD_GB, INSTALLED_GB, vllm_environment

MEMORY_GB: Final = 8
"""Two vLLM servers with a KV cache of 1 to 2 GiB each, and the control plane."""

RUN_GB: Final = 2
"""What one run writes: logs, and the pods' shared memory and files."""

_COMMANDS: Final = ("ip", "ldd", "mount", "nsenter", "unshare")
_PYTHONS: Final = ((3, 11), (3, 14))
"""Of these the lock's packages have builds."""


def refusals() -> list[str]:
    """Reasons why the real node cannot run here, each with what would help; empty where it can."""
    if sys.platform != "linux":
        return [f"it needs Linux: a kubelet and containerd do not run on {sys.platform}"]
    found = []
    if os.geteuid() != 0:
        found.append("it needs root, for namespaces, cgroups and a bridge: run it as root on a machine for tests")
    if platform.machine() != "x86_64":
        found.append(f"vLLM's CPU build is locked for x86_64, this is {platform.machine()}")
    if not _PYTHONS[0] <= sys.version_info[:2] <= _PYTHONS[1]:
        found.append(f"vLLM's CPU build needs Python 3.11 to 3.14, this is {platform.python_version()}")
    if missing := [name for name in _COMMANDS if shutil.which(name) is None]:
        found.append(f"not on the PATH: {', '.join(missing)} (Debian: iproute2, util-linux, libc-bin)")
    if find_runtime() is None and not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        found.append(f"no {', '.join(PACKAGES)} here, and no apt-get to download them: install them")
    if (memory := _available_gb()) < MEMORY_GB:
        found.append(f"it needs {MEMORY_GB} GB of free memory, {memory:.1f} GB are available")
    needed, free = _disk_gb(), _free_gb(cache())
    if free < needed:
        found.append(f"it needs {needed} GB of disk in {cache()}, {free:.1f} GB are free (XDG_CACHE_HOME moves it)")
    if not found:
        found += _in_the_way()
    return found


def _in_the_way() -> list[str]:
    if not any(os.access(hierarchy, os.W_OK) for hierarchy in hierarchies()):
        return ["the cgroups of this machine cannot be written: run it outside a container"]
    held = take_lab()
    if held is None:
        return [f"another run uses {lab()}: wait for its end"]
    held.close()
    routed = subprocess.run(["ip", "route", "get", NODE_ADDRESS], capture_output=True, text=True, check=False).stdout
    if not bridge_exists() and routed and " via " not in routed:
        return [f"{NODE_ADDRESS} belongs to a network of this machine: {routed.strip()}"]
    return []


def _available_gb() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return kilobytes * 1024 / 1e9


def _disk_gb() -> int:
    return RUN_GB if vllm_environment().ready else RUN_GB + DOWNLOAD_GB + INSTALLED_GB


def _free_gb(folder: Path) -> float:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(existing).free / 1e9
