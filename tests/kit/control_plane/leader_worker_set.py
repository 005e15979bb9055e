"""``LeaderWorkerSetManager``: the real manager of LeaderWorkerSet beside a cluster, with its CRDs and webhooks."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from kit.control_plane.cluster import REPOSITORY, Cluster, find_tools
from kit.control_plane.ports import free_port

NAME: Final = "lws-manager"
CRDS: Final = ("leaderworkersets.leaderworkerset.x-k8s.io", "disaggregatedsets.disaggregatedset.x-k8s.io")
"""Kinds that the manager watches."""

READY_SECONDS: Final = 60
HOOKS: Final = ("mutatingwebhookconfiguration/lws", "validatingwebhookconfiguration/lws")


class LeaderWorkerSetManager:
    """CRDs, webhooks and the process; all gone after ``stop``.

    The webhooks are part of it: the one of pods gives every pod its rank and its group's addresses, and without it no
    group forms.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._folder = cluster.folder / NAME
        self._binary = find_tools(NAME) / NAME
        self._process: subprocess.Popen[bytes] | None = None
        self._port, self._health = free_port(), free_port()

    def install(self) -> None:
        """CRDs and webhooks, as its manifests bring them: nothing of the kinds is accepted before the manager runs."""
        authority = base64.b64encode((self._cluster.pki / "ca.crt").read_bytes()).decode()
        self._cluster.apply(*_webhooks(f"https://127.0.0.1:{self._port}", authority))
        script = [sys.executable, str(REPOSITORY / "hack/tools/crds"), "leaderworkerset"]
        found = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=True)
        for path in found.stdout.split():
            self._cluster.kubectl("apply", "--server-side", "-f", path)
        self._cluster.wait("the kinds are served", lambda: all(self._is_served(name) for name in CRDS))

    def _is_served(self, name: str) -> bool:
        conditions = (self._cluster.get("crd", name).get("status") or {}).get("conditions") or ()
        return any((entry["type"], entry["status"]) == ("Established", "True") for entry in conditions)

    def start(self) -> None:
        """Start the manager and wait until it and its webhooks answer.

        Raises:
            RuntimeError: it ended, or is not ready in time; with the end of its log.
        """
        self._folder.mkdir(exist_ok=True)
        for name, source in (("tls.crt", "admin.crt"), ("tls.key", "admin.key")):  # the API server's own, for 127.0.0.1
            (self._folder / name).write_bytes((self._cluster.pki / source).read_bytes())
        (self._folder / "config.json").write_text(json.dumps(_configuration(self._folder, self._port, self._health)))
        log, command = self._folder / "log", [str(self._binary), f"--config={self._folder / 'config.json'}"]
        environment = os.environ | {"KUBECONFIG": str(self._cluster.kubeconfig)}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + READY_SECONDS
        while not (_answers(f"http://127.0.0.1:{self._health}/readyz") and b"Starting workers" in log.read_bytes()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the LeaderWorkerSet manager did not get ready:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Remove the webhooks, end the process, remove the CRDs and with them every LeaderWorkerSet."""
        self._cluster.kubectl("delete", "--ignore-not-found", *HOOKS)
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None
        self._cluster.kubectl("delete", "crd", "--ignore-not-found", *CRDS)


def _configuration(folder: Path, port: int, health: int) -> dict[str, Any]:
    """What the manager reads (``api/config/v1alpha1``): alone, with a certificate that somebody else made."""
    return {
        "apiVersion": "config.lws.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "webhook": {"host": "127.0.0.1", "port": port, "certDir": str(folder)},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
        "metrics": {"bindAddress": "0"},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
    }


def _webhooks(address: str, authority: str) -> Iterable[dict[str, Any]]:
    """The manager's webhooks by address, as its manifests register them by Service: LeaderWorkerSets and their pods."""
    sets = {"apiGroups": ["leaderworkerset.x-k8s.io"], "apiVersions": ["v1"], "resources": ["leaderworkersets"]}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    of_sets = {"matchExpressions": [{"key": "leaderworkerset.sigs.k8s.io/name", "operator": "Exists"}]}

    def hook(name: str, path: str, rule: dict[str, Any], operations: list[str], **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "clientConfig": {"url": f"{address}/{path}", "caBundle": authority},
            "rules": [{**rule, "operations": operations}],
            **more,
        }

    both = ["CREATE", "UPDATE"]
    kind = "leaderworkerset-x-k8s-io-v1-leaderworkerset"
    for sort, hooks in (
        (
            "Mutating",
            [
                hook("mleaderworkerset.kb.io", f"mutate-{kind}", sets, both),
                hook("mpod.kb.io", "mutate--v1-pod", pods, ["CREATE"], objectSelector=of_sets),
            ],
        ),
        ("Validating", [hook("vleaderworkerset.kb.io", f"validate-{kind}", sets, both)]),
    ):
        yield {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{sort}WebhookConfiguration",
            "metadata": {"name": "lws"},
            "webhooks": hooks,
        }


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
