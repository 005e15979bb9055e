"""All conditions, reasons and events, with their exact meaning and remedy.

The list is closed: nothing else is ever written into ``status.conditions``, ``status.plan.reason``,
``status.attempts[].reason`` or an event. A test compares it with the reasons of planning and diagnosis.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ConditionType(StrEnum):
    """Types of ``status.conditions``."""

    PLANNED = "Planned"
    CAPACITY_VERIFIED = "CapacityVerified"
    AVAILABLE = "Available"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


CONDITION_MEANINGS: Final = {
    ConditionType.PLANNED: "True: flags were found that fit, and they are being applied. False: none were found, "
    "nothing is applied. Unknown: a fact is not known for certain.",
    ConditionType.CAPACITY_VERIFIED: "True: vLLM passed its own capacity check with these flags. False: it failed. "
    "Unknown: it has not come so far yet.",
    ConditionType.AVAILABLE: "True: the Deployment has all its replicas ready to answer requests.",
    ConditionType.READY: "The summary: True exactly if Planned, CapacityVerified and Available are. Its reason is that "
    "of the first of them that is not True. `kubectl wait --for=condition=Ready` waits for it.",
    ConditionType.RECONCILING: "True while the operator or the cluster is still at work on the spec (kstatus: "
    "InProgress). Absent otherwise.",
    ConditionType.STALLED: "True once nothing more will happen until a person changes something (kstatus: Failed). "
    "Absent otherwise.",
}
"""What each status of each condition says."""


class _Described(StrEnum):
    """A word with its meaning and remedy."""

    meaning: str
    remedy: str

    def __new__(cls, word: str, meaning: str, remedy: str = "") -> _Described:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        member.remedy = remedy
        return member

    def __str__(self) -> str:
        return str(self.value)


class ConditionReason(_Described):
    """Reasons of conditions, plans and attempts: the word, what it means, what to do."""

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
    SEQUENCES_EXCEED_STATE_BLOCKS = (
        "SequencesExceedStateBlocks",
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

    # --- memory: the ladder may help ---
    KV_CACHE_TOO_SMALL = (
        "KVCacheTooSmall",
        "The container is smaller than the cup: one request of the context does not fit the KV cache.",
        "Shorten the context, use an 8-bit KV cache, or free memory by the moves the message names.",
    )
    NO_KV_CACHE_MEMORY = (
        "NoKVCacheMemory",
        "Weights and start-up peak leave nothing of the requested memory for the KV cache.",
        "Raise the utilisation, lower batched tokens or pixel caps, use more GPUs or a smaller model.",
    )
    FREE_MEMORY_TOO_LOW = (
        "FreeMemoryTooLow",
        "Less memory was free when vLLM started than the utilisation asks for: something else uses the GPU.",
        "Stop the other process, or lower engine.gpuMemoryUtilization.",
    )
    OUT_OF_MEMORY = (
        "OutOfMemory",
        "The GPU ran out of memory while loading, profiling or capturing CUDA graphs.",
        "Lower batched tokens, sequences or pixel caps, use more GPUs or a smaller model.",
    )
    TOO_FEW_MAMBA_BLOCKS = (
        "TooFewMambaBlocks",
        "A hybrid model has fewer blocks for recurrent states than max_num_seqs.",
        "Lower engine.maxNumSeqs.",
    )
    MEMORY_CHANGED_DURING_PROFILING = (
        "MemoryChangedDuringProfiling",
        "Another process freed or took GPU memory while vLLM profiled.",
        "Let the server be alone on its GPU while it starts.",
    )
    HOST_OUT_OF_MEMORY = (
        "HostOutOfMemory",
        "Main memory ran out: an allocation failed, or the kernel killed the container (exit code 137).",
        "Raise the container's memory limit in spec.podTemplate, or use a node with more memory.",
    )

    # --- configuration ---
    CONTEXT_ABOVE_MODEL_MAXIMUM = (
        "ContextAboveModelMaximum",
        "vLLM refused a context longer than the model's own maximum.",
        "Lower engine.contextLength to the number in the message.",
    )
    BATCHED_TOKENS_BELOW_CONTEXT = (
        "BatchedTokensBelowContext",
        "max_num_batched_tokens is below the context, and chunked prefill is off.",
        "Raise engine.maxNumBatchedTokens, or enable chunked prefill.",
    )
    BATCHED_TOKENS_BELOW_SEQUENCES = (
        "BatchedTokensBelowSequences",
        "max_num_batched_tokens is below max_num_seqs.",
        "Raise engine.maxNumBatchedTokens, or lower engine.maxNumSeqs.",
    )
    ITEM_ABOVE_BATCHED_TOKENS = (
        "ItemAboveBatchedTokens",
        "One image or video has more tokens than one step may hold.",
        "Raise engine.maxNumBatchedTokens, or cap pixels with engine.mmProcessorKwargs.",
    )
    CHUNKED_INPUT_REQUIRED = (
        "ChunkedInputRequired",
        "The items can only be processed in pieces, which is switched off.",
        "Remove --disable-chunked-mm-input, or raise engine.maxNumBatchedTokens.",
    )
    LIMIT_ABOVE_SUPPORTED = (
        "LimitAboveSupported",
        "engine.limitMMPerPrompt allows more items than the model supports.",
        "Lower it to the number in the message.",
    )
    BATCHED_TOKENS_BELOW_MAMBA_BLOCK = (
        "BatchedTokensBelowMambaBlock",
        "max_num_batched_tokens is below the block size of the recurrent state.",
        "Raise engine.maxNumBatchedTokens.",
    )
    TOO_FEW_GPUS = (
        "TooFewGPUs",
        "vLLM found fewer GPUs in the pod than its flags ask for.",
        "Raise gpu.count, or lower engine.tensorParallelSize.",
    )
    KV_LAYOUT_UNSUPPORTED = (
        "KVLayoutUnsupported",
        "This vLLM release cannot lay out the model's mixture of KV caches.",
        "Use the release that the model's card names.",
    )
    ITEM_ABOVE_PROCESSOR_CACHE = (
        "ItemAboveProcessorCache",
        "One processed image, video or audio clip is larger than the cache of processed items.",
        "Add --mm-processor-cache-gb=0, or a larger size, to engine.extraArgs.",
    )
    UNKNOWN_ARGUMENT = (
        "UnknownArgument",
        "This vLLM release does not know an argument.",
        "Correct engine.extraArgs, or use an image that knows it.",
    )
    QUANTIZATION_DTYPE_UNSUPPORTED = (
        "QuantizationDtypeUnsupported",
        "The quantisation does not support the element type.",
        "Unset engine.dtype, or set it to a type that the message names.",
    )
    QUANTIZATION_CONFIG_INVALID = (
        "QuantizationConfigInvalid",
        "The model's quantisation config is missing or contradicts a flag.",
        "Unset engine.quantization, or use a complete checkpoint.",
    )

    CONFIGURATION_REJECTED = (
        "ConfigurationRejected",
        "vLLM refused its flags: they contradict each other, the model or the GPU.",
        "Correct engine.extraArgs as vLLM's sentence in the message says.",
    )
    COMPILATION_FAILED = (
        "CompilationFailed",
        "torch.compile, Triton or FlashInfer could not compile a kernel, or the image lacks the compiler.",
        "Use vLLM's own image, or set engine.enforceEager to true.",
    )
    DEPENDENCY_MISSING = (
        "DependencyMissing",
        "The image lacks a Python package that the model or a flag needs, or has another version of it.",
        "Build an image on top of vLLM's that holds the package that the message names.",
    )

    # --- hardware ---
    GPU_UNSUPPORTED_BY_IMAGE = (
        "GPUUnsupportedByImage",
        "The image holds no kernels for this GPU.",
        "Use an image that was built for the GPU's compute capability, or another GPU.",
    )
    DTYPE_UNSUPPORTED_BY_GPU = (
        "DtypeUnsupportedByGPU",
        "The GPU does not support bfloat16.",
        "Set engine.dtype to half, or use a GPU of compute capability 8.0 or newer.",
    )
    QUANTIZATION_UNSUPPORTED_BY_GPU = (
        "QuantizationUnsupportedByGPU",
        "The GPU does not support the model's quantisation.",
        "Use another quantisation of the model, or a newer GPU.",
    )
    ATTENTION_BACKEND_UNSUPPORTED = (
        "AttentionBackendUnsupported",
        "No attention backend of this release supports the model on this GPU with these flags.",
        "Change engine.kvCacheDtype or engine.blockSize, or use a newer image or GPU.",
    )

    # --- model ---
    MODEL_NOT_FOUND = (
        "ModelNotFound",
        "No source knows the model: a typing error, a private repository, or a path that is not mounted.",
        "Correct model.id or model.path, set model.tokenSecretRef, or mount the volume in spec.podTemplate.",
    )
    MODEL_ACCESS_DENIED = (
        "ModelAccessDenied",
        "The model is gated, and the token does not give access.",
        "Accept the model's terms on the Hub, and set model.tokenSecretRef to a token that may read it.",
    )
    CHECKPOINT_UNREADABLE = (
        "CheckpointUnreadable",
        "A file of the checkpoint is damaged, incomplete, or of another architecture.",
        "Delete the model's directory in the cache, so that it is fetched anew, and check the files' sizes.",
    )
    TRUST_REMOTE_CODE_REQUIRED = (
        "TrustRemoteCodeRequired",
        "The model brings its own code, which vLLM runs only if told to.",
        "Read that code; then set engine.trustRemoteCode to true.",
    )
    ARCHITECTURE_UNSUPPORTED = (
        "ArchitectureUnsupported",
        "This vLLM release does not know the model's architecture.",
        "Use an image with a release that knows it.",
    )

    # --- node and platform: nothing is held against the plan, Kubernetes tries again ---
    NO_GPU_VISIBLE = (
        "NoGPUVisible",
        "vLLM found no GPU in the pod.",
        "Check driver, device plugin and runtime class of the node.",
    )
    SHARED_MEMORY_TOO_SMALL = (
        "SharedMemoryTooSmall",
        "/dev/shm is too small for the workers.",
        "Remove an override of the volume dshm from spec.podTemplate, or raise its sizeLimit.",
    )
    NCCL_ERROR = (
        "NCCLError",
        "The GPUs of the pod could not talk to each other.",
        "Check the node's GPUs, their links and drivers; NCCL_DEBUG=INFO in spec.podTemplate says more.",
    )
    ENGINE_START_TIMEOUT = (
        "EngineStartTimeout",
        "The engine process did not answer in time.",
        "Look for a slow disk or network; the weights may still have been loading.",
    )
    DISK_FULL = (
        "DiskFull",
        "The disk that holds the model cache is full.",
        "Mount a larger volume over the volume cache in spec.podTemplate.",
    )
    ADDRESS_IN_USE = (
        "AddressInUse",
        "The server's port, or one between its processes, is taken.",
        "Remove hostNetwork from spec.podTemplate, or end what listens there.",
    )
    GPU_ERROR = (
        "GPUError",
        "The GPU reported a fault while a kernel ran.",
        "Look for an Xid in the node's kernel log; if other GPUs fail too, use another image.",
    )
    PERMISSION_DENIED = (
        "PermissionDenied",
        "The container's user may not read or write a file that vLLM needs.",
        "Set fsGroup or runAsUser in spec.podTemplate's securityContext.",
    )
    WORKER_DIED = (
        "WorkerDied",
        "A worker process died without saying why.",
        "Look for an out-of-memory kill or a GPU error (Xid) in the node's kernel log.",
    )
    NODE_FAULT = (
        "NodeFault",
        "The node failed or drained the pod; the plan is not to blame.",
        "None: Kubernetes starts the pod elsewhere.",
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        "No node can take the pod just now.",
        "Free a GPU, add a node, or tolerate its taints in spec.podTemplate; the message is the scheduler's.",
    )
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        "The node cannot pull engine.image.",
        "Correct engine.image, or add imagePullSecrets in spec.podTemplate.",
    )
    CONTAINER_CONFIG_INVALID = (
        "ContainerConfigInvalid",
        "The container cannot be created: a Secret, ConfigMap or volume is missing or wrong.",
        "Create what the message names.",
    )
    STARTUP_PROBE_FAILED = (
        "StartupProbeFailed",
        "The server was not ready within the time of its start-up probe, and the kubelet ended it; the same command is "
        "started retune.maxAttempts times, at least once.",
        "Raise spec.podTemplate.spec.containers[vllm].startupProbe.failureThreshold, or mount a volume that holds the "
        "weights in spec.podTemplate.",
    )


class EventReason(_Described):
    """Reasons of events: each tells of one change, once."""

    PLANNED = "Planned", "Flags were chosen; the message has verdict, context and numbers."
    DOES_NOT_FIT = "DoesNotFit", "No flags fit; the message has numbers and remedies."
    PLAN_UNKNOWN = "PlanUnknown", "A fact is not known for certain; nothing is applied."
    DEPLOYED = "Deployed", "The Deployment was created or changed to the plan."
    STARTUP_FAILED = "StartupFailed", "A start-up failed; the message has the log's reason and numbers."
    RETUNED = "Retuned", "Flags were changed after a failed start-up; the message says which, why and at what price."
    STOPPED = "Stopped", "Nothing more is tried until the spec changes; the message says what to change."
    CAPACITY_VERIFIED = "CapacityVerified", "vLLM passed its capacity check; measured and predicted tokens."
    READY = "Ready", "The model serves."
    NOT_READY = "NotReady", "The model does not serve any more."
    REPAIRED = "Repaired", "A Deployment or Service that was edited or deleted by hand was put back."
    NODE_FAULT = "NodeFault", "A node failed or drained the pod; nothing is held against the plan."
    PAUSED = "Paused", "The annotation vlm-operator.dev/paused was set."
    RESUMED = "Resumed", "The annotation vlm-operator.dev/paused was removed."
    OBSERVED = "Observed", "A start-up's measurements were recorded."


def remedy_for(reason: str) -> str:
    """What to do about a reason, empty where nothing needs to be done or the reason is not of the list."""
    return next((member.remedy for member in ConditionReason if member.value == reason), "")
