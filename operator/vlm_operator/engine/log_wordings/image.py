"""Log wordings for an image that lacks kernels for the GPU, a compiler or a Python package.

CUDA, PyTorch, Triton and FlashInfer; vLLM's own requests to install a package in 0.8 to 0.33.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind
from vlm_operator.engine.log_wordings.template import wordings
from vlm_operator.engine.startup_reasons import StartupReason

KINDS: Final = (
    FailureKind(
        name="gpu_unsupported_by_image",
        reason=StartupReason.GPU_UNSUPPORTED_BY_IMAGE,
        failure_class=FailureClass.HARDWARE,
        retunable=False,
        priority=9,
        wordings=wordings(
            "CUDA error: no kernel image is available for execution on the device",
            "HIP error: invalid device function",
            "Triton Error [CUDA]: device kernel image is invalid",
            "CUDA error: device kernel image is invalid",
            "Value 'sm_{arch:word}' is not defined for option 'gpu-name'",
            "Unsupported gpu architecture 'compute_{arch:word}'",
        ),
    ),
    FailureKind(
        name="compiler_missing",
        reason=StartupReason.COMPILATION_FAILED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=False,
        priority=28,
        case="vLLM compiles kernels at start, and the image lacks a compiler or its files.",
        case_remedy="Use vLLM's own image, or add what is missing: gcc and Python's headers for Triton, nvcc (CUDA "
        "toolkit) and ninja for FlashInfer.",
        wordings=wordings(
            "Failed to find C compiler",
            "Could not find nvcc",
            "No such file or directory: '{compiler:text}nvcc'",
            "No such file or directory: 'nvcc'",
            "No such file or directory: 'ninja'",
            "RuntimeError: Ninja is required to load C++ extensions",
            "CUDA_HOME environment variable is not set",
            "CUDA_HOME is not set",
            "nvcc: command not found",
            "nvcc: not found",
            "nvcc not found",
            "No such file or directory: '{compiler:text}ninja'",
            "fatal error: {header:name}.h: No such file or directory",
            "cannot find -lcuda",
            "libcuda.so cannot found",
            "nvcc fatal : {complaint:rest}",
            "Cannot find a working triton installation",
        ),
    ),
    FailureKind(
        name="compilation_failed",
        reason=StartupReason.COMPILATION_FAILED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=38,
        case="torch.compile, Triton or FlashInfer failed to compile a kernel or to capture a graph.",
        case_remedy="Set --enforce-eager to run without torch.compile and CUDA graphs; clear VLLM_CACHE_ROOT if an "
        "older release filled it.",
        wordings=wordings(
            "torch._dynamo.exc.{exception:word}: {complaint:rest}",
            "torch._inductor.exc.{exception:word}: {complaint:rest}",
            "triton.compiler.errors.CompilationError: {complaint:rest}",
            "PTXAS error: {complaint:rest}",
            "Ninja build failed",
            "ninja: build stopped: subcommand failed",
            "NVCC compilation failed",
            "CalledProcessError: Command '['ninja', '-v'{:text}returned non-zero exit status",
        ),
    ),
    FailureKind(
        name="graph_capture_failed",
        reason=StartupReason.COMPILATION_FAILED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=39,
        case="A kernel failed while CUDA graphs were captured, or a graph could not be captured.",
        case_remedy="Lower --max-num-seqs (fewer and smaller graphs; a hybrid model needs a state block for each "
        "sequence), or set --enforce-eager.",
        wordings=wordings(
            "CUDA error: operation not permitted when stream is capturing",
            "CUDA error: operation failed due to a previous error during capture",
            "Cannot prepare for replay during capturing stage",
        ),
        stage="graph",
    ),
    FailureKind(
        name="deep_gemm_missing",
        reason=StartupReason.DEPENDENCY_MISSING,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=35,
        case="DeepGEMM was requested, and the image has none or a version that is too old.",
        case_remedy="Set VLLM_USE_DEEP_GEMM=0, or build an image on top of vLLM's that has deep_gemm.",
        wordings=wordings(
            "DeepGEMM backend is not available or outdated. Please install or update the `{package:word}`",
            "DeepGEMM backend requested but not available",
        ),
        changes=(("VLLM_USE_DEEP_GEMM", 0, "FP8 without DeepGEMM: CUTLASS, Triton or FlashInfer multiply instead"),),
    ),
    FailureKind(
        name="dependency_missing",
        reason=StartupReason.DEPENDENCY_MISSING,
        failure_class=FailureClass.CONFIGURATION,
        retunable=False,
        priority=36,
        wordings=wordings(
            "Please install {package:token} via `pip install",
            "Please install {package:token} via pip install",
            "{:word} version is wrong. Please install {package:url}.",
            "requires the following packages that were not found in your environment: {package:text}. Run",
            "ModuleNotFoundError: No module named '{package:name}'",
            "ImportError: cannot import name '{name:word}' from '{package:name}'",
            "ImportError: {:text} is required for {:text}Install via `pip install {package:token}`",
            "ImportError: {package:token} is required for a normal functioning of this module",
            "AttributeError: {:word} has no attribute all_special_tokens_extended",
            "ImportError: {:token} undefined symbol: {symbol:word}",
            "ImportError: {package:token}: cannot open shared object file",
            "Support for Transformers v{major:int} is deprecated and was removed",
            "Please use {package:word} version >= {version:engine_version} to load",
            "Using Ray backend requires installation of ray",
            "Ray Compiled Graph is not installed",
            "data did not match any variant of untagged enum ModelWrapper",
            "operator torchvision::nms does not exist",
        ),
    ),
)
