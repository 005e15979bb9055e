"""Hold the node's namespaces, and undo what the node changed on this machine when the process that wants it is gone.

``python -m kit.real_node.guard LAB`` makes network, cgroup and namespaces, prints the process id of the namespaces'
first process, and waits for the end of its standard input: the other end of that pipe closes however the other process
ends, ``kill -9`` included. With the namespaces' first process the kernel ends every process of the node, and with the
last of them the node's mounts are gone.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from kit.real_node.cgroups import make_cgroup, remove_cgroup
from kit.real_node.folders import HERE, take_lab
from kit.real_node.kernel_settings import read_settings, restore_settings
from kit.real_node.network import make_bridge, remove_bridge

PLACES: Final = (
    "/run/containerd",
    "/run/mount",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
)
"""Folders that containerd, the kubelet and mount write to whatever their configuration says."""


def undo(lab: Path) -> list[str]:
    """Undo what a run left, its processes gone; what could not be undone."""
    left = remove_cgroup()
    remove_bridge()
    notes = lab / "before.json"
    if notes.exists():
        before = json.loads(notes.read_text())
        restore_settings(before["settings"])
        for place in before["missing"]:
            with contextlib.suppress(OSError):
                Path(place).rmdir()
    shutil.rmtree(lab, ignore_errors=True)
    return left


def first_process_of(parent: int, within: float = 10) -> int:
    """The first child of a process."""
    deadline = time.monotonic() + within
    while True:
        with contextlib.suppress(OSError):
            if children := Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                return int(children[0])
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {parent} started nothing within {within:.0f} s")
        time.sleep(0.02)


def main() -> None:
    """Hold, then undo."""
    lab = Path(sys.argv[1])
    held = take_lab()
    if held is None:
        sys.exit(f"another run uses {lab}")
    undo(lab)  # what a run left whose guard was killed
    lab.mkdir(parents=True)
    missing = [place for place in PLACES if not Path(place).exists()]
    (lab / "before.json").write_text(json.dumps({"settings": read_settings(), "missing": missing}))
    for place in PLACES:
        Path(place).mkdir(parents=True, exist_ok=True)
    holder = None
    try:
        make_cgroup()
        make_bridge()
        unshare = ["unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--mount-proc"]
        first = [sys.executable, str(HERE / "first_process.py"), *PLACES]
        holder = subprocess.Popen(
            [*unshare, "--propagation=private", *first], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdout is not None
        if holder.stdout.readline() != b"ready\n":
            raise RuntimeError("the namespaces' first process ended")
        print(first_process_of(holder.pid), flush=True)
        sys.stdin.read()
    finally:
        if holder is not None:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
        if left := undo(lab):
            print(f"not removed: {', '.join(left)}", file=sys.stderr)


if __name__ == "__main__":
    main()
