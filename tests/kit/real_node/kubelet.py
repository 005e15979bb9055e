"""The kubelet's configuration and command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from kit.real_node.cgroups import NAME
from kit.real_node.containerd import SOCKET
from kit.real_node.network import NODE_ADDRESS

NODE: Final = "real"


def configuration(lab: Path, authority: Path) -> dict[str, Any]:
    """Its configuration.

    Args:
        authority: certificate of the authority that signed the API server's client certificate: nobody else is heard.
    """
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{NAME}",
        "containerRuntimeEndpoint": f"unix://{lab / SOCKET}",
        "enforceNodeAllocatable": ["pods"],
        "evictionHard": {"imagefs.available": "1%", "nodefs.available": "1%", "memory.available": "100Mi"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "healthzPort": 0,
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
        "podLogsDir": str(lab / "pod-logs"),
        "readOnlyPort": 0,
        "resolvConf": str(lab / "resolv.conf"),
        "volumePluginDir": str(lab / "volume-plugins"),
    }


def command(program: Path, lab: Path, kubeconfig: Path, authority: Path) -> list[str]:
    """Its command line, with its configuration written."""
    path = lab / "kubelet.yaml"
    path.write_text(yaml.safe_dump(configuration(lab, authority)))
    (lab / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    return [
        str(program),
        f"--config={path}",
        f"--kubeconfig={kubeconfig}",
        f"--cert-dir={lab / 'kubelet-certificates'}",
        f"--root-dir={lab / 'kubelet'}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
        "--v=2",
    ]
