"""What the API server has of GPUs beside nodes and pods: devices and claims of the DRA driver, what agents measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from vlm_operator.api.names import AGENT_LABEL
from vlm_operator.audit.container_command import Manifest
from vlm_operator.gpu.agent_pod import read_agent_pod, unheard_since
from vlm_operator.gpu.devices import Device, Slice, claimed_devices, devices_of, read_slice
from vlm_operator.gpu.measured import MeasuredGPU, read_measured

KINDS = ("ResourceSlice", "ResourceClaim", "GPUNode")


@dataclass(frozen=True)
class GPUObjects:
    """Manifests; kinds that the cluster lacks, or does not show, are empty."""

    slices: tuple[Manifest, ...] = ()
    claims: tuple[Manifest, ...] = ()
    gpu_nodes: tuple[Manifest, ...] = ()

    @cached_property
    def devices(self) -> Mapping[str, tuple[Device, ...]]:
        """Devices of NVIDIA's driver by node.

        Raises:
            InputError: a slice tells a memory that is no quantity.
        """
        by_node: dict[str, list[Slice]] = {}
        for raw in self.slices:
            if (read := read_slice(raw)) is not None:
                by_node.setdefault(read.node, []).append(read)
        return {node: devices_of(slices) for node, slices in by_node.items()}

    @cached_property
    def measured(self) -> Mapping[str, tuple[MeasuredGPU, ...]]:
        """GPUs as agents tell them, by node."""
        return {raw["metadata"]["name"]: read_measured(raw.get("status") or {}) for raw in self.gpu_nodes}

    def unheard(self, pods: Iterable[Manifest]) -> Mapping[str, str]:
        """By node, since when the agent on it is not heard (RFC 3339).

        Args:
            pods: of all namespaces; those of agents carry ``AGENT_LABEL``.
        """
        agents = [read_agent_pod(pod) for pod in pods if AGENT_LABEL in (pod["metadata"].get("labels") or {})]
        by_name = {agent.name: agent for agent in agents}
        found = {}
        for raw in self.gpu_nodes:
            status = raw.get("status") or {}
            since = unheard_since(status.get("agentPod"), status.get("observedAt"), by_name)
            if since is not None:
                found[str(raw["metadata"]["name"])] = since
        return found

    @cached_property
    def claimed(self) -> Counter[tuple[str, str]]:
        """Devices that claims were given, by node and by the resource that stands for their kind."""
        given = {device for raw in self.claims for device in claimed_devices(raw)}
        return Counter(
            (node, device.resource)
            for node, listed in self.devices.items()
            for device in listed
            if not device.shared and (device.pool, device.name) in given
        )
