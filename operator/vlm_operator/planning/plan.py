"""What is a plan? Chosen flags, the budget behind them, the verdict, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vlm_operator.capacity.startup import Budget
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Intent


class Verdict(StrEnum):
    """Whether the server will start and hold one request of the chosen context."""

    FITS = "Fits"
    FITS_TIGHT = "FitsTight"
    DOES_NOT_FIT = "DoesNotFit"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Why the verdict is what it is."""

    FITS = "Fits"
    """The cup fits the low bound of the predicted KV cache."""
    FITS_TIGHT = "FitsTight"
    """The cup fits the best estimate, not the low bound."""
    KV_CACHE_TOO_SMALL = "KVCacheTooSmall"
    """Capacity failure: vLLM would start loading, then find the container smaller than the cup."""
    NO_KV_CACHE_MEMORY = "NoKVCacheMemory"
    """Physical failure: weights and start-up peak leave nothing of the requested memory."""
    OUT_OF_MEMORY = "OutOfMemory"
    """Physical failure: weights and start-up peak exceed what is free on the GPU."""
    FREE_MEMORY_TOO_LOW = "FreeMemoryTooLow"
    """vLLM's first check: less is free at start than the utilisation asks for."""
    CONTEXT_BELOW_MINIMUM = "ContextBelowMinimum"
    """What fits is shorter than the floor the user set."""
    CONTEXT_ABOVE_MODEL = "ContextAboveModel"
    """The pinned context is longer than the model's own maximum."""
    WORKLOAD_EXCEEDS_CONTEXT = "WorkloadExceedsContext"
    """Logical failure: a request as described has more tokens than the context."""
    TENSOR_PARALLEL_INVALID = "TensorParallelInvalid"
    """The tensor-parallel size does not divide the heads, or exceeds the GPUs."""
    SEQUENCES_EXCEED_STATE_BLOCKS = "SequencesExceedStateBlocks"
    """A hybrid model holds fewer recurrent states than ``max_num_seqs``."""
    ALREADY_FAILED = "AlreadyFailed"
    """These very flags failed before, whatever the arithmetic says."""
    LAYOUT_UNKNOWN = "ModelLayoutUnknown"
    """A figure of the model, GPU or version is not known for certain."""


@dataclass(frozen=True, slots=True)
class Cup:
    """Bytes one request of the maximum length needs, per GPU."""

    max_model_len: int
    needed_bytes: int


@dataclass(frozen=True, slots=True)
class Container:
    """What the predicted KV cache holds, per GPU (best estimate).

    Attributes:
        max_model_len: longest context that passes vLLM's check, tokens.
        concurrency: requests of the maximum length held at once.
    """

    num_blocks: int
    capacity_tokens: int
    max_model_len: int
    concurrency: float


@dataclass(frozen=True, slots=True)
class WorkloadTokens:
    """Tokens of one request, by part."""

    prompt_tokens: int = 0
    image_tokens: int = 0
    video_tokens: int = 0
    output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """All parts together."""
        return self.prompt_tokens + self.image_tokens + self.video_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Move:
    """One change to flags the user left free.

    Attributes:
        change: flag name -> (from, to).
        gain_bytes: how much more of the container is left over the cup, per GPU.
        cost: its price, in words.
        applied: True where the plan's flags contain it.
    """

    change: tuple[tuple[str, Any, Any], ...]
    gain_bytes: int
    cost: str
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change with which the plan would fit, judged to work.

    Attributes:
        change: (flag, value) pairs to set together.
        text: what to do and its price, in words.
        pinned: True where it touches a flag the user pinned.
    """

    change: tuple[tuple[str, Any], ...]
    text: str
    pinned: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Flags for one model on one GPU shape, with the reasons.

    Attributes:
        settings: the flags the command sets: pinned or chosen.
        resolved: the same with everything vLLM fills in, as arithmetic saw it; None where nothing was computed.
        budget: per GPU; None where it could not be computed.
        cup, container: None where the layout is unknown.
        message: the verdict in one sentence, with its numbers.
        hint: the next step, None where there is none to take.
        explanation: true sentences for people, in reading order.
        ladder: moves considered, those applied marked.
        remedies: what would make it fit, where it does not.
    """

    model: ModelFacts
    gpu: GPUFacts | None
    gpu_count: int
    version: EngineVersion
    intent: Intent
    settings: EngineSettings
    verdict: Verdict
    reason: Reason
    message: str
    hint: str | None = None
    resolved: EngineSettings | None = None
    budget: Budget | None = None
    cup: Cup | None = None
    container: Container | None = None
    workload: WorkloadTokens = field(default_factory=WorkloadTokens)
    explanation: tuple[str, ...] = ()
    ladder: tuple[Move, ...] = ()
    remedies: tuple[Remedy, ...] = ()

    @property
    def fits(self) -> bool:
        """True for ``Fits`` and ``FitsTight``."""
        return self.verdict in {Verdict.FITS, Verdict.FITS_TIGHT}
