"""Reasons of plans and of how a server's life goes on: the word, what it means, what to do."""

from __future__ import annotations

from vlm_operator.api.described import Described


class PlanReason(Described):
    """Reasons that planning and the lifecycle give."""

    # --- the plan ---
    FITS = "Fits", "One request of the chosen context fits the lower bound of the predicted KV cache.", ""
    FITS_TIGHT = (
        "FitsTight",
        "One request fits the best estimate of the KV cache, but not its lower bound: the start-up may fail.",
        "Shorten context or workload, or choose a larger GPU, for a safe margin.",
    )
    DOES_NOT_FIT = (
        "DoesNotFit",
        "No flags that the user left free make the model fit.",
        "Take one of the changes that the message names, each with its gain.",
    )
    UNSUPPORTED = (
        "Unsupported",
        "vLLM would refuse the command for a reason other than memory; the plan's reason names the check.",
        "Change the flag, GPU or release that the hint names.",
    )
    ARCHITECTURE_NOT_IN_RELEASE = (
        "ArchitectureNotInRelease",
        "The vLLM release does not serve the model's class: it came later, or has been removed.",
        "Use a release that the message names (engine.image).",
    )
    KERNEL_UNSUPPORTED = (
        "KernelUnsupported",
        "No kernel of the vLLM release runs this model on this GPU with these flags.",
        "Use another GPU or release, or change the flag that the hint names.",
    )
    COMPUTE_CAPABILITY_TOO_LOW = (
        "ComputeCapabilityTooLow",
        "The vLLM release, the quantisation or a flag needs a GPU of a newer generation.",
        "Use a newer GPU, an older release where the message names one, or another checkpoint.",
    )
    DTYPE_UNSUPPORTED = (
        "DtypeUnsupported",
        "The model or the GPU does not support the element type.",
        "Use the element type that the hint names, or a newer GPU.",
    )
    TENSOR_PARALLEL_NOT_DIVISIBLE = (
        "TensorParallelNotDivisible",
        "Tensor parallelism does not divide the model's heads, or cuts through a block of its quantisation.",
        "Use a GPU count that the hint names, or expert parallelism where the hint says so.",
    )
    VISION_HEADS_NOT_DIVISIBLE = (
        "VisionHeadsNotDivisible",
        "Tensor parallelism does not divide the heads of the vision tower.",
        "Use --mm-encoder-tp-mode data where the release has it, or a GPU count that the hint names.",
    )
    FLAGS_CONTRADICT = (
        "FlagsContradict",
        "Two flags exclude each other for this model.",
        "Change the flag that the hint names.",
    )
    UNKNOWN = (
        "Unknown",
        "The log or the facts do not say what is wrong.",
        "Read the quoted line; report it with `vlmctl diagnose` if vLLM's wording is new.",
    )
    MODEL_LAYOUT_UNKNOWN = (
        "ModelLayoutUnknown",
        "A field of the model's config, its quantisation or its architecture is not known for certain.",
        "Pin engine.contextLength and the rest yourself, or update the operator.",
    )
    ENGINE_VERSION_UNKNOWN = (
        "EngineVersionUnknown",
        "The image does not say which vLLM release it holds, or the release's rules are not known.",
        "Set engine.vllmVersion, or use an image whose tag names a known release.",
    )
    NO_MATCHING_GPU = (
        "NoMatchingGPU",
        "No node of the cluster offers the GPU product, resource and count.",
        "Correct spec.gpu, or add such a node; the message lists what the cluster has.",
    )
    GPU_UNKNOWN = (
        "GPUUnknown",
        "The memory of the GPU product is not known for certain.",
        "Install GPU feature discovery or the node agent, or name a known product.",
    )
    FREE_MEMORY_UNCERTAIN = (
        "FreeMemoryUncertain",
        "The cup fits, but the utilisation asks for a little more than is usually free at start.",
        "Lower engine.gpuMemoryUtilization by a hundredth or two.",
    )
    UNCOUNTED_FLAGS = (
        "UncountedFlags",
        "The cup fits by what the plan counts, but flags in engine.extraArgs move memory in ways that it does not.",
        "Leave a margin (a lower engine.contextLength), or remove the flags that the message names.",
    )
    CONTEXT_ABOVE_MODEL = (
        "ContextAboveModel",
        "The pinned context is longer than the model's own maximum.",
        "Lower engine.contextLength.",
    )
    WORKLOAD_EXCEEDS_CONTEXT = (
        "WorkloadExceedsContext",
        "One request as described in spec.workload has more tokens than the context.",
        "Send fewer or smaller items (the message says which fit), or raise the context.",
    )
    ITEM_REJECTED = (
        "ItemRejected",
        "An image or video as described in spec.workload exceeds the encoder budget: vLLM would start and refuse it.",
        "Raise engine.maxNumBatchedTokens, or cap pixels or frames as the message says.",
    )
    STATE_BLOCKS_TOO_FEW = (
        "StateBlocksTooFew",
        "A hybrid model holds fewer recurrent states than engine.maxNumSeqs.",
        "Lower engine.maxNumSeqs, or leave it to the plan.",
    )
    ALREADY_FAILED = (
        "AlreadyFailed",
        "These very flags failed before, whatever the arithmetic says.",
        "Change a flag, the image or the GPU.",
    )
    INVALID_SPEC = (
        "InvalidSpec",
        "The spec breaks a rule that the API server did not check.",
        "Correct the field that the message names.",
    )
    POD_TEMPLATE_CLASH = (
        "PodTemplateClash",
        "spec.podTemplate sets something that the plan owns.",
        "Remove the path that the message names, or pin the value by its own field.",
    )
    APPLY_FAILED = (
        "ApplyFailed",
        "The API server could not take a child at several tries; it is tried again, ever more rarely.",
        "Read the API server's words in the message: an admission webhook, a quota or its storage may be away.",
    )
    MODEL_SOURCE_UNAVAILABLE = (
        "ModelSourceUnavailable",
        "The model's config could not be read just now; it is tried again.",
        "Check the network to the Hugging Face Hub, or mount the model and use model.path.",
    )

    # --- the course of things ---
    PLANNING = "Planning", "Facts are being read; no plan yet.", ""
    STARTING = "Starting", "The server is starting; vLLM has not made its capacity check yet.", ""
    VERIFIED = "CapacityCheckPassed", "vLLM passed its capacity check; the message compares measured and predicted.", ""
    MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable", "All replicas are ready.", ""
    REPLICAS_UNAVAILABLE = (
        "ReplicasUnavailable",
        "Fewer replicas are ready than asked for.",
        "Wait for the start-up, or read the pods' events.",
    )
    SCALED_TO_ZERO = "ScaledToZero", "No replica is asked for.", "Raise spec.replicas."
    SERVING = "Serving", "The model answers requests.", ""
    RETUNING = "Retuning", "The start-up failed its check; other flags are being tried.", ""
    NOT_CONVERGING = (
        "NotConverging",
        "The changes did not bring the start-up nearer to fitting: estimate and GPU contradict each other.",
        "Compare status.attempts; look for other processes on the GPU; pin smaller flags.",
    )
    RETUNE_EXHAUSTED = (
        "RetuneExhausted",
        "retune.maxAttempts commands failed.",
        "Take the change that the message names, or raise retune.maxAttempts.",
    )
    RETUNE_DISABLED = (
        "RetuneDisabled",
        "The start-up failed, and retune.maxAttempts is 0.",
        "Take the change that the message names, or raise retune.maxAttempts.",
    )
    PINNED_FLAGS_STAND_IN_THE_WAY = (
        "PinnedFlagsStandInTheWay",
        "Only a change of a pinned flag would help, and pinned flags are never changed.",
        "Change or remove the field of spec.engine that the message names.",
    )
    LOG_UNREADABLE = (
        "LogUnreadable",
        "The start-up failed, but its log cannot be read any more.",
        "Read the pod's log where you keep logs; a changed spec starts a new episode.",
    )
