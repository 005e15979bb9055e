"""Figures vLLM prints while it starts.

Read in vLLM 0.8 to 0.33: ``v1/worker/{gpu_worker,gpu_model_runner,cpu_worker}.py``, ``v1/core/kv_cache_utils.py``,
``config/{model,scheduler}.py``; V0: ``worker/worker.py``, ``executor/executor_base.py``. Gaps are named as the figures
are in ``diagnosis.Observation``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.compile_cache import COMPILE_CACHE_STARTS
from vlm_operator.engine.log_wordings.template import Wording, WordingTable, wordings

MEASURED: Final[tuple[Wording, ...]] = (
    *wordings(
        "Loading model weights took {weights_gib:number} GB",
        "Model loading took {weights_gib:number} GB",
        versions="0.6.3-0.8.3",
    ),
    *wordings("Model loading took {weights_gib:number} GiB", versions="0.8.4-"),
    # V0 until 0.10.2, one record of several sentences.
    *wordings(
        "model weights take {weights_gib:number}GiB",
        "non_torch_memory takes {non_torch_gib:number}GiB",
        "activation peak memory takes {activation_gib:number}GiB",
        "memory reserved for KV Cache is {kv_gib:number}GiB",
        "total_gpu_memory ({total_gib:number}GiB) x gpu_memory_utilization ({utilization:number}) = "
        "{requested_gib:number}GiB",
        versions="0.6.6-0.10.2",
    ),
    *wordings(
        "total_gpu_memory={total_gib:number}GiB",
        "non_torch_memory={non_torch_gib:number}GiB",
        "kv_cache_size={kv_gib:number}GiB",
        "gpu_memory_utilization={utilization:number}",
        versions="0.6.3-0.6.5",
    ),
    *wordings(
        "blocks: {gpu_blocks:int}, # CPU blocks: {cpu_blocks:int}",
        "# GPU blocks: {gpu_blocks:int}",
        versions="0.6.3-0.11",
    ),
    *wordings("Using 'pin_memory=False' as {platform:word} is detected", versions="0.6.3-"),
    *wordings("Available KV cache memory: {kv_gib:number} GiB", versions="0.9.1-"),
    *wordings("Explicitly set ({kv_gib:number}/{total_gib:number}) GiB for KV cache", versions="0.20-", device="CPU"),
    *wordings("{device:word} KV cache size: {kv_tokens:count} tokens", versions="0.8-"),
    *wordings("{device:word} + host KV cache size: {kv_tokens:count} tokens", versions="0.30-"),
    *wordings(
        "Maximum concurrency for {max_model_len:count} tokens per request: {concurrency:number}x", versions="0.6.3-"
    ),
    *wordings("Graph capturing finished in {secs:int} secs", versions="0.6.3-"),
    *wordings("Graph capturing finished in {secs:int} secs, took {graph_gib:number} GiB", versions="0.6.6-"),
    *wordings("Estimated CUDA graph memory: {graph_est_gib:number} GiB total", versions="0.18-"),
    *wordings(
        "CUDA graph pool memory: {graph_gib:number} GiB (actual), {graph_est_gib:number} GiB (estimated)",
        versions="0.18-",
    ),
    # The budget as vLLM sums it up at the end: several sentences, of which versions print different ones.
    *wordings(
        "Free memory on device ({free_gib:number}/{total_gib:number} GiB) on startup. Desired GPU memory utilization "
        "is ({utilization:number}, {requested_gib:number} GiB)",
        "usage is {weights_gib:number} GiB for weight",
        "{activation_gib:number} GiB for peak activation",
        "{non_torch_gib:number} GiB for non-torch memory",
        "{graph_gib:number} GiB for CUDAGraph memory",
        "`--kv-cache-memory={kv_bytes_requested:signed}` ({:number} GiB) to fit into requested memory",
        "`--kv-cache-memory-bytes={kv_bytes_requested:signed}` ({:number} GiB) to fit into requested memory",
        "`--kv-cache-memory={kv_bytes_gpu:signed}` ({:number} GiB) to fully utilize gpu memory",
        "`--kv-cache-memory-bytes={kv_bytes_gpu:signed}` ({:number} GiB) to fully utilize gpu memory",
        "Current kv cache memory in use is {kv_gib:number} GiB",
        versions="0.10.2-",
    ),
    *wordings("usage is {consumed_gib:number} GiB for consumed memory", versions="0.27-"),
    *wordings(
        "Encoder cache will be initialized with a budget of {encoder_budget:int} tokens",
        "budget of {encoder_budget:int} tokens, and profiled with {items:int} {modality:word} items",
        versions="0.7.3-",
    ),
    *wordings(
        "Auto-fit max_model_len: reduced from {auto_fit_from:int} to {auto_fit_to:int} to fit",
        "Auto-fit max_model_len: full model context length {auto_fit_full:int} fits",
        versions="0.14-",
    ),
    *wordings("init engine (profile, create kv cache, warmup model) took {seconds:number} s", versions="0.6.6-"),
    *wordings("Using max model len {max_model_len:int}", versions="0.10-"),
    *wordings("max_num_batched_tokens={max_num_batched_tokens:int}", versions="0.8-"),
    *wordings("tensor_parallel_size={tensor_parallel_size:int},", versions="0.6.3-"),
    *wordings(
        "Initial free memory {free_gib:number} GiB, reserved {pinned_kv_gib:number} GiB memory for KV Cache",
        "Initial free memory {free_gib:number} GiB, reserved {pinned_kv_gib:number}GiB memory for KV Cache",
        versions="0.10.2-",
    ),
    *wordings("Setting attention block size to {block_size:int} tokens", versions="0.11-"),
    *wordings("Resolved architecture: {architecture:word}", versions="0.10-"),
    *wordings("Using {runner:word} Model Runner", versions="0.20-"),
    *wordings("using the {runner:word} model runner instead", versions="0.20-"),
)

FIGURES: Final = WordingTable((None, wording) for wording in MEASURED)
"""Every sentence with figures."""

VERSIONS: Final[tuple[Wording, ...]] = wordings(
    "vLLM API server version {version:engine_version}",
    "vLLM server version {version:engine_version}",
    "Initializing a V1 LLM engine (v{version:engine_version})",
    "Initializing a V0 LLM engine (v{version:engine_version})",
    "Initializing an LLM engine (v{version:engine_version})",
    "version {version:engine_version}",
)
"""Where vLLM says which release it is; the last only in a banner (see ``BANNER``)."""

BANNER: Final = ("version ", "▄▄ ▄█")
"""How the record begins that holds the version in vLLM's banner, with and without its drawing."""

ENGINE_STARTS: Final = "LLM engine (v"
"""Printed by each engine process as its configuration is final."""

SERVING: Final = ("Application startup complete",)
"""The server answers requests from here on."""

ARGUMENTS: Final = "non-default args: "
"""Followed by a Python dict of the flags that were set."""

STAGES: Final[dict[str, str]] = {
    **dict.fromkeys(("init_device", "init_worker_distributed_environment"), "device_init"),
    **dict.fromkeys(("load_model", "initialize_model", "load_weights", "process_weights_after_loading"), "load"),
    **dict.fromkeys(
        (
            "determine_available_memory",
            "determine_num_available_blocks",
            "profile_run",
            "profile_encoder_cache",
            "_dummy_run",
        ),
        "profile",
    ),
    "profile_cudagraph_memory": "graph_estimate",
    **dict.fromkeys(
        (
            "initialize_from_config",
            "initialize_kv_cache",
            "_allocate_kv_cache_tensors",
            "allocate_kv_cache",
            "_allocate_kv_cache",
            "_init_cache_engine",
        ),
        "kv_alloc",
    ),
    **dict.fromkeys(
        (
            "capture_model",
            "_capture_cudagraphs",
            "_warmup_and_capture",
            "compile_or_warm_up_model",
            "_warm_up_model",
            "kernel_warmup",
            "warmup_kernels",
        ),
        "graph",
    ),
    **dict.fromkeys(("_dummy_sampler_run", "_dummy_pooler_run"), "sampler"),
    **dict.fromkeys(("execute_model", "run_busy_loop"), "serving"),
}
"""Function in a traceback to the stage of the start in which it runs."""

CONFIGURATION_FILES: Final = (
    "/vllm/config/",
    "/vllm/config.py",
    "/vllm/engine/arg_utils.py",
    "/vllm/entrypoints/openai/cli_args.py",
    "/vllm/entrypoints/cli/",
    "/vllm/platforms/",
    "/vllm/lora/",
    "/vllm/transformers_utils/config.py",
)
"""Files of vLLM that check flags: what they raise themselves is a refusal of the configuration."""

MESSAGE_STARTS: Final[tuple[str, ...]] = (
    "Loading model weights took",
    "Model loading took",
    "model weights take",
    "the current vLLM instance can use",
    "Memory profiling results",
    "Memory profiling takes",
    "# GPU blocks",
    "# cuda blocks",
    "# CPU blocks",
    "# rocm blocks",
    "Available KV cache memory",
    "    Available KV cache memory",
    "Explicitly set (",
    *(f"{device} KV cache size" for device in ("GPU", "CPU", "XPU", "HPU", "TPU", "CUDA", "ROCM")),
    *(f"{device} + host KV cache size" for device in ("GPU", "CPU", "XPU")),
    "Maximum concurrency for",
    "Initial free memory",
    "Starting to load model",
    *COMPILE_CACHE_STARTS,
    "Profiling CUDA graph memory",
    "Capturing ",
    "Graph capturing finished",
    "Estimated CUDA graph memory",
    "CUDA graph pool memory",
    "Free memory on device",
    "Actual usage is",
    "Encoder cache will be",
    "Auto-fit max_model_len",
    "init engine (profile",
    "Using max model len",
    "Chunked prefill is enabled with",
    "Setting attention block size",
    "Resolved architecture",
    "Using 'pin_memory=False'",
    "Using V1 Model Runner",
    "Using V2 Model Runner",
    "Model Runner V2 requires",
    "vLLM API server version",
    "Initializing a V",
    "Initializing an LLM engine",
    "non-default args",
    "version ",
    " ▄▄ ▄█",
    r" \u2584\u2584 \u2584\u2588",
)
"""How records that hold any of the above begin; every other INFO, DEBUG or WARNING record says nothing to us."""
