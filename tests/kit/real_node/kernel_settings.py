"""Settings of the kernel that a kubelet and CNI's bridge change: remembered, and put back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SETTINGS: Final = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
)
"""The kubelet sets all but the last (``pkg/util/sysctl``), the plugin ``bridge`` the last."""


def read_settings() -> dict[str, str]:
    """The settings as they are."""
    paths = {name: Path("/proc/sys", name) for name in SETTINGS}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


def restore_settings(settings: Mapping[str, str]) -> None:
    """Write back those that have changed since."""
    now = read_settings()
    for name, value in settings.items():
        if now.get(name) != value:
            with contextlib.suppress(OSError):
                Path("/proc/sys", name).write_text(value)
