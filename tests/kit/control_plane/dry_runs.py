"""What the kubelet does with a dry run's pod: its container ends, with a recorded report or another end.

KWOK has the pod Running; its containers' statuses are written here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from kit.control_plane.cluster import REPOSITORY, Cluster
from vlm_operator.dryrun.transport import deliver

REPORTS: Final = REPOSITORY / "tests" / "data" / "dry_runs"


def recorded_report(name: str, **changes: Any) -> dict[str, Any]:
    """A report that the program wrote inside vLLM."""
    report: dict[str, Any] = json.loads((REPORTS / f"{name}.json").read_text())
    return {**report, **changes}


def running_pod(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """The running pod of the dry run of a VLMDeployment, once there is one.

    Raises:
        TimeoutError: there was none within a minute.
    """

    def seen() -> dict[str, Any] | None:
        pods = cluster.get("pods", None, namespace, "-l", f"vlm-operator.dev/dry-run-of={name}")["items"]
        running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
        return running[-1] if running else None

    found: dict[str, Any] = cluster.wait(f"the pod of {name}'s dry run runs", seen)
    return found


def answer(cluster: Cluster, namespace: str, name: str, report: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The program ends with this report, as its termination message; the pod as it was before.

    Args:
        folder: for the message, as the container has ``/dev/termination-log``.
    """
    deliver(report, str(folder / "message"), io.StringIO())
    message = (folder / "message").read_text()
    return end(cluster, namespace, name, {"exitCode": 0, "reason": "Completed", "message": message})


def end(cluster: Cluster, namespace: str, name: str, terminated: Mapping[str, Any]) -> dict[str, Any]:
    """The container ends in this state; the pod as it was before."""
    pod = running_pod(cluster, namespace, name)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = {"terminated": {"startedAt": now, "finishedAt": now, **terminated}}
    container = {"name": "dry-run", "image": "simulated", "imageID": "", "ready": False, "restartCount": 0}
    phase = "Succeeded" if terminated["exitCode"] == 0 else "Failed"
    status = {"phase": phase, "containerStatuses": [{**container, "state": state}]}
    where = ("-n", namespace, "--subresource=status", "--type=merge")
    cluster.kubectl("patch", "pod", pod["metadata"]["name"], *where, "-p", json.dumps({"status": status}))
    return pod
