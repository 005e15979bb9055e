"""How does a log say that pod, node or network are at fault?

Read in vLLM 0.8 to 0.33: ``config/device.py``, ``v1/engine/{core,core_client}.py``, ``v1/executor/``, ``distributed/
device_communicators/pynccl_wrapper.py``; CUDA, PyTorch, NCCL, CPython and the shell.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind, Scope
from vlm_operator.engine.log_wordings.template import Wording, wordings

KINDS: Final = (
    FailureKind(
        name="no_gpu_visible",
        reason="NoGPUVisible",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=6,
        meaning="The container sees no GPU that CUDA can use.",
        remedy="Request nvidia.com/gpu, and check RuntimeClass, device plugin and driver of the node.",
        wordings=wordings(
            "Failed to infer device type",
            "No CUDA GPUs are available",
            "CUDA driver version is insufficient for CUDA runtime version",
            "CUDA error: no CUDA-capable device is detected",
            "CUDA unknown error - this may be due to an incorrectly set up environment",
            "The NVIDIA driver on your system is too old (found version {driver:int})",
        ),
    ),
    FailureKind(
        name="shared_memory_too_small",
        reason="SharedMemoryTooSmall",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=5,
        meaning="/dev/shm is too small for NCCL or vLLM's queues; Kubernetes gives 64 MiB by default.",
        remedy="Mount an emptyDir with medium: Memory on /dev/shm, 1 GiB or more for each GPU.",
        wordings=wordings(
            "Error while creating shared memory segment {segment:token} (size {size_bytes:int})",
            "posix_fallocate failed{:text}No space left on device",
            "/dev/shm{:text}No space left on device",
            "No space left on device: '/dev/shm",
            "shared memory{:text}No space left on device",
            "unable to allocate shared memory",
            "unable to open shared memory",
            "unable to write to file </torch_",
            "Bus error (core dumped)",
            "exit code: -7)",
        ),
    ),
    FailureKind(
        name="nccl_error",
        reason="NCCLError",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=15,
        meaning="NCCL could not set up communication between GPUs.",
        remedy="Check /dev/shm and the GPU links; try --disable-custom-all-reduce or NCCL_P2P_DISABLE=1; start again "
        "once.",
        wordings=wordings(
            "DistBackendError: NCCL error in: {where:token}, {reason:text}, NCCL version {nccl:name}",
            "DistBackendError: NCCL error in: {where:token}, {reason:rest}",
            "RuntimeError: NCCL error: {reason:rest}",
        )
        + tuple(
            Wording(code, "any", {"reason": code})
            for code in (
                "ncclSystemError",
                "ncclUnhandledCudaError",
                "ncclInternalError",
                "ncclInvalidUsage",
                "ncclRemoteError",
            )
        ),
    ),
    FailureKind(
        name="engine_start_timeout",
        reason="EngineStartTimeout",
        failure_class=FailureClass.NODE,
        retunable=True,
        priority=12,
        meaning="The engine was not ready in time: weights came too slowly.",
        remedy="Raise VLLM_ENGINE_READY_TIMEOUT_S and the startup probe, or cache the weights on the node.",
        wordings=(
            *wordings(
                "Timed out waiting for engine core processes to start.{:text}Waited {seconds:int}s",
                versions="0.17-0.33",
            ),
            *wordings(
                "Did not receive response from front-end process within {minutes:int} minutes", versions="0.9-0.33"
            ),
        ),
    ),
    FailureKind(
        name="disk_full",
        reason="DiskFull",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=25,
        meaning="The disk that holds the model cache is full.",
        remedy="Give the cache a larger volume, or raise the ephemeral-storage limit.",
        wordings=wordings("OSError: [Errno 28] No space left on device"),
    ),
    FailureKind(
        name="worker_died",
        reason="WorkerDied",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=95,
        meaning="A worker or engine process ended and left no reason; exit code -9 means it was killed.",
        remedy="Check the pod's memory limit (OOMKilled) and the node, then start again once.",
        wordings=(
            *wordings(
                "Worker proc {proc:token} died unexpectedly (exit code: {exit_code:signed})",
                "Worker proc {proc:token} died unexpectedly (exit code: {exit_code:limit})",
                versions="0.26-0.33",
            ),
            *wordings("Worker proc {proc:token} died unexpectedly, shutting down", versions="0.8.5-0.25"),
            *wordings(
                "Engine core proc {proc:token} died unexpectedly",
                "Engine core process {proc:token} died unexpectedly",
                versions="0.10.1-0.19",
            ),
            *wordings("RayWorkerProc rank={proc:token} died unexpectedly", versions="0.20-0.33"),
        ),
        scope=Scope.WRAPPER,
    ),
)
