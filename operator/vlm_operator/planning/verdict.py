"""The closed lists of verdicts and reasons of plans, each with its meaning and remedy."""

from __future__ import annotations

from vlm_operator.engine.described import Described
from vlm_operator.engine.startup_reasons import StartupReason


class Verdict(Described):
    """Whether the server will start and hold one request of the chosen context."""

    FITS = "Fits", "One request of the chosen context fits the lower bound of the predicted KV cache."
    FITS_TIGHT = (
        "FitsTight",
        "One request fits the best estimate of the KV cache, but not its lower bound: the start-up may fail.",
        "Shorten the context or the workload, or use a larger GPU, for a safe margin.",
    )
    DOES_NOT_FIT = (
        "DoesNotFit",
        "The model does not fit with any value of the flags that are not pinned.",
        "Apply one of the changes that the message names, each with its gain.",
    )
    UNSUPPORTED = (
        "Unsupported",
        "vLLM would reject the command for a reason other than memory; the plan's reason names the check.",
        "Change the flag, GPU or release that the hint names.",
    )
    UNKNOWN = (
        "Unknown",
        "A fact about the model, the release or the GPU is not known for certain; the message names it.",
        "Set the field that the message names, or update the operator.",
    )


class Reason(Described):
    """Why the verdict is what it is; ``feasibility.InfeasibleReason`` has the reasons of ``Unsupported``."""

    FITS = Verdict.FITS.entry
    FITS_TIGHT = Verdict.FITS_TIGHT.entry
    KV_CACHE_TOO_SMALL = StartupReason.KV_CACHE_TOO_SMALL.entry
    NO_KV_CACHE_MEMORY = StartupReason.NO_KV_CACHE_MEMORY.entry
    OUT_OF_MEMORY = StartupReason.OUT_OF_MEMORY.entry
    FREE_MEMORY_TOO_LOW = StartupReason.FREE_MEMORY_TOO_LOW.entry
    FREE_MEMORY_UNCERTAIN = (
        "FreeMemoryUncertain",
        "The KV cache is large enough, but the utilisation asks for slightly more memory than is usually free at "
        "start.",
        "Lower --gpu-memory-utilization by 0.01 or 0.02.",
    )
    UNCOUNTED_FLAGS = (
        "UncountedFlags",
        "The plan fits, but flags in engine.extraArgs change memory in ways that the plan does not count.",
        "Leave a margin (a lower --max-model-len), or remove the flags that the message names.",
    )
    MODEL_DERIVED = (
        "ModelDerived",
        "The plan would fit, but the model's facts were derived from its name: the checkpoint's config was not read. "
        "It is FitsTight for a model trained from a known one, and Unknown for a quantisation, whose weights vary.",
        "Let the config be read: allow network calls, give the config.json, or add it by vlmctl models add ID|DIR.",
    )
    CONTEXT_ABOVE_MODEL = StartupReason.CONTEXT_ABOVE_MODEL_MAXIMUM.as_("ContextAboveModel")
    WORKLOAD_EXCEEDS_CONTEXT = (
        "WorkloadExceedsContext",
        "One request as described in spec.workload has more tokens than the context.",
        "Send fewer or smaller items (the message says which fit), or raise --max-model-len.",
    )
    ITEM_REJECTED = (
        "ItemRejected",
        "An image or video as described in spec.workload exceeds the encoder budget: vLLM would start and reject it.",
        "Raise --max-num-batched-tokens, or cap pixels or frames as the message says.",
    )
    STATE_BLOCKS_TOO_FEW = StartupReason.TOO_FEW_MAMBA_BLOCKS.as_("StateBlocksTooFew")
    ALREADY_FAILED = (
        "AlreadyFailed",
        "The same flags failed before on this GPU, whatever the arithmetic says.",
        "Change a flag, the image or the GPU.",
    )
    LAYOUT_UNKNOWN = (
        "ModelLayoutUnknown",
        "A field of the model's config, its quantisation or its architecture is not known for certain.",
        "Pin --max-model-len and the other flags, or update the operator.",
    )
