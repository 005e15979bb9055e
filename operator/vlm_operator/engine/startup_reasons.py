"""Reasons of failed start-ups and requests as vLLM's log tells them: each word with its meaning and remedy, once.

The words are fixed by the contract of ``vlmctl diagnose``. Several sentences of a log may share a reason; a
``log_wordings.FailureKind`` has words of its own only where it is a narrower case. Remedies name vLLM's flags, and
``api.field_words`` puts the fields of a VLMDeployment in their place.
"""

from __future__ import annotations

from vlm_operator.engine.described import Described


class StartupReason(Described):
    """Why a start-up, or a request, failed."""

    # --- memory ---
    KV_CACHE_TOO_SMALL = (
        "KVCacheTooSmall",
        "One request of --max-model-len needs more KV cache than the memory that is left for it.",
        "Lower --max-model-len to the value advised, or free memory: raise --gpu-memory-utilization, set "
        "--kv-cache-dtype to fp8, allow fewer or smaller multimodal items, or raise --tensor-parallel-size.",
    )
    NO_KV_CACHE_MEMORY = (
        "NoKVCacheMemory",
        "Weights and the start-up peak leave no memory for any KV cache.",
        "Raise --gpu-memory-utilization, lower --max-num-batched-tokens, switch off unused modalities, or use a "
        "quantised checkpoint or a larger GPU.",
    )
    FREE_MEMORY_TOO_LOW = (
        "FreeMemoryTooLow",
        "Less GPU memory is free at start than --gpu-memory-utilization asks for: another process uses the GPU.",
        "Stop the other process, or lower --gpu-memory-utilization to the value advised.",
    )
    OUT_OF_MEMORY = (
        "OutOfMemory",
        "The GPU ran out of memory while vLLM loaded weights, profiled, allocated the KV cache or captured CUDA "
        "graphs; the stage says which.",
        "Follow the advice for the stage: lower --max-num-batched-tokens, --max-num-seqs or pixel caps, raise "
        "--tensor-parallel-size, or use a smaller model.",
    )
    TOO_FEW_MAMBA_BLOCKS = (
        "TooFewMambaBlocks",
        "A hybrid model has fewer blocks for recurrent states than --max-num-seqs, so CUDA graphs cannot be captured.",
        "Lower --max-num-seqs to the number of blocks, or raise --gpu-memory-utilization.",
    )
    MEMORY_CHANGED_DURING_PROFILING = (
        "MemoryChangedDuringProfiling",
        "Another process freed or took GPU memory while vLLM measured it, so the measurement is void.",
        "Start vLLM again; start pods that share a GPU one after another.",
    )
    HOST_OUT_OF_MEMORY = (
        "HostOutOfMemory",
        "The container or the node ran out of main memory: an allocation failed, or the kernel killed the container "
        "(exit code 137).",
        "Raise the container's memory limit in spec.podTemplate, use a node with more memory, or lower "
        "--cpu-offload-gb, --swap-space or the KV offloading size.",
    )

    # --- configuration ---
    CONTEXT_ABOVE_MODEL_MAXIMUM = (
        "ContextAboveModelMaximum",
        "--max-model-len is larger than the maximum in the model's config.json.",
        "Lower --max-model-len to the model's maximum, or set RoPE scaling with --hf-overrides.",
    )
    BATCHED_TOKENS_BELOW_CONTEXT = (
        "BatchedTokensBelowContext",
        "Chunked prefill is off, and --max-num-batched-tokens is below --max-model-len.",
        "Raise --max-num-batched-tokens to --max-model-len, lower --max-model-len, or set --enable-chunked-prefill.",
    )
    BATCHED_TOKENS_BELOW_SEQUENCES = (
        "BatchedTokensBelowSequences",
        "--max-num-batched-tokens is below --max-num-seqs.",
        "Lower --max-num-seqs, or raise --max-num-batched-tokens.",
    )
    ITEM_ABOVE_BATCHED_TOKENS = (
        "ItemAboveBatchedTokens",
        "Multimodal items may not be split into chunks, and the largest item exceeds --max-num-batched-tokens.",
        "Raise --max-num-batched-tokens to the item's tokens, or cap pixels with --mm-processor-kwargs.",
    )
    CHUNKED_INPUT_REQUIRED = (
        "ChunkedInputRequired",
        "A hybrid model with prefix caching must be able to split multimodal items into chunks, which is switched off.",
        "Remove --disable-chunked-mm-input, or set --no-enable-prefix-caching.",
    )
    LIMIT_ABOVE_SUPPORTED = (
        "LimitAboveSupported",
        "--limit-mm-per-prompt allows more items than the model supports.",
        "Lower --limit-mm-per-prompt to the number in the message.",
    )
    BATCHED_TOKENS_BELOW_MAMBA_BLOCK = (
        "BatchedTokensBelowMambaBlock",
        "--max-num-batched-tokens is below the block size of the recurrent state.",
        "Raise --max-num-batched-tokens to the block size, or set --no-enable-prefix-caching.",
    )
    TENSOR_PARALLEL_NOT_DIVISIBLE = (
        "TensorParallelNotDivisible",
        "--tensor-parallel-size does not divide the attention heads or a layer, or splits a quantisation group.",
        "Set --tensor-parallel-size to a value that divides them; set --enable-expert-parallel for experts, "
        "--mm-encoder-tp-mode to data for a vision encoder.",
    )
    TOO_FEW_GPUS = (
        "TooFewGPUs",
        "Tensor and pipeline parallelism need more GPUs than the container has.",
        "Lower --tensor-parallel-size or --pipeline-parallel-size, or request more GPUs (gpu.count).",
    )
    KV_LAYOUT_UNSUPPORTED = (
        "KVLayoutUnsupported",
        "This vLLM release cannot keep KV pages of different sizes (hybrid model, draft model, mixed types) in one "
        "pool.",
        "Change --block-size, set --kv-cache-dtype to auto, remove the draft model, or use the release that the "
        "model's card names.",
    )
    ITEM_ABOVE_PROCESSOR_CACHE = (
        "ItemAboveProcessorCache",
        "One processed image, video or audio clip is larger than the cache of processed items.",
        "Raise --mm-processor-cache-gb, set it to 0 to disable the cache, or send smaller items.",
    )
    UNKNOWN_ARGUMENT = (
        "UnknownArgument",
        "This vLLM release does not know a flag, or cannot parse its value.",
        "Remove the flag (engine.extraArgs), write its value as this release expects it, or use a release that knows "
        "it.",
    )
    QUANTIZATION_DTYPE_UNSUPPORTED = (
        "QuantizationDtypeUnsupported",
        "The quantisation does not support this --dtype.",
        "Set --dtype to a type that the message names, or remove it.",
    )
    QUANTIZATION_CONFIG_INVALID = (
        "QuantizationConfigInvalid",
        "The checkpoint's quantisation config is missing, or --quantization contradicts it.",
        "Remove --quantization so that vLLM reads the method from the checkpoint, or use a complete checkpoint.",
    )
    CONFIGURATION_REJECTED = (
        "ConfigurationRejected",
        "vLLM rejected its flags: they contradict each other, the model or the GPU.",
        "Change or remove the flag that the quoted sentence names.",
    )
    COMPILATION_FAILED = (
        "CompilationFailed",
        "torch.compile, Triton or FlashInfer could not compile a kernel, or the image lacks the compiler.",
        "Use vLLM's own image, or set --enforce-eager to run without torch.compile and CUDA graphs.",
    )
    DEPENDENCY_MISSING = (
        "DependencyMissing",
        "The image lacks a Python package or library that the model or a flag needs, or has another version of it.",
        "Build an image on top of vLLM's with the package, in the version that the message names; do not upgrade "
        "transformers or torch beyond what the vLLM release allows.",
    )

    # --- hardware ---
    GPU_UNSUPPORTED_BY_IMAGE = (
        "GPUUnsupportedByImage",
        "The image has no kernels for this GPU: the GPU is older or newer than what the image was compiled for.",
        "Use an image that was built for the GPU's compute capability (a newer release, another CUDA version), or a "
        "GPU that the image supports.",
    )
    DTYPE_UNSUPPORTED_BY_GPU = (
        "DtypeUnsupportedByGPU",
        "The GPU does not support bfloat16.",
        "Set --dtype to half if the model's numerics allow it, or use a GPU of compute capability 8.0 or newer.",
    )
    QUANTIZATION_UNSUPPORTED_BY_GPU = (
        "QuantizationUnsupportedByGPU",
        "The GPU does not support the model's quantisation: its kernels need a newer GPU.",
        "Use another quantisation of the model, or a newer GPU.",
    )
    KERNEL_UNSUPPORTED = (
        "KernelUnsupported",
        "No kernel of this vLLM release runs the model on this GPU with these flags.",
        "Change the flag that the message names, or use another GPU or release.",
    )
    ATTENTION_BACKEND_UNSUPPORTED = (
        "AttentionBackendUnsupported",
        "No attention backend of this release supports the element types, head size, block size and GPU together.",
        "Set --kv-cache-dtype to auto and remove --attention-backend and --block-size, or use a newer release or GPU.",
    )

    # --- node: the plan is not to blame ---
    NO_GPU_VISIBLE = (
        "NoGPUVisible",
        "The container sees no GPU that CUDA can use.",
        "Check that the pod requests GPUs, and check the node's driver, device plugin and RuntimeClass.",
    )
    SHARED_MEMORY_TOO_SMALL = (
        "SharedMemoryTooSmall",
        "/dev/shm is too small for NCCL or vLLM's queues; the default in Kubernetes is 64 MiB.",
        "Mount an emptyDir with medium: Memory on /dev/shm, 1 GiB or more for each GPU (in spec.podTemplate: the "
        "volume dshm and its sizeLimit).",
    )
    NCCL_ERROR = (
        "NCCLError",
        "NCCL could not set up communication between the GPUs of the pod.",
        "Check /dev/shm, the node's GPU links and driver; try --disable-custom-all-reduce or NCCL_P2P_DISABLE=1; "
        "NCCL_DEBUG=INFO logs more.",
    )
    ENGINE_START_TIMEOUT = (
        "EngineStartTimeout",
        "The engine process was not ready in time; the weights may still have been loading.",
        "Raise VLLM_ENGINE_READY_TIMEOUT_S and the startup probe's failureThreshold, or cache the weights on the node.",
    )
    DISK_FULL = (
        "DiskFull",
        "The disk that holds the model cache is full.",
        "Mount a larger volume for the cache (in spec.podTemplate: the volume cache), or raise the ephemeral-storage "
        "limit.",
    )
    ADDRESS_IN_USE = (
        "AddressInUse",
        "The server's port, or a port between its processes, is already in use.",
        "Stop the process that listens there, or set --port (VLLM_PORT and --master-port for the ports between "
        "processes); with hostNetwork, pods on one node share their ports.",
    )
    GPU_ERROR = (
        "GPUError",
        "The GPU reported a fault while a kernel ran: defective memory, or an illegal access by the kernel.",
        "Look for an Xid in the node's kernel log and start again; if another GPU fails too, the kernel is at fault: "
        "try --enforce-eager, another --attention-backend or another release.",
    )
    PERMISSION_DENIED = (
        "PermissionDenied",
        "The container's user may not read or write a file that vLLM needs.",
        "Set fsGroup or runAsUser in the pod's securityContext (spec.podTemplate), or set HOME, HF_HOME and "
        "VLLM_CACHE_ROOT to a volume that the user may write.",
    )
    WORKER_DIED = (
        "WorkerDied",
        "A worker or engine process ended without naming a reason; exit code -9 means that it was killed.",
        "Check the pod's memory limit (OOMKilled) and the node's kernel log (Xid), then start again once.",
    )

    # --- model ---
    MODEL_NOT_FOUND = (
        "ModelNotFound",
        "The model's id or path does not exist, is private, or is not in the cache while offline.",
        "Correct the model's id or path (spec.model), set a token (model.tokenSecretRef, HF_TOKEN), mount the "
        "volume in spec.podTemplate, or unset HF_HUB_OFFLINE.",
    )
    MODEL_ACCESS_DENIED = (
        "ModelAccessDenied",
        "The repository is gated, and there is no token or the token has no access.",
        "Request access on the Hub, and give the pod a token that has it (model.tokenSecretRef, HF_TOKEN).",
    )
    CHECKPOINT_UNREADABLE = (
        "CheckpointUnreadable",
        "A file of the checkpoint is damaged, incomplete, or belongs to another architecture.",
        "Delete the model's directory in the cache so that it is downloaded again, and compare the files' sizes: a "
        "file of some hundred bytes is a Git LFS pointer.",
    )
    TRUST_REMOTE_CODE_REQUIRED = (
        "TrustRemoteCodeRequired",
        "The repository brings its own code, which vLLM runs only with --trust-remote-code.",
        "Read that code, then set --trust-remote-code and pin model.revision.",
    )
    ARCHITECTURE_UNSUPPORTED = (
        "ArchitectureUnsupported",
        "This vLLM release, or its transformers, does not support the model's architecture: support was added later, "
        "or has been removed.",
        "Use a newer vLLM image (engine.image), or an older one for an architecture that was removed.",
    )

    # --- requests: the server is healthy ---
    PROMPT_TOO_LONG = (
        "PromptTooLong",
        "A prompt, with its images and videos, is longer than --max-model-len.",
        "Shorten the prompt or send smaller items; a higher --max-model-len needs more KV cache.",
    )
    ITEM_LIMIT_EXCEEDED = (
        "ItemLimitExceeded",
        "A prompt holds more images, videos or audio clips than --limit-mm-per-prompt allows.",
        "Send fewer items, or raise --limit-mm-per-prompt; the count itself needs no memory once one item fits.",
    )
    ITEM_ABOVE_ENCODER_CACHE = (
        "ItemAboveEncoderCache",
        "One image, video or audio clip has more tokens than the encoder cache.",
        "Send smaller items, cap pixels with --mm-processor-kwargs, or raise --max-num-batched-tokens.",
    )

    UNKNOWN = (
        "Unknown",
        "The log contains no message whose cause is known.",
        "Read the quoted exception and the lines above it in the log.",
    )
