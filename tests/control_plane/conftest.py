"""One real control plane for the whole suite, with simulated GPU nodes; gone when pytest is gone.

The operator runs as the installed command, with a token of the chart's ServiceAccount and nothing more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kit.control_plane import H100_PAIR, L4, RTX_5090, T4, Cluster, OperatorProcess, SimulatedKubelet
from kit.control_plane.nodes import PLAIN

OPERATOR = "system:serviceaccount:vlm-system:vlm-operator"
"""Who the operator is to the API server."""

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """etcd, API server, controller manager, scheduler, KWOK; one node of each kind, the RTX 5090 with room for many."""
    with Cluster() as running:
        running.add_nodes([replace(RTX_5090, count=8), L4, T4, H100_PAIR, PLAIN])
        yield running


@pytest.fixture(scope="session")
def running_operator(cluster: Cluster) -> Iterator[OperatorProcess]:
    """The operator under the chart's rights, and the simulated kubelet of its pods."""
    kubeconfig = cluster.install_chart("vlm-system", "--set=modelConfigs.enabled=true")
    kubelet = SimulatedKubelet(cluster)
    process = OperatorProcess(kubeconfig, cluster.folder / "operator.log")
    process.start()
    yield process
    process.stop()
    kubelet.stop()


@pytest.fixture
def operator(running_operator: OperatorProcess) -> OperatorProcess:
    """The operator, running: a test may kill it, the next one has it again."""
    if not running_operator.running:
        running_operator.start()
    return running_operator


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own; its model servers give their GPUs back afterwards."""
    name = f"test-{next(_NUMBERS)}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("delete", "startupobservations", "--all", "--ignore-not-found")  # what earlier tests have taught
    yield name
    # All at once, faster than the garbage collector.
    cluster.kubectl("delete", "vlmd", "--all", "-n", name, "--wait=false")
    cluster.kubectl("delete", "deployment,replicaset", "--all", "-n", name, "--wait=false")
    cluster.kubectl("delete", "pod", "--all", "-n", name, "--grace-period=0", "--force", "--wait=false")
    cluster.kubectl("delete", "namespace", name, "--wait=false")
