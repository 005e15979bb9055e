"""``GPUNode``: a node's GPUs as NVML tells them. Written by the agent (``vlm-operator agent``), one for each node."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from vlm_operator.api.base import Bool, Integer, Listed, StatusModel
from vlm_operator.api.names import API_VERSION
from vlm_operator.api.vlm_deployment import ObjectMeta
from vlm_operator.api.vlm_deployment_status import ByteCount, Name, Timestamp

MOST_GPUS: Final = 64
MOST_PROCESSES: Final = 64
"""Processes of one GPU that are listed, the largest first."""

MOST_INSTANCES: Final = 16

Count = Annotated[Integer, Field(ge=0, le=2**31)]


class GPUProcessStatus(StatusModel):
    """A process that holds memory of a GPU."""

    pid: Count = Field(description="As the host counts.")
    name: Name | None = Field(default=None, description="Its program.")
    used_bytes: ByteCount | None = Field(default=None, description="Memory that it holds, where the driver tells.")
    pod_uid: Name | None = Field(default=None, description="UID of the pod it runs in; absent for one of the host.")


class MigInstanceStatus(StatusModel):
    """A MIG instance."""

    uuid: Name = Field(description="NVML's UUID.")
    profile: Name = Field(description="Profile, such as 3g.40gb.")
    total_bytes: ByteCount = Field(description="Its memory.")
    reserved_bytes: ByteCount | None = Field(default=None, description="What the driver keeps for itself.")
    free_bytes: ByteCount = Field(description="What of it is free.")
    processes: Annotated[tuple[GPUProcessStatus, ...], Field(max_length=MOST_PROCESSES), Listed] = Field(
        default=(), description="Processes that hold its memory, the largest first."
    )


class MeasuredGPUStatus(StatusModel):
    """One GPU."""

    index: Count = Field(description="As nvidia-smi counts.")
    uuid: Name = Field(description="NVML's UUID.")
    product: Name = Field(description="NVML's name.")
    compute_capability: Name = Field(description="Compute capability, such as 9.0.")
    total_bytes: ByteCount = Field(
        description="Memory as nvidia-smi shows it; the host's where the GPU shares it (unified)."
    )
    reserved_bytes: ByteCount | None = Field(default=None, description="What the driver keeps for itself.")
    free_bytes: ByteCount = Field(
        description="What is free, to 256 MiB: smaller changes are not written.",
    )
    unified: Bool | None = Field(default=None, description="True where the GPU shares its memory with the host.")
    ecc: Bool | None = Field(default=None, description="Whether error correction is on; absent where there is none.")
    mig_enabled: Bool | None = Field(default=None, description="True where it can be used by MIG instances only.")
    mig_instances: Annotated[tuple[MigInstanceStatus, ...], Field(max_length=MOST_INSTANCES), Listed] = Field(
        default=(), description="MIG instances that are configured."
    )
    processes: Annotated[tuple[GPUProcessStatus, ...], Field(max_length=MOST_PROCESSES), Listed] = Field(
        default=(), description="Processes that hold its memory, the largest first."
    )


class GPUNodeStatus(StatusModel):
    """What NVML told, and when that was written."""

    observed_at: Timestamp | None = Field(default=None, description="When the figures last changed by enough.")
    agent_pod: Name | None = Field(
        default=None,
        description="Namespace and name of the pod that wrote this; while it is not ready, nobody renews the figures. "
        "Absent where the agent runs in no pod.",
    )
    driver_version: Name | None = Field(default=None, description="Of the kernel driver.")
    platform: Literal["linux", "wsl2", "windows"] | None = Field(
        default=None, description="Operating system under the driver."
    )
    gpus: Annotated[tuple[MeasuredGPUStatus, ...], Field(max_length=MOST_GPUS), Listed] = Field(
        default=(), description="GPUs in NVML's order."
    )


class GPUNode(StatusModel):
    """The GPUs of one node as NVML tells them: memory that is free, and the processes that hold the rest.

    The agent on the node writes it (chart value agent.enabled) under the node's name; plans use it before labels.
    """

    api_version: Literal["vlm-operator.dev/v1alpha1"] = API_VERSION
    kind: Literal["GPUNode"] = "GPUNode"
    metadata: ObjectMeta
    status: GPUNodeStatus | None = None
