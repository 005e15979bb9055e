"""Simulated GPU nodes: Node objects with the labels that GPU feature discovery sets and the resources a plugin offers.

Figures are those of the real products: memory as NVML counts it in MiB, compute capability from CUDA's tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SimulatedGpuNode:
    """A node with ``count`` GPUs of one product.

    Attributes:
        name: the node's name.
        product: value of the label ``nvidia.com/gpu.product``.
        memory_mib: value of the label ``nvidia.com/gpu.memory``: NVML's total per GPU in MiB.
        compute: compute capability.
        count: GPUs.
        labels: further labels, or others in place of the above.
    """

    name: str
    product: str
    memory_mib: int
    compute: tuple[int, int]
    count: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)

    def manifest(self) -> dict[str, Any]:
        """The Node object. KWOK plays its kubelet because of the annotation."""
        resources = {"cpu": "64", "memory": "512Gi", "pods": "500", "ephemeral-storage": "2Ti"}
        resources["nvidia.com/gpu"] = str(self.count)
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {
                    "kubernetes.io/hostname": self.name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                    "type": "kwok",
                    "nvidia.com/gpu.present": "true",
                    "nvidia.com/gpu.product": self.product,
                    "nvidia.com/gpu.count": str(self.count),
                    "nvidia.com/gpu.memory": str(self.memory_mib),
                    "nvidia.com/gpu.replicas": "1",
                    "nvidia.com/gpu.sharing-strategy": "none",
                    "nvidia.com/gpu.compute.major": str(self.compute[0]),
                    "nvidia.com/gpu.compute.minor": str(self.compute[1]),
                    "nvidia.com/mig.strategy": "none",
                    **self.labels,
                },
            },
            "status": {"allocatable": resources, "capacity": resources},
        }


RTX_5090 = SimulatedGpuNode("simulated-rtx-5090", "NVIDIA-GeForce-RTX-5090", 32607, (12, 0))
L4 = SimulatedGpuNode("simulated-l4", "NVIDIA-L4", 23034, (8, 9))
T4 = SimulatedGpuNode("simulated-t4", "Tesla-T4", 15360, (7, 5))
H100_PAIR = SimulatedGpuNode("simulated-2x-h100", "NVIDIA-H100-80GB-HBM3", 81559, (9, 0), count=2)
H100_OCTET = SimulatedGpuNode("simulated-8x-h100", "NVIDIA-H100-80GB-HBM3", 81559, (9, 0), count=8)

PLAIN = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "simulated-cpu",
        "annotations": {"kwok.x-k8s.io/node": "fake"},
        "labels": {"kubernetes.io/hostname": "simulated-cpu", "kubernetes.io/os": "linux", "type": "kwok"},
    },
    "status": {
        "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "500"},
        "capacity": {"cpu": "64", "memory": "256Gi", "pods": "500"},
    },
}
"""A node without any GPU."""
