"""A control plane, a real node and the operator under the chart's rights, for all tests; gone when pytest is gone."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from kit.control_plane import Cluster, OperatorProcess
from kit.real_node.machine import refusals
from kit.real_node.node import RealNode
from kit.real_node.preparation import prepare

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def node() -> Iterator[RealNode]:
    """etcd, API server, controllers, scheduler, kubelet, containerd: the node is Ready."""
    if not os.environ.get("VLM_OPERATOR_REAL"):
        pytest.skip("these tests change the machine while they run: start them with make test-real")
    if found := refusals():
        pytest.fail(f"they cannot run here: {'; '.join(found)}")
    prepared = prepare(print)
    with Cluster(real_nodes=True) as cluster:
        running = RealNode(cluster, prepared)
        running.start()
        yield running
        running.stop()


@pytest.fixture(scope="session")
def cluster(node: RealNode) -> Cluster:
    """The control plane."""
    return node.cluster


@pytest.fixture(scope="session")
def running_operator(node: RealNode) -> Iterator[OperatorProcess]:
    """The operator as a process of this machine, with a token of the chart's ServiceAccount and nothing more."""
    kubeconfig = node.cluster.install_chart()
    environment = {"HF_HOME": str(node.operator_cache)}
    process = OperatorProcess(kubeconfig, node.cluster.folder / "operator.log", environment=environment)
    process.start()
    yield process
    process.stop()


@pytest.fixture
def operator(running_operator: OperatorProcess) -> OperatorProcess:
    """The operator, running: a test may kill it, the next one has it again."""
    if not running_operator.running:
        running_operator.start()
    return running_operator


@pytest.fixture(scope="module")
def module_namespace(cluster: Cluster, running_operator: OperatorProcess) -> Iterator[str]:
    """A namespace for tests that look at one server one after another."""
    yield from _namespace(cluster)


@pytest.fixture
def namespace(cluster: Cluster, operator: OperatorProcess) -> Iterator[str]:
    """A namespace of the test's own, with nothing learnt before; the node is empty again afterwards."""
    yield from _namespace(cluster)


def _namespace(cluster: Cluster) -> Iterator[str]:
    name = f"real-{next(_NUMBERS)}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("delete", "startupobservations", "--all", "--ignore-not-found")
    yield name
    # One server at a time has the processors of this machine: the next test waits until this one's pods are gone.
    # Whoever deletes a pod first decides how long it may take to end: nobody but this is to delete them.
    for kind in ("vlmd", "deployment", "replicaset"):
        cluster.kubectl("delete", kind, "--all", "-n", name, "--cascade=orphan")
    cluster.kubectl("delete", "pod", "--all", "-n", name, "--grace-period=1", "--timeout=120s")
    cluster.kubectl("delete", "namespace", name, "--wait=false")
