"""Which pod a process of the host runs in, by its control group."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_POD: Final = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})")
"""The kubelet's names of pod groups: ``kubepods-besteffort-pod1234abcd_….slice`` (systemd),
``kubepods/…/pod1234abcd-…`` (cgroupfs), and 32 digits for static pods."""


def pod_uid(pid: int, proc: Path) -> str | None:
    """UID of the pod, None for a process of the host or one that is gone.

    Args:
        proc: where processes of the host are seen.
    """
    try:
        groups = (proc / str(pid) / "cgroup").read_text()
    except OSError:
        return None
    match = _POD.search(groups)
    return match[1].replace("_", "-") if match else None
