"""The closed lists of verdicts and reasons."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """Whether the server will start and hold one request of the chosen context."""

    FITS = "Fits"
    FITS_TIGHT = "FitsTight"
    DOES_NOT_FIT = "DoesNotFit"
    UNSUPPORTED = "Unsupported"
    """vLLM would refuse for a reason other than memory; the reason is one of ``feasibility.InfeasibleReason``."""
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
    FREE_MEMORY_UNCERTAIN = "FreeMemoryUncertain"
    """The cup fits, but the utilisation asks for a little more than is usually free at start."""
    UNCOUNTED_FLAGS = "UncountedFlags"
    """The cup fits by what is counted, but further arguments move memory in ways that are not."""
    CONTEXT_ABOVE_MODEL = "ContextAboveModel"
    """The pinned context is longer than the model's own maximum."""
    WORKLOAD_EXCEEDS_CONTEXT = "WorkloadExceedsContext"
    """Logical failure: a request as described has more tokens than the context."""
    ITEM_REJECTED = "ItemRejected"
    """Logical failure: an item as described exceeds the encoder budget; the server starts and refuses it."""
    STATE_BLOCKS_TOO_FEW = "StateBlocksTooFew"
    """A hybrid model holds fewer recurrent states than ``max_num_seqs``."""
    ALREADY_FAILED = "AlreadyFailed"
    """These very flags failed before, whatever the arithmetic says."""
    LAYOUT_UNKNOWN = "ModelLayoutUnknown"
    """A figure of the model, GPU or version is not known for certain."""
