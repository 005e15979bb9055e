"""Typed failures: one frozen class per family, figures in bytes and tokens.

``numbers`` keeps every figure exactly as it was printed (GiB with its decimals); the typed fields are the same figures
in the units that arithmetic uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Final

from vlm_operator.diagnosis.message import bounded
from vlm_operator.engine.log_wordings import FailureClass, FailureKind, Figure
from vlm_operator.units import GIB, KIB, MIB

UNIT_BYTES: Final[Mapping[str, int]] = {"GiB": GIB, "GB": GIB, "MiB": MIB, "KiB": KIB, "bytes": 1}
"""vLLM's and PyTorch's units; their ``GB`` is 2^30 bytes too (0.8, ``worker.py``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The one root cause of a log.

    Attributes:
        kind: which sentence family told it, for instance ``kv_cache_too_small``.
        reason: the word for conditions and JSON.
        failure_class: who can mend it.
        retunable: True where changing flags alone can mend it.
        line: line of the log on which it stands first, counted from 1.
        message: that line, without prefixes.
        stage: stage of the start (``load``, ``profile``, ``graph_estimate``, ``kv_alloc``, ``graph``, ``sampler``,
            ``serving``, ``device_init``) where traceback or wording tell it, else None.
        numbers: figures as printed, by name.
    """

    reasons: ClassVar[tuple[str, ...]] = ()

    kind: str
    reason: str
    failure_class: FailureClass
    retunable: bool
    line: int
    message: str
    stage: str | None = None
    numbers: Mapping[str, Figure] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFailure(Failure):
    """A failure that no known sentence names: ``message`` is the deepest exception."""

    reasons = ("Unknown",)


@dataclass(frozen=True, slots=True, kw_only=True)
class KVCacheTooSmall(Failure):
    """The cup is larger than the container: needed and available bytes, the longest context vLLM estimates."""

    reasons = ("KVCacheTooSmall",)

    max_model_len: int | None = None
    needed_bytes: int | None = None
    available_bytes: int | None = None
    estimated_max_len: int | None = None
    kv_cache_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoKVCacheMemory(Failure):
    """Nothing is left for a KV cache. The deficit stands in the observation (``kv_gib`` below zero)."""

    reasons = ("NoKVCacheMemory",)

    reserved_bytes: int | None = None
    available_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeMemoryTooLow(Failure):
    """Free memory at the start is below what utilisation (or the KV cache, on the CPU backend) asks for."""

    reasons = ("FreeMemoryTooLow",)

    free_bytes: int | None = None
    total_bytes: int | None = None
    requested_bytes: int | None = None
    requested_kv_bytes: int | None = None
    utilization: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfMemory(Failure):
    """An allocation failed at a stage of the start, or while serving."""

    reasons = ("OutOfMemory",)

    tried_alloc_bytes: int | None = None
    free_bytes: int | None = None
    total_bytes: int | None = None
    process_in_use_bytes: int | None = None
    torch_alloc_bytes: int | None = None
    unallocated_bytes: int | None = None
    num_reqs: int | None = None

    @property
    def memory_was_free(self) -> bool:
        """Whether far more was free than asked for, and nothing limited the process: memory was not what was short."""
        tried, free = self.tried_alloc_bytes, self.free_bytes
        if tried is None or free is None or "allowed" in self.numbers:
            return False
        return free >= tried + _FREE_BYTES and free >= tried * _FREE_TIMES


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChangedDuringProfiling(Failure):
    """Another process released memory while vLLM measured it."""

    reasons = ("MemoryChangedDuringProfiling",)

    initial_bytes: int | None = None
    current_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFailure(Failure):
    """``--max-model-len`` against the model's maximum or the batch."""

    reasons = ("ContextAboveModelMaximum", "BatchedTokensBelowContext")

    max_model_len: int | None = None
    derived_max_len: int | None = None
    max_num_batched_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFailure(Failure):
    """``--max-num-batched-tokens`` or ``--max-num-seqs`` against something larger or smaller."""

    reasons = (
        "BatchedTokensBelowSequences",
        "ItemAboveBatchedTokens",
        "BatchedTokensBelowMambaBlock",
        "TooFewMambaBlocks",
    )

    max_num_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    max_tokens_per_mm_item: int | None = None
    block_size: int | None = None
    mamba_blocks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelFailure(Failure):
    """``--tensor-parallel-size`` against heads, layers or GPUs."""

    reasons = ("TensorParallelNotDivisible", "TooFewGPUs")

    num_heads: int | None = None
    tensor_parallel_size: int | None = None
    world_size: int | None = None
    gpus: int | None = None
    size: int | None = None
    divisor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MultimodalFailure(Failure):
    """A multimodal flag that the model does not allow."""

    reasons = ("LimitAboveSupported", "ChunkedInputRequired")

    modality: str | None = None
    limit: int | None = None
    supported: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsupportedConfiguration(Failure):
    """A flag, type, kernel or layout that this vLLM, GPU or checkpoint does not support."""

    reasons = (
        "UnknownArgument",
        "DtypeUnsupportedByGPU",
        "QuantizationUnsupportedByGPU",
        "QuantizationDtypeUnsupported",
        "QuantizationConfigInvalid",
        "AttentionBackendUnsupported",
        "KVLayoutUnsupported",
        "ConfigurationRejected",
        "GPUUnsupportedByImage",
        "KernelUnsupported",
        "ItemAboveProcessorCache",
    )

    method: str | None = None
    model_method: str | None = None
    supported: str | None = None
    args: str | None = None
    arg: str | None = None
    lora_rank: int | None = None
    max_lora_rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFailure(Failure):
    """The image lacks a compiler or a package, or what it compiles does not compile."""

    reasons = ("CompilationFailed", "DependencyMissing")

    package: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFailure(Failure):
    """The model cannot be had, is not trusted or is not supported."""

    reasons = (
        "ModelAccessDenied",
        "ModelNotFound",
        "CheckpointUnreadable",
        "TrustRemoteCodeRequired",
        "ArchitectureUnsupported",
    )

    model: str | None = None
    archs: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFailure(Failure):
    """Pod, node or network: nothing that a plan could have avoided."""

    reasons = (
        "NoGPUVisible",
        "SharedMemoryTooSmall",
        "NCCLError",
        "EngineStartTimeout",
        "DiskFull",
        "AddressInUse",
        "HostOutOfMemory",
        "GPUError",
        "PermissionDenied",
        "WorkerDied",
    )

    size_bytes: int | None = None
    seconds: int | None = None
    exit_code: int | None = None
    port: int | None = None
    path: str | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailure(Failure):
    """A healthy server refused a request. Never a reason to restart."""

    reasons = ("PromptTooLong", "ItemLimitExceeded", "ItemAboveEncoderCache")

    prompt_len: int | None = None
    max_model_len: int | None = None
    modality: str | None = None
    limit: int | None = None
    count: int | None = None
    embed_tokens: int | None = None
    encoder_cache_size: int | None = None


FAMILIES: Final[Mapping[str, type[Failure]]] = {
    reason: family
    for family in (
        UnknownFailure, KVCacheTooSmall, NoKVCacheMemory, FreeMemoryTooLow, OutOfMemory, MemoryChangedDuringProfiling,
        ContextFailure, BatchFailure, ParallelFailure, MultimodalFailure, UnsupportedConfiguration, ImageFailure,
        ModelFailure, NodeFailure, RequestFailure,
    )
    for reason in family.reasons
}  # fmt: skip
"""Reason to the class of its family."""

_FREE_BYTES: Final = GIB
_FREE_TIMES: Final = 4
"""An allocation that fails although so many bytes more, and so many times its size, are free lacks no memory."""

_COMMON: Final = frozenset(each.name for each in fields(Failure))


def build(kind: FailureKind, line: int, message: str, stage: str | None, numbers: Mapping[str, Figure]) -> Failure:
    """The typed failure of ``kind`` with figures as printed."""
    family = FAMILIES[kind.reason]
    typed = {each.name: _typed(each.name, str(each.type), numbers) for each in fields(family)}
    own: dict[str, Any] = {name: value for name, value in typed.items() if name not in _COMMON and value is not None}
    failure = family(
        kind=kind.name,
        reason=str(kind.reason),
        failure_class=kind.failure_class,
        retunable=kind.retunable,
        line=line,
        message=bounded(message),
        stage=stage or kind.stage,
        numbers=dict(numbers),
        **own,
    )
    if isinstance(failure, OutOfMemory) and failure.memory_was_free:
        return replace(failure, retunable=False)  # flags that trade memory cannot mend what lacks none
    return failure


def _typed(name: str, annotation: str, numbers: Mapping[str, Figure]) -> Figure | None:
    """The figure for one field: bytes from GiB or from a figure with its unit, whole numbers, words."""
    stem = name.removesuffix("_bytes")
    for key, unit in ((f"{stem}_gib", "GiB"), (stem, str(numbers.get(f"{stem}_unit", "bytes")))):
        value = numbers.get(key)
        if name != stem and isinstance(value, int | float) and unit in UNIT_BYTES:
            return round(value * UNIT_BYTES[unit])
    value = numbers.get(name)
    if value is None or "str" in annotation:
        return value if value is None else str(value)
    if isinstance(value, str):
        return None
    return float(value) if "float" in annotation else int(value)
