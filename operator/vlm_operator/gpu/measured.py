"""GPUs as NVML tells them, here or through a node's agent (``GPUNode``): what is free, and who holds the rest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.errors import UnknownFact
from vlm_operator.gpu.catalogue import labelled_gpu
from vlm_operator.gpu.facts import FactSource, GPUFacts, Platform, context_bytes
from vlm_operator.gpu.platform import on_platform
from vlm_operator.gpu.read_memory import unlisted_gpu, with_memory
from vlm_operator.units import format_gib


@dataclass(frozen=True, slots=True)
class GPUProcess:
    """A process that holds memory of a GPU.

    Attributes:
        pid: as the host counts.
        name: of its program, empty where it may not be read.
        used_bytes: None where the driver does not tell (Windows, WSL2).
        pod_uid: of the pod it runs in, None for a process of the host.
    """

    pid: int
    name: str = ""
    used_bytes: int | None = None
    pod_uid: str | None = None

    @property
    def words(self) -> str:
        """For people."""
        where = f" of pod {self.pod_uid}" if self.pod_uid else ""
        held = f" holds {format_gib(self.used_bytes)}" if self.used_bytes is not None else ""
        return f"{self.name.rsplit('/', 1)[-1] or 'a process'} (pid {self.pid}){where}{held}"


@dataclass(frozen=True, slots=True)
class MigInstance:
    """A MIG instance.

    Attributes:
        profile: for instance ``3g.40gb``.
        total_bytes, free_bytes: of the instance.
        reserved_bytes: what the driver keeps of it, None where it does not tell.
        processes: those that hold memory of it, as far as they are told.
    """

    uuid: str
    profile: str
    total_bytes: int
    free_bytes: int
    reserved_bytes: int | None = None
    processes: tuple[GPUProcess, ...] = ()

    def held_bytes(self, own: Collection[str] = ()) -> int:
        """What processes hold of it, those of the pods ``own`` left out."""
        mine = sum(each.used_bytes or 0 for each in self.processes if each.pod_uid in own)
        return max(self.total_bytes - self.free_bytes - (self.reserved_bytes or 0) - mine, 0)


@dataclass(frozen=True, slots=True)
class MeasuredGPU:
    """One GPU at one moment.

    Attributes:
        index: as nvidia-smi counts.
        uuid, name: as NVML says.
        total_bytes, free_bytes: as nvidia-smi shows; of a board that shares its memory with the host, the host's.
        reserved_bytes: what the driver keeps for itself, None where it does not tell (before R510).
        compute_capability: (major, minor).
        unified: True where the memory is the host's (GB10).
        ecc: None where the GPU has none.
        processes: those that hold memory of it, as far as they are told.
        mig: its instances; empty where MIG is off.
        mig_enabled: True where it can only be used by instances.
    """

    index: int
    uuid: str
    name: str
    total_bytes: int
    free_bytes: int
    compute_capability: tuple[int, int]
    reserved_bytes: int | None = None
    unified: bool = False
    ecc: bool | None = None
    processes: tuple[GPUProcess, ...] = ()
    mig: tuple[MigInstance, ...] = ()
    mig_enabled: bool = False

    @property
    def label(self) -> str:
        """The product as gpu-feature-discovery would label the node: blanks become dashes."""
        return self.name.replace(" ", "-")

    def held_bytes(self, platform: Platform, own: Collection[str] = ()) -> int:
        """What processes hold of it, those of the pods ``own`` left out."""
        reserved = self.reserved_bytes
        if reserved is None:
            idle = idle_gpu(self, platform)
            reserved = max((idle.nvml_total_bytes or self.total_bytes) - idle.total_bytes, 0)
        mine = sum(each.used_bytes or 0 for each in self.processes if each.pod_uid in own)
        return max(self.total_bytes - self.free_bytes - reserved - mine, 0)

    def holders(self, own: Collection[str] = ()) -> tuple[GPUProcess, ...]:
        """Processes of others, the largest first."""
        return _others(self.processes, own)


def _others(processes: Iterable[GPUProcess], own: Collection[str]) -> tuple[GPUProcess, ...]:
    others = (each for each in processes if each.pod_uid not in own)
    return tuple(sorted(others, key=lambda each: (-(each.used_bytes or 0), each.pid)))


def idle_gpu(measured: MeasuredGPU, platform: Platform) -> GPUFacts:
    """What the GPU is: the catalogue's figures, with the memory that was measured; nothing else on it."""
    try:
        gpu = labelled_gpu(measured.label, measured.total_bytes)
        gpu = with_memory(gpu, measured.total_bytes, "the host's memory" if measured.unified else "NVML")
    except UnknownFact:
        gpu = unlisted_gpu(measured.label, measured.total_bytes, measured.compute_capability, "NVML's total").with_(
            device_name=measured.name
        )
    told = ("product", "memory", "computeCapability")
    gpu = gpu.with_(compute_capability=measured.compute_capability)
    return on_platform(gpu, platform).told(FactSource.AGENT, told)


_MOST_NAMED: Final = 3
"""Processes that are named where a plan does not fit."""


def present_gpu(
    measured: MeasuredGPU, platform: Platform, own: Collection[str] = (), slack_bytes: int = 0, node: str = ""
) -> GPUFacts:
    """The GPU as vLLM will find it: what others hold is not free at start.

    Args:
        own: UIDs of pods that end before vLLM starts.
        slack_bytes: how much more may be held by now than when it was measured.
        node: where it is, for the words.
    """
    idle = idle_gpu(measured, platform)
    told, held = idle.told(FactSource.AGENT, ("free",)), measured.held_bytes(platform, own)
    words = _held_words(held, measured.holders(own), f"GPU {measured.index}", node)
    if measured.unified or platform is not Platform.LINUX:  # the desktop's or the host's share counts as used
        mine = sum(each.used_bytes or 0 for each in measured.processes if each.pod_uid in own)
        free = max(measured.free_bytes + mine - context_bytes(idle.total_bytes), 0)
        return told.with_(free_at_start_bytes=free, held_by=words)
    if held <= slack_bytes:
        return told
    free = max(idle.free_estimate_bytes - held - slack_bytes, 0)
    return told.with_(free_at_start_bytes=free, held_by=words)


def present_slice(
    instance: MigInstance, idle: GPUFacts, own: Collection[str] = (), slack_bytes: int = 0, node: str = ""
) -> GPUFacts:
    """A MIG instance as vLLM will find it.

    Args:
        idle: what the instance is, with nothing on it.
        own, slack_bytes, node: as for ``present_gpu``.
    """
    told, held = idle.told(FactSource.AGENT, ("free",)), instance.held_bytes(own)
    if held <= slack_bytes:
        return told
    words = _held_words(held, _others(instance.processes, own), f"MIG instance {instance.profile}", node)
    free = max(idle.free_estimate_bytes - held - slack_bytes, 0)
    return told.with_(free_at_start_bytes=free, held_by=words)


def _held_words(held_bytes: int, holders: Sequence[GPUProcess], what: str, node: str) -> str:
    """For people: how much others hold of ``what``, and who."""
    if not held_bytes:
        return ""
    named = ", ".join(each.words for each in holders[:_MOST_NAMED])
    more = f" and {len(holders) - _MOST_NAMED} more" if len(holders) > _MOST_NAMED else ""
    where = f"{what}{f' of node {node}' if node else ''}"
    return f"others hold {format_gib(held_bytes)} of {where}" + (f": {named}{more}" if named else "")


def read_measured(status: Mapping[str, Any]) -> tuple[MeasuredGPU, ...]:
    """The GPUs of a ``GPUNode``'s status."""
    return tuple(_gpu(each) for each in status.get("gpus") or ())


def _gpu(raw: Mapping[str, Any]) -> MeasuredGPU:
    major, _, minor = str(raw.get("computeCapability") or "0.0").partition(".")
    return MeasuredGPU(
        index=int(raw["index"]),
        uuid=str(raw["uuid"]),
        name=str(raw["product"]),
        total_bytes=int(raw["totalBytes"]),
        free_bytes=int(raw["freeBytes"]),
        compute_capability=(int(major), int(minor)),
        reserved_bytes=raw.get("reservedBytes"),
        unified=bool(raw.get("unified")),
        ecc=raw.get("ecc"),
        processes=_processes(raw),
        mig=tuple(
            MigInstance(
                str(each["uuid"]),
                str(each["profile"]),
                int(each["totalBytes"]),
                int(each["freeBytes"]),
                each.get("reservedBytes"),
                _processes(each),
            )
            for each in raw.get("migInstances") or ()
        ),
        mig_enabled=bool(raw.get("migEnabled")),
    )


def _processes(raw: Mapping[str, Any]) -> tuple[GPUProcess, ...]:
    return tuple(
        GPUProcess(int(each["pid"]), str(each.get("name") or ""), each.get("usedBytes"), each.get("podUID"))
        for each in raw.get("processes") or ()
    )
