"""A cluster whose GPUs come by claims only: nodes with devices of NVIDIA's DRA driver and nothing allocatable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from lifecycle_world import MODEL, World
from vlm_operator.gpu.devices import Device, devices_of, read_slice
from vlm_operator.lifecycle.situation import GpuNode, Situation, StartupLog


def resource_slice(
    node: str, *devices: dict[str, Any], name: str = "", generation: int = 1, slices: int = 1
) -> dict[str, Any]:
    """A ResourceSlice of one node, as NVIDIA's driver publishes it."""
    pool = {"name": node, "generation": generation, "resourceSliceCount": slices}
    spec = {"driver": "gpu.nvidia.com", "nodeName": node, "pool": pool, "devices": list(devices)}
    metadata = {"name": name or f"{node}-gpu.nvidia.com"}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": metadata, "spec": spec}


def gpu_device(
    number: int, product: str = "NVIDIA L4", memory: str | None = "23034Mi", capability: str = "8.9.0", **more: Any
) -> dict[str, Any]:
    """A whole GPU as the driver lists it."""
    attributes = {
        "type": {"string": "gpu"},
        "uuid": {"string": f"GPU-{number}"},
        "productName": {"string": product},
        "brand": {"string": "Nvidia"},
        "cudaComputeCapability": {"version": capability},
        "driverVersion": {"version": "580.95.5"},
    }
    capacity = {} if memory is None else {"memory": {"value": memory}}
    return {"name": f"gpu-{number}", "attributes": attributes, "capacity": capacity, **more}


def mig_device(
    number: int, profile: str = "3g.40gb", memory: str = "40448Mi", product: str = "NVIDIA H100 80GB HBM3"
) -> dict[str, Any]:
    """A MIG instance as the driver lists it."""
    attributes = {
        "type": {"string": "mig"},
        "uuid": {"string": f"MIG-{number}"},
        "parentUUID": {"string": "GPU-0"},
        "profile": {"string": profile},
        "productName": {"string": product},
        "cudaComputeCapability": {"version": "9.0.0"},
    }
    return {"name": f"gpu-0-mig-9-{number}", "attributes": attributes, "capacity": {"memory": {"value": memory}}}


def devices(node: str, *raw: dict[str, Any]) -> tuple[Device, ...]:
    """Devices of a node as a decision sees them."""
    found = read_slice(resource_slice(node, *raw))
    return devices_of([found] if found else [])


def claimed_node(name: str, *raw: dict[str, Any]) -> GpuNode:
    """A node that offers devices and no extended resource."""
    return GpuNode(name, {}, {}, ready=True, devices=devices(name, *raw))


@dataclass
class ClaimWorld(World):
    """One VLMDeployment that claims its GPUs.

    Attributes:
        claimed: nodes with devices.
    """

    spec: dict[str, Any] = field(default_factory=lambda: {"model": {"id": MODEL}, "gpu": {"claim": {}}})
    claimed: tuple[GpuNode, ...] = field(
        default_factory=lambda: (claimed_node("node-1", gpu_device(0), gpu_device(1)),)
    )
    templates: tuple[dict[str, Any], ...] = ()

    def situation(self, logs: tuple[StartupLog, ...] = ()) -> Situation:
        """What gather would read."""
        made = super().situation(logs)
        return replace(made, nodes=self.claimed, children=(*made.children, *self.templates))
