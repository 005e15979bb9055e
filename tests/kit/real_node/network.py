"""The node's network: a bridge of its own, whose address is the node's and the pods' gateway. Nothing is routed out."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

BRIDGE: Final = "vlmreal0"
SUBNET: Final = "10.231.0.0/24"
NODE_ADDRESS: Final = "10.231.0.1"


def make_bridge() -> None:
    """Make it.

    Raises:
        RuntimeError: the words of ``ip``.
    """
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", f"{NODE_ADDRESS}/{SUBNET.partition('/')[2]}", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")


def bridge_exists() -> bool:
    """True while it is there."""
    return Path("/sys/class/net", BRIDGE).exists()


def remove_bridge() -> None:
    """Remove it, if it is there."""
    if bridge_exists():
        _ip("link", "delete", BRIDGE)


def pod_network(addresses: Path) -> dict[str, Any]:
    """CNI's configuration of the pods' network.

    Args:
        addresses: folder that remembers which address is whose.
    """
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": SUBNET}]], "dataDir": str(addresses)},
    }
    return {"cniVersion": "1.0.0", "name": "vlm-real", "plugins": [bridge]}


def write_pod_network(folder: Path, addresses: Path) -> None:
    """That configuration as the one file of CNI's folder."""
    folder.mkdir(parents=True)
    (folder / "10-vlm-real.conflist").write_text(json.dumps(pod_network(addresses), indent=1))


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
