"""A real control plane on this machine: etcd, API server, controller manager, scheduler, and KWOK for the nodes.

Belongs here: what the control-plane tests and the demo share. Does not: what a simulated node answers
(``kit.simulated_node``). Needs the binaries of ``hack/tools/get``.
"""

from kit.control_plane.audit import Write
from kit.control_plane.cluster import Cluster, CommandFailed
from kit.control_plane.fault_proxy import FaultProxy
from kit.control_plane.leader_worker_set import LeaderWorkerSetManager
from kit.control_plane.nodes import H100_OCTET, H100_PAIR, L4, RTX_5090, T4, SimulatedGpuNode
from kit.control_plane.operator_process import OperatorProcess
from kit.control_plane.simulated_kubelet import SimulatedKubelet

__all__ = [
    "H100_OCTET",
    "H100_PAIR",
    "L4",
    "RTX_5090",
    "T4",
    "Cluster",
    "CommandFailed",
    "FaultProxy",
    "LeaderWorkerSetManager",
    "OperatorProcess",
    "SimulatedGpuNode",
    "SimulatedKubelet",
    "Write",
]
