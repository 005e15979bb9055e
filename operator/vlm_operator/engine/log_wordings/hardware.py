"""Log wordings for a GPU that lacks what the model or a flag needs.

Read in vLLM 0.8 to 0.33: ``platforms/cuda.py``, ``model_executor/layers/quantization/``, ``model_executor/layers/
fused_moe/oracle/``, ``v1/attention/backends/``; FlashAttention, xFormers and Triton.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind
from vlm_operator.engine.log_wordings.template import wordings
from vlm_operator.engine.startup_reasons import StartupReason

KINDS: Final = (
    FailureKind(
        name="dtype_unsupported",
        reason=StartupReason.DTYPE_UNSUPPORTED_BY_GPU,
        failure_class=FailureClass.HARDWARE,
        retunable=True,
        priority=10,
        wordings=wordings(
            "Bfloat16 is only supported on GPUs with compute capability of at least {min_capability:number}. Your "
            "{gpu_name:text} GPU has compute capability {capability:number}.",
            "Bfloat16 is only supported on GPUs with compute capability of at least {min_capability:number}. Your "
            "{gpu_name:text} GPU does not have a compute capability",
            versions="0.6.3-",
        ),
        pieces=("You can use float16 instead by explicitly setting the `dtype` flag in CLI",),
    ),
    FailureKind(
        name="quantization_unsupported_by_gpu",
        reason=StartupReason.QUANTIZATION_UNSUPPORTED_BY_GPU,
        failure_class=FailureClass.HARDWARE,
        retunable=False,
        priority=10,
        wordings=(
            *wordings(
                "The quantization method {method:name} is not supported for the current GPU. Minimum capability: "
                "{min_capability:int}. Current capability: {capability:int}.",
                "The quantization method {method:name} is not supported for the current GPU. Minimum capability: "
                "{min_capability:int}. Current capability: {capability:text}.",
                versions="0.6.3-",
            ),
            # Raised as a tuple of pieces until 0.28, so the quotes between them are printed.
            *wordings(
                "Quantization scheme is not supported for ', 'the current GPU. Min capability: {min_capability:int}. "
                "', 'Current capability: {capability:int}.",
                versions="0.6.3-0.28",
            ),
            *wordings(
                "Quantization scheme is not supported for the current GPU. Min capability: {min_capability:int}. "
                "Current capability: {capability:int}.",
                "Quantization scheme is not supported for the current GPU. Required capability: "
                "{min_capability:int}. Current capability: {capability:int}.",
                versions="0.29-",
            ),
        ),
    ),
    FailureKind(
        name="quantization_kernel_missing",
        reason=StartupReason.QUANTIZATION_UNSUPPORTED_BY_GPU,
        failure_class=FailureClass.HARDWARE,
        retunable=False,
        priority=11,
        case="No kernel supports this quantisation, with its group size and types, on this GPU.",
        case_remedy="Use another quantisation of the model, or a newer GPU or image; with --tensor-parallel-size "
        "above 1, try a smaller one.",
        wordings=wordings(
            "Failed to find a kernel that can implement the {what:text} linear layer",
            "No {method:text} MoE backend supports the deployment configuration",
            "Marlin does not support weight_bits = {method:text}. Only types = {supported:list} are supported",
            "Quantization method {method:name} is not supported for the current GPU",
            "ValueError: No valid NVFP4 GEMM backend found",
            "No compiled {what:word} for CUDA device capability: {capability:int}.",
            "No compiled {what:word} for a compute capability less than CUDA device capability: {capability:last}",
            "{what:name} MoE kernel does not support current device",
            "Current platform does not support NVFP4 quantization",
            "quantization config '{method:text}' requires GPU compute capability >= {min_capability:number} (",
            "online quantization requires a Blackwell",
            versions="0.8-",
        ),
    ),
    FailureKind(
        name="fp8_unsupported",
        reason=StartupReason.QUANTIZATION_UNSUPPORTED_BY_GPU,
        failure_class=FailureClass.HARDWARE,
        retunable=True,
        priority=11,
        case="The GPU cannot compute in FP8 (E4M3), which needs compute capability 8.9 or newer.",
        case_remedy="Set --kv-cache-dtype to auto; if the weights are FP8, use another quantisation of the model or a "
        "newer GPU.",
        wordings=wordings(
            "type fp8e4nv not supported in this architecture",
            "fp8e4nv data type is not supported on CUDA arch < {min_capability:last}",
            "torch._scaled_mm is only supported on CUDA devices with compute capability",
        ),
    ),
    FailureKind(
        name="shared_memory_of_gpu_too_small",
        reason=StartupReason.KERNEL_UNSUPPORTED,
        failure_class=FailureClass.HARDWARE,
        retunable=False,
        priority=12,
        case="A Triton kernel needs more shared memory per block than this GPU has; large heads and group sizes cause "
        "it.",
        case_remedy="Try another --attention-backend, or --dtype half instead of float32; otherwise use a GPU of a "
        "newer generation (Turing has 64 KiB, Ampere 99 or 163 KiB, Hopper 227 KiB), or a release with other kernels.",
        wordings=wordings("out of resource: shared memory", "OutOfResources: out of resource: {resource:text}."),
        details=wordings("Required: {required:int}, Hardware limit: {limit:int}"),
    ),
    FailureKind(
        name="deep_gemm_failed",
        reason=StartupReason.KERNEL_UNSUPPORTED,
        failure_class=FailureClass.HARDWARE,
        retunable=True,
        priority=13,
        case="DeepGEMM has no kernel for these shapes and scales on this GPU.",
        case_remedy="Set VLLM_USE_DEEP_GEMM=0: vLLM then uses CUTLASS, Triton or FlashInfer for FP8.",
        wordings=wordings(
            "Assertion error ({:token}pp:{:int}): {complaint:rest}",
            "Unsupported architecture or scaling factor types",
        ),
        changes=(("VLLM_USE_DEEP_GEMM", 0, "FP8 without DeepGEMM: CUTLASS, Triton or FlashInfer multiply instead"),),
    ),
    FailureKind(
        name="attention_refused",
        reason=StartupReason.ATTENTION_BACKEND_UNSUPPORTED,
        failure_class=FailureClass.HARDWARE,
        retunable=True,
        priority=41,
        case="An attention backend does not support an element type, a size or a flag.",
        wordings=wordings("Encoder self-attention and encoder/decoder cross-attention are not implemented for"),
    ),
    FailureKind(
        name="attention_backend_unsupported",
        reason=StartupReason.ATTENTION_BACKEND_UNSUPPORTED,
        failure_class=FailureClass.HARDWARE,
        retunable=True,
        priority=10,
        wordings=(
            *wordings(
                "No valid attention backend found for {device:word} with {config:text}. Reasons: {reasons:set}",
                "Selected backend {backend:token} is not valid for this configuration. Reason: {reasons:list}",
                versions="0.11.2-",
            ),
            *wordings("{backend:word} V1 with FP8 KV cache not yet supported", versions="0.8-0.17"),
            *wordings(
                "FlashAttention only supports Ampere GPUs or newer",
                "Unsupported FA version: {version:word}",
                "{:name} does not support {backend:name} backend now",
                "No operator found for `memory_efficient_attention_forward` with inputs",
                "FlashAttention only support fp16 and bf16 data type",
                "FlashAttention forward only supports head dimension at most {max_head_size:last}",
                "Head size {head_size:int} is not supported by {backend:name}",
                "Head size ({head_size:int}) is not supported",
                "Does not support key cache of type fp8 with head_size {head_size:last}",
            ),
            *wordings("FP8 KV cache on CPU requires x86 with AVX-512", versions="0.30-"),
            *wordings("FP8 KV cache on CPU requires", versions="0.30-"),
            *wordings(
                "FP8 KV cache is not supported by the {backend:text} backend on {device:text} (compute capability",
                "bfloat16 KV cache is not supported {:text}(compute capability",
                "ValueError: --kv-cache-dtype {kv_cache_dtype:word} requires the SM100",
                "KV cache block size {block_size:int} is not supported by attention backend(s)",
                versions="0.25-",
            ),
            *wordings(
                "{backend:word} with FP8 KV cache not yet supported",
                "{backend:word} does not support {:token} kv-cache on this device",
                versions="0.8.4-0.21",
            ),
        ),
    ),
)
