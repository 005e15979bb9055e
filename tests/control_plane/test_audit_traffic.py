"""``vlmctl audit`` reads ``/metrics`` of servers through a real API server, and says what it could not read."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kit.audit_cluster import PHOTOS, VL8, simulated_cluster
from kit.audit_manifests import node, pod
from kit.control_plane import Cluster

pytestmark = pytest.mark.control_plane

NODE, PRODUCT = "traffic-h100", "NVIDIA-H100-80GB-HBM3"
LITTLE_USED = simulated_cluster().metrics["models", "hardly-used"]
PREEMPTING = simulated_cluster().metrics["models", "preempting"]
NAMESPACE = "audited-traffic"


def own_address() -> str:
    """An address of this machine that is not loopback, which an API server does not proxy to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))  # nothing is sent
        address: str = probe.getsockname()[0]
    return address


@pytest.fixture(scope="module")
def address() -> str:
    try:
        found = own_address()
    except OSError:
        found = "127.0.0.1"
    if found.startswith("127."):
        pytest.skip("this machine has no address but loopback, which an API server does not proxy to")
    return found


@pytest.fixture(scope="module")
def ports(address: str) -> Iterator[dict[str, int]]:
    """Ports by the name of the pod that listens there."""
    servers = {}
    for name, page in (("little-used", LITTLE_USED), ("preempting", PREEMPTING), ("another-program", "up 1\n")):

        class Page(BaseHTTPRequestHandler):
            body = page.encode()

            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/metrics" else 404)
                self.end_headers()
                self.wfile.write(self.body)

            def log_message(self, format: str, *args: Any) -> None: ...

        servers[name] = ThreadingHTTPServer((address, 0), Page)
        threading.Thread(target=servers[name].serve_forever, daemon=True).start()
    with socket.socket() as closed:
        closed.bind((address, 0))
        yield {name: server.server_port for name, server in servers.items()} | {"silent": closed.getsockname()[1]}
    for server in servers.values():
        server.shutdown()
        server.server_close()


def status(address: str) -> dict[str, Any]:
    """A running pod, as a kubelet reports it."""
    since = "2026-11-30T05:00:00Z"
    container = {"name": "server", "image": "vllm", "imageID": "", "ready": True, "restartCount": 0, "started": True}
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}],
        "containerStatuses": [{**container, "state": {"running": {"startedAt": since}}}],
    }


@pytest.fixture(scope="module")
def serving(cluster: Cluster, address: str, ports: dict[str, int]) -> Iterator[Cluster]:
    """A node with a pod for each port."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.wait("its ServiceAccount", lambda: cluster.get("serviceaccount", "default", NAMESPACE))
    host = node(NODE, PRODUCT, 8)
    host["metadata"]["annotations"] = {"kwok.x-k8s.io/node": "fake"}
    cluster.apply(host)
    for name, port in ports.items():
        args = [VL8, "--max-model-len", "32768", *PHOTOS, "--port", str(port)]
        manifest = pod(name, NODE, args=args, namespace=NAMESPACE, container="server")
        manifest["metadata"].pop("uid")
        cluster.apply({key: manifest[key] for key in ("apiVersion", "kind", "metadata", "spec")})
        cluster.wait(
            "KWOK runs it", lambda name=name: cluster.get("pod", name, NAMESPACE)["status"]["phase"] == "Running"
        )
        patch = json.dumps({"status": status(address)})
        cluster.kubectl("-n", NAMESPACE, "patch", "pod", name, "--subresource=status", "--type=merge", "-p", patch)
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    cluster.kubectl("delete", "node", NODE)


def audited(kubeconfig: Path, *flags: str) -> tuple[dict[str, set[str]], str]:
    """(kinds of findings by pod, what was said on stderr) of a live audit of the namespace."""
    command = [str(Path(sys.executable).with_name("vlmctl")), "audit", "-n", NAMESPACE, "-o", "json", *flags]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    found: dict[str, set[str]] = {}
    for each in json.loads(done.stdout)["findings"]:
        found.setdefault(each["object"]["name"], set()).add(each["kind"])
    return found, done.stderr


def test_what_servers_say_of_their_traffic_becomes_findings(serving: Cluster) -> None:
    found, said = audited(serving.kubeconfig)
    assert found["little-used"] == {"CacheUnused", "ContextOversized"}
    assert found["preempting"] == {"RequestsPreempted"}
    assert said == ""


def test_a_server_that_does_not_answer_and_one_of_another_program_take_nothing_from_the_others(
    serving: Cluster,
) -> None:
    found, _ = audited(serving.kubeconfig)
    assert found.keys() == {"little-used", "preempting"}


def test_metrics_are_left_alone_where_that_is_asked_for(serving: Cluster) -> None:
    assert audited(serving.kubeconfig, "--no-metrics") == ({}, "")


def test_without_the_right_the_rest_is_audited_and_the_right_is_named(serving: Cluster) -> None:
    may_list = {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": ["list"]}
    account = {"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}
    name = {"name": "audited-traffic-reader"}
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": name, "rules": [may_list]}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": name,
        "subjects": [account],
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", **name},
    }
    serving.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": NAMESPACE}}
    )
    serving.apply(role, binding)
    try:
        kubeconfig = serving.service_account_kubeconfig(NAMESPACE, "reader")
        found, said = audited(kubeconfig)
    finally:
        serving.kubectl("delete", "clusterrole,clusterrolebinding", name["name"])
    assert found == {}
    assert "metrics are not read" in said
    assert "get pods/proxy" in said
