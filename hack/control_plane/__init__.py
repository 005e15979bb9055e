"""A real control plane on this machine: etcd, API server, controller manager, scheduler, and KWOK for the nodes.

Belongs here: what the control-plane tests and the demo share. Does not: what a simulated node answers
(``hack.simulated_node``). Needs the binaries of ``hack/tools/get``.
"""

from hack.control_plane.audit import Write
from hack.control_plane.cluster import Cluster, CommandFailed
from hack.control_plane.nodes import H100_PAIR, L4, RTX_5090, T4, SimulatedGpuNode
from hack.control_plane.operator_process import OperatorProcess
from hack.control_plane.simulated_kubelet import SimulatedKubelet

__all__ = [
    "H100_PAIR",
    "L4",
    "RTX_5090",
    "T4",
    "Cluster",
    "CommandFailed",
    "OperatorProcess",
    "SimulatedGpuNode",
    "SimulatedKubelet",
    "Write",
]
