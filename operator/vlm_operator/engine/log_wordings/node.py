"""Log wordings for faults of the pod, the node or the network.

Read in vLLM 0.8 to 0.33: ``config/device.py``, ``v1/engine/{core,core_client}.py``, ``v1/executor/``, ``distributed/
device_communicators/pynccl_wrapper.py``; CUDA, PyTorch, NCCL, CPython and the shell.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind, Scope
from vlm_operator.engine.log_wordings.template import Wording, wordings
from vlm_operator.engine.startup_reasons import StartupReason

KINDS: Final = (
    FailureKind(
        name="no_gpu_visible",
        reason=StartupReason.NO_GPU_VISIBLE,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=6,
        wordings=wordings(
            "Failed to infer device type",
            "No CUDA GPUs are available",
            "CUDA driver version is insufficient for CUDA runtime version",
            "CUDA error: no CUDA-capable device is detected",
            "CUDA unknown error - this may be due to an incorrectly set up environment",
            "The NVIDIA driver on your system is too old (found version {driver:int})",
            "Unexpected error from cudaGetDeviceCount(). {:text} Error {code:int}: {reason:rest}",
            "RuntimeError: Found no NVIDIA driver on your system",
            "CUDA error: system not yet initialized",
            "CUDA error: forward compatibility was attempted on non supported HW",
            "CUDA error: system has unsupported display driver / cuda driver combination",
            "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            "CUDA error: the provided PTX was compiled with an unsupported toolchain",
            "Torch not compiled with CUDA enabled",
            "libcuda.so.1: cannot open shared object file",
            "NVMLError_LibraryNotFound",
            "NVMLError_DriverNotLoaded",
            "NVMLError_NoPermission",
            "Driver/library version mismatch",
        ),
    ),
    FailureKind(
        name="shared_memory_too_small",
        reason=StartupReason.SHARED_MEMORY_TOO_SMALL,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=5,
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
        reason=StartupReason.NCCL_ERROR,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=15,
        wordings=wordings(
            "DistBackendError: NCCL error in: {where:token}, {reason:text}, NCCL version {nccl:name}",
            "DistBackendError: NCCL error in: {where:token}, {reason:rest}",
            "RuntimeError: NCCL error: {reason:rest}",
            "RuntimeError: NCCL Error {code:int}: {reason:rest}",
        )
        + wordings(
            "custom_all_reduce.cuh:{:int} '{reason:text}'",
            "Watchdog caught collective operation timeout",
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
        name="peers_unreachable",
        reason=StartupReason.NCCL_ERROR,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=17,
        case="A process timed out waiting for the other processes of its group.",
        case_remedy="Read the logs of the other pods or ranks, one of which may have failed first; then check network "
        "policies, VLLM_HOST_IP, NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME.",
        wordings=wordings(
            "The client socket has timed out after {timeout_ms:int}ms while trying to connect to {where:text}.",
            "DistStoreError: wait timeout after {timeout_ms:int}ms",
            "DistStoreError: Timed out after {timeout_s:int} seconds waiting for clients",
            "Gloo connectFullMesh failed",
            "Timed out initializing process group in store based barrier",
        ),
    ),
    FailureKind(
        name="engine_start_timeout",
        reason=StartupReason.ENGINE_START_TIMEOUT,
        failure_class=FailureClass.NODE,
        retunable=True,
        priority=12,
        wordings=(
            *wordings(
                "Timed out waiting for engine core processes to start.{:text}Waited {seconds:int}s",
                versions="0.17-",
            ),
            *wordings(
                "Did not receive response from front-end process within {minutes:int} minutes",
                "Timed out waiting for engines to send initial message on input socket",
                "Timed out waiting for engines to sendinitial message on input socket",
                versions="0.9-",
            ),
        ),
    ),
    FailureKind(
        name="disk_full",
        reason=StartupReason.DISK_FULL,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=25,
        wordings=wordings(
            "OSError: [Errno 28] No space left on device",
            "No space left on device (os error 28)",
            "Disk quota exceeded",
        ),
    ),
    FailureKind(
        name="address_in_use",
        reason=StartupReason.ADDRESS_IN_USE,
        failure_class=FailureClass.NODE,
        retunable=True,
        priority=20,
        wordings=wordings(
            "error while attempting to bind on address ('{host:text}', {port:int}): address already in use",
            "error while attempting to bind on address ({host:text}): address already in use",
            "OSError: [Errno 98] Address already in use",
            "port: {port:int}, useIpv6: {:word}, code: -98, name: EADDRINUSE",
            "name: EADDRINUSE, message: address already in use",
            "ZMQError: Address already in use",
        ),
    ),
    FailureKind(
        name="host_out_of_memory",
        reason=StartupReason.HOST_OUT_OF_MEMORY,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=16,
        wordings=wordings(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate {size_bytes:int} bytes",
            "DefaultCPUAllocator: not enough memory: you tried to allocate {size_bytes:int} bytes",
            "OSError: [Errno 12] Cannot allocate memory",
            "unable to mmap {size_bytes:int} bytes from file {:text} Cannot allocate memory",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "killed due to the node running low on memory",
            "Out of memory: Killed process {pid:last}",
            "Memory cgroup out of memory",
        ),
    ),
    FailureKind(
        name="gpu_error",
        reason=StartupReason.GPU_ERROR,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=32,
        wordings=wordings(
            "CUDA error: an illegal memory access was encountered",
            "CUDA error: uncorrectable ECC error encountered",
            "CUDA error: device-side assert triggered",
            "CUDA error: unspecified launch failure",
            "CUDA error: misaligned address",
            "CUDA error: an illegal instruction was encountered",
            "CUDA error: the launch timed out and was terminated",
            "CUDA error: hardware stack error",
            "HIP error: an illegal memory access was encountered",
            "Triton Error [CUDA]: an illegal memory access was encountered",
        ),
    ),
    FailureKind(
        name="driver_call_refused",
        reason=StartupReason.GPU_ERROR,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=31,
        case="The driver rejected a call that does not depend on the model (pinned memory, peer access, a stream's "
        "state); WSL2 and virtual machines lack some.",
        case_remedy="Restart the host's driver (under WSL2: run wsl --shutdown and update the Windows driver), run on "
        "Linux itself, and set CUDA_LAUNCH_BLOCKING=1 once to find the call.",
        wordings=wordings(
            "CUDA error: OS call failed or operation not supported on this OS",
            "CUDA driver error: OS call failed or operation not supported on this OS",
            "CUDA error: operation not supported",
            "CUDA driver error: operation not supported",
            "CUDA error: device not ready",
            "CUDA driver error: device not ready",
            "CUDA error: resource already mapped",
            "CUDA driver error: unknown error",
            "CUDA error: unknown error",
        ),
    ),
    FailureKind(
        name="permission_denied",
        reason=StartupReason.PERMISSION_DENIED,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=33,
        wordings=wordings(
            "PermissionError: [Errno 13] Permission denied: '{path:text}'",
            "PermissionError: [Errno 13] Permission denied",
            "OSError: [Errno 30] Read-only file system: '{path:text}'",
            "OSError: [Errno 30] Read-only file system",
            "PermissionError at {path:text} when downloading",
            "getpwuid(): uid not found: {uid:last}",
        ),
    ),
    FailureKind(
        name="worker_died",
        reason=StartupReason.WORKER_DIED,
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=95,
        wordings=(
            *wordings(
                "Worker proc {proc:token} died unexpectedly (exit code: {exit_code:signed})",
                "Worker proc {proc:token} died unexpectedly (exit code: {exit_code:limit})",
                versions="0.26-",
            ),
            *wordings("Worker proc {proc:token} died unexpectedly, shutting down", versions="0.8.5-0.25"),
            *wordings(
                "Engine core proc {proc:token} died unexpectedly",
                "Engine core process {proc:token} died unexpectedly",
                versions="0.10.1-0.19",
            ),
            *wordings("RayWorkerProc rank={proc:token} died unexpectedly", versions="0.20-"),
            *wordings("Worker {:word} pid {proc:int} died, exit code: {exit_code:code}", versions="0.6.3-0.10.2"),
            *wordings(
                "The actor died unexpectedly before finishing this task",
                "ChildProcessError: worker died",
                "A worker died or was killed while executing a task by an unexpected system error",
                "line {:int}: {proc:int} Killed",
            ),
            Wording("Killed", whole=True),
        ),
        scope=Scope.WRAPPER,
    ),
)
