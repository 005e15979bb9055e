"""Log wordings for insufficient memory.

Read in vLLM 0.8 to 0.33: ``v1/core/kv_cache_utils.py`` (``kv_cache_planning.py`` in 0.33), ``worker/worker.py`` (V0),
``v1/worker/{gpu_worker,cpu_worker,gpu_model_runner,utils}.py``, ``config/compilation.py``; PyTorch's
``CUDACachingAllocator``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind
from vlm_operator.engine.log_wordings.template import Wording, wordings
from vlm_operator.engine.startup_reasons import StartupReason

_TOO_SMALL: Final = (
    "max seq len ({max_model_len:int}), ({needed_gib:number} %s KV cache is needed, which is larger than the available"
    " KV cache memory ({available_gib:number} %s)"
)
_SIZES: Final = ("GiB", "MiB", "KiB", "bytes")


def _allocator(name: str, before: str, after: str) -> tuple[Wording, ...]:
    """A size in PyTorch's out-of-memory text, in each of its units: ``name`` and ``name_unit``."""
    return tuple(Wording(f"{before}{{{name}:number}} {unit}{after}", "any", {f"{name}_unit": unit}) for unit in _SIZES)


_OUT_OF_MEMORY: Final = tuple(
    Wording(
        f"{backend} out of memory. Tried to allocate {{tried_alloc:number}} {unit}",
        "any",
        {"backend": backend, "tried_alloc_unit": unit},
    )
    for backend in ("CUDA", "HIP", "XPU")
    for unit in _SIZES
)
_OUT_OF_MEMORY_DETAILS: Final = (
    *wordings("GPU {gpu:int} has a total", "XPU {gpu:int} has a total", "(GPU {gpu:int}; "),
    *_allocator("total", "capacity of ", " of which"),
    *_allocator("total", "capacty of ", " of which"),
    *_allocator("total", "; ", " total capacity;"),
    *_allocator("free", "of which ", " is free"),
    *_allocator("free", "; ", " free;"),
    *_allocator("process_in_use", "this process has ", " memory in use"),
    *_allocator("allowed", "", " allowed;"),
    *_allocator("torch_alloc", "Of the allocated memory ", " is allocated by PyTorch"),
    *_allocator("torch_alloc", "; ", " already allocated;"),
    *_allocator("private_pools", "with ", " allocated in private pools"),
    *_allocator("unallocated", "and ", " is reserved by PyTorch but unallocated"),
    *_allocator("reserved", "; ", " reserved in total by PyTorch"),
)

KINDS: Final = (
    FailureKind(
        name="kv_cache_too_small",
        reason=StartupReason.KV_CACHE_TOO_SMALL,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=10,
        wordings=(
            Wording(_TOO_SMALL % ("GB", "GB"), "0.7.3-0.8.3", {"unit": "GB"}),
            Wording(_TOO_SMALL % ("GiB", "GiB"), "0.8.4-", {"unit": "GiB"}),
            Wording(
                (_TOO_SMALL % ("GiB", "GiB")).replace("({needed_gib", "{needed_gib"),  # as some quote it
                "0.8.4-",
                {"unit": "GiB"},
            ),
        ),
        details=wordings("the estimated maximum model length is {estimated_max_len:int}", versions="0.9.1-"),
        pieces=(
            "To serve at least one request with the model",
            "or decreasing `max_model_len` when initializing the engine",
        ),
    ),
    FailureKind(
        name="kv_cache_too_small_v0",
        reason=StartupReason.KV_CACHE_TOO_SMALL,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=10,
        case="The block pool of the V0 engine holds fewer tokens than --max-model-len.",
        case_remedy="Lower --max-model-len to the tokens that the KV cache holds, or raise --gpu-memory-utilization.",
        wordings=wordings(
            "max seq len ({max_model_len:int}) is larger than the maximum number of tokens that can be stored in KV "
            "cache ({kv_cache_tokens:int})",
            versions="0.6.3-0.10.2",
        ),
        details=wordings("Try increasing `{knob:word}`"),
    ),
    FailureKind(
        name="no_kv_blocks",
        reason=StartupReason.NO_KV_CACHE_MEMORY,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=10,
        wordings=wordings(
            "No available memory for the cache blocks. Try increasing `{knob:word}` when initializing",
            versions="0.6.3-",
        ),
        pieces=("Try increasing `gpu_memory_utilization` when initializing the engine",),
    ),
    FailureKind(
        name="auto_fit_impossible",
        reason=StartupReason.NO_KV_CACHE_MEMORY,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=10,
        case="With --max-model-len auto, the memory that is left does not hold a single token.",
        case_remedy="Raise --gpu-memory-utilization, or lower --max-num-seqs, --max-num-batched-tokens or "
        "--limit-mm-per-prompt.",
        wordings=wordings("Cannot auto-fit max_model_len: not enough GPU memory available", versions="0.14-"),
        pieces=("to serve even a single token. Try increasing",),
    ),
    FailureKind(
        name="free_memory_below_requested",
        reason=StartupReason.FREE_MEMORY_TOO_LOW,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=10,
        wordings=tuple(
            Wording(
                f"Free memory on device {device}({{free_gib:number}}/{{total_gib:number}} GiB) on startup is less than "
                f"{bound} ({{utilization:number}}, {{requested_gib:number}} GiB)",
                versions,
                {"bound": bound},
            )
            for bound in (
                "desired GPU memory utilization",
                "the engine's budget after excluding external process's weights",
            )
            for device, versions in (("", "0.9.1-0.13"), ("{device:token} ", "0.14-"))
        ),
        pieces=(
            "Decrease GPU memory utilization or reduce GPU memory used by other processes",
            "on startup is less than desired GPU memory utilization",
        ),
    ),
    FailureKind(
        name="cpu_memory_below_requested",
        reason=StartupReason.FREE_MEMORY_TOO_LOW,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=10,
        case="CPU backend: less memory is available on the NUMA node than the utilisation or the KV cache asks for.",
        case_remedy="Lower --gpu-memory-utilization, --kv-cache-memory-bytes or VLLM_CPU_KVCACHE_SPACE, or free "
        "memory.",
        wordings=(
            Wording(
                "Available memory on node {node:int} ({free_gib:number}/{total_gib:number} GiB) on startup is less "
                "than desired CPU memory utilization ({utilization:number}, {requested_gib:number} GiB)",
                "0.20-",
                {"when": "startup"},
            ),
            Wording(
                "Available memory on node {node:int} ({free_gib:number}/{total_gib:number} GiB) on kv cache allocation "
                "is less than requested memory for kv ({requested_kv_gib:number} GiB)",
                "0.20-",
                {"when": "kv cache allocation"},
            ),
            Wording(
                "Available memory on node {node:int} ({free_gib:number}/{total_gib:number} GiB) on kv cache allocation "
                "is less than requested memory for kv ({requested_kv_gib:number}/{reserved_gib:number} GiB)",
                "0.20-",
                {"when": "kv cache allocation"},
            ),
        ),
        pieces=("or reduce CPU memory used by other processes",),
    ),
    FailureKind(
        name="media_decoding_reservation",
        reason=StartupReason.NO_KV_CACHE_MEMORY,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=10,
        case="The front end reserves GPU memory to decode media, which leaves no memory for the KV cache.",
        case_remedy="Lower --mm-ipc-gpu-memory-gb or the number of hardware decoders, or decode on the CPU.",
        wordings=wordings(
            "GPU decoding reserves {reserved_gib:number} GiB ({frames_gib:number} GiB raw-frame budget, "
            "{decoder_gib:number} GiB decoder cache budget), but only {available_gib:number} GiB is available for the "
            "KV cache",
            versions="0.25-",
        ),
    ),
    FailureKind(
        name="mamba_blocks_below_sequences",
        reason=StartupReason.TOO_FEW_MAMBA_BLOCKS,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=10,
        wordings=wordings(
            "max_num_seqs ({max_num_seqs:int}) exceeds available Mamba cache blocks ({mamba_blocks:int})",
            versions="0.20-",
        ),
        pieces=(
            "Each decode sequence requires one Mamba cache block, so CUDA graph capture cannot proceed",
            "Please lower max_num_seqs to at most",
        ),
    ),
    FailureKind(
        name="model_load_out_of_memory",
        reason=StartupReason.OUT_OF_MEMORY,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=4,
        case="The weights do not fit the GPU.",
        case_remedy="Raise --tensor-parallel-size, or use a quantised checkpoint or a larger GPU; "
        "--gpu-memory-utilization does not help.",
        wordings=wordings("Failed to load model - not enough GPU memory.", versions="0.13-"),
        details=(*_OUT_OF_MEMORY, *_OUT_OF_MEMORY_DETAILS),
        stage="load",
        pieces=("Try lowering --gpu-memory-utilization to free memory for weights, increasing --tensor-parallel-size",),
    ),
    FailureKind(
        name="sampler_out_of_memory",
        reason=StartupReason.OUT_OF_MEMORY,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=5,
        case="The GPU ran out of memory while the sampler or pooler was warmed up with --max-num-seqs requests.",
        case_remedy="Lower --max-num-seqs, or lower --gpu-memory-utilization to leave more memory outside the KV "
        "cache.",
        wordings=(
            *(
                Wording(
                    f"out of memory occurred when warming up {what} with {{num_reqs:int}} dummy requests",
                    versions,
                    {"what": what},
                )
                for what, versions in (("sampler", "0.8-"), ("pooler", "0.9.2"))
            ),
            Wording(
                "out of memory occurred when warming up pooler (task={task:token}) with {num_reqs:int} dummy requests",
                "0.10-",
                {"what": "pooler"},
            ),
        ),
        stage="sampler",
        pieces=("Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing the engine",),
    ),
    FailureKind(
        name="device_out_of_memory",
        reason=StartupReason.OUT_OF_MEMORY,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=8,
        wordings=_OUT_OF_MEMORY,
        details=_OUT_OF_MEMORY_DETAILS,
        pieces=(
            "If reserved but unallocated memory is large try setting",
            "expandable_segments:True to avoid fragmentation",
            "Including non-PyTorch memory, this process has",
            "See documentation for Memory Management",
            "has a total capacity of",
        ),
    ),
    FailureKind(
        name="driver_out_of_memory",
        reason=StartupReason.OUT_OF_MEMORY,
        failure_class=FailureClass.MEMORY,
        retunable=True,
        priority=9,
        case="The CUDA driver, cuBLAS or NCCL could not allocate memory outside PyTorch's allocator.",
        case_remedy="Lower --gpu-memory-utilization by 0.02 to 0.05, lower --max-num-seqs, or set --enforce-eager.",
        wordings=wordings(
            "CUDA error: out of memory",
            "CUDA driver error: out of memory",
            "CUDA Error: out of memory",
            "HIP error: out of memory",
            "Triton Error [CUDA]: out of memory",
            "Cuda failure 'out of memory'",
            "Cuda failure 2 'out of memory'",
            "cudaErrorMemoryAllocation",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "CUBLAS_STATUS_ALLOC_FAILED",
        ),
    ),
    FailureKind(
        name="memory_changed_during_profiling",
        reason=StartupReason.MEMORY_CHANGED_DURING_PROFILING,
        failure_class=FailureClass.MEMORY,
        retunable=False,
        priority=10,
        wordings=(
            Wording(
                "Error in memory profiling. Initial free memory {initial:number} GiB, current free memory "
                "{current:number} GiB",
                "0.9.1-",
                {"kind": "free", "initial_unit": "GiB", "current_unit": "GiB"},
            ),
            Wording(
                "Error in memory profiling. Initial free memory {initial:number}, current free memory "
                "{current:number}.",
                "0.6.3-0.9.0",
                {"kind": "free"},
            ),
            Wording(
                "Error in memory profiling. Initial used memory {initial:number}, currently used memory "
                "{current:number}.",
                "0.7.3-0.10.2",
                {"kind": "used"},
            ),
        ),
        pieces=("other processes sharing the same container release GPU memory while vLLM is profiling",),
    ),
)
