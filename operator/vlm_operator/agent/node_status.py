"""The status of a ``GPUNode``, and whether it differs enough from the one that was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vlm_operator.agent.nvml import LocalGPU
from vlm_operator.api.gpu_node import (
    MOST_GPUS,
    MOST_INSTANCES,
    MOST_PROCESSES,
    GPUNodeStatus,
    GPUProcessStatus,
    MeasuredGPUStatus,
    MigInstanceStatus,
)
from vlm_operator.gpu.measured import GPUProcess
from vlm_operator.units import MIB

LEAST_CHANGE_BYTES: Final = 256 * MIB
"""Smaller changes are not written."""

_SIZES: Final = frozenset({"freeBytes", "usedBytes"})
"""What changes all the time."""


def node_status(gpus: Sequence[LocalGPU], observed_at: str, agent_pod: str | None = None) -> dict[str, Any]:
    """The status as the API server stores it.

    Args:
        agent_pod: namespace and name of the agent's pod, None where it runs in none.
    """
    first = gpus[0] if gpus else None
    status = GPUNodeStatus(
        observed_at=observed_at,
        agent_pod=agent_pod,
        driver_version=first.driver_version if first else None,
        platform=first.platform.value if first else None,
        gpus=tuple(_gpu(gpu) for gpu in gpus[:MOST_GPUS]),
    )
    return status.to_wire()


def _gpu(gpu: LocalGPU) -> MeasuredGPUStatus:
    found = gpu.measured
    return MeasuredGPUStatus(
        index=found.index,
        uuid=found.uuid,
        product=found.name,
        compute_capability=".".join(map(str, found.compute_capability)),
        total_bytes=found.total_bytes,
        reserved_bytes=found.reserved_bytes,
        free_bytes=found.free_bytes,
        unified=True if found.unified else None,
        ecc=found.ecc,
        mig_enabled=True if found.mig_enabled else None,
        mig_instances=tuple(
            MigInstanceStatus(
                uuid=each.uuid,
                profile=each.profile,
                total_bytes=each.total_bytes,
                reserved_bytes=each.reserved_bytes,
                free_bytes=each.free_bytes,
                processes=_held(each.processes),
            )
            for each in found.mig[:MOST_INSTANCES]
        ),
        processes=_held(found.holders()),
    )


def _held(processes: Sequence[GPUProcess]) -> tuple[GPUProcessStatus, ...]:
    return tuple(
        GPUProcessStatus(pid=each.pid, name=each.name or None, used_bytes=each.used_bytes, pod_uid=each.pod_uid or None)
        for each in processes[:MOST_PROCESSES]
    )


def is_news(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    """True where a size differs by more than 256 MiB, or anything else but the time differs.

    A process that comes or goes is news by what it holds.
    """
    if before is None:
        return True
    one, other = _sized(before), _sized(after)
    sizes = one.keys() | other.keys()
    if any(abs(one.get(each, 0) - other.get(each, 0)) > LEAST_CHANGE_BYTES for each in sizes):
        return True
    return bool(_rest(before) != _rest(after))


def _sized(status: Mapping[str, Any]) -> dict[tuple[Any, ...], int]:
    """Every size that changes all the time, by what it is of."""
    found: dict[tuple[Any, ...], int] = {}
    for gpu in status.get("gpus") or ():
        found[gpu["uuid"], "free"] = gpu["freeBytes"]
        found |= {(each["uuid"], "free"): each["freeBytes"] for each in gpu.get("migInstances") or ()}
        for device in (gpu, *(gpu.get("migInstances") or ())):
            for each in device.get("processes") or ():
                found[device["uuid"], each["pid"], each.get("podUID")] = each.get("usedBytes") or 0
    return found


def _rest(status: Mapping[str, Any]) -> Any:
    """What seldom changes."""
    gpus = [
        {
            **{name: value for name, value in gpu.items() if name not in {*_SIZES, "processes", "migInstances"}},
            "mig": [(each["uuid"], each["profile"], each["totalBytes"]) for each in gpu.get("migInstances") or ()],
        }
        for gpu in status.get("gpus") or ()
    ]
    return status.get("agentPod"), status.get("driverVersion"), status.get("platform"), gpus
