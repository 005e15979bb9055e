"""Reasons of failed start-ups, as the log and the container's state tell them: the word, what it means, what to do."""

from __future__ import annotations

from vlm_operator.api.described import Described


class StartupReason(Described):
    """Reasons that a start-up gives."""

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
