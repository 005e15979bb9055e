"""Log wordings for faults of the pod, the node or the network.

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
        reason="NCCLError",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=17,
        meaning="A process waited in vain for the others of its group.",
        remedy="Read the logs of the other pods or ranks, one of which may have failed first; then check network "
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
        reason="EngineStartTimeout",
        failure_class=FailureClass.NODE,
        retunable=True,
        priority=12,
        meaning="The engine was not ready in time: weights came too slowly.",
        remedy="Raise VLLM_ENGINE_READY_TIMEOUT_S and the startup probe, or cache the weights on the node.",
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
        reason="DiskFull",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=25,
        meaning="The disk that holds the model cache is full.",
        remedy="Give the cache a larger volume, or raise the ephemeral-storage limit.",
        wordings=wordings(
            "OSError: [Errno 28] No space left on device",
            "No space left on device (os error 28)",
            "Disk quota exceeded",
        ),
    ),
    FailureKind(
        name="address_in_use",
        reason="AddressInUse",
        failure_class=FailureClass.NODE,
        retunable=True,
        priority=20,
        meaning="The port, or one of those between the processes, is taken.",
        remedy="End what listens there, or set --port (VLLM_PORT and --master-port for the ports between processes); "
        "with hostNetwork two pods of one node share their ports.",
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
        reason="HostOutOfMemory",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=16,
        meaning="The container, or the node, has no main memory left.",
        remedy="Raise the container's memory limit, or lower --cpu-offload-gb, --swap-space or the KV offloading size.",
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
        reason="GPUError",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=32,
        meaning="The GPU reported a fault while a kernel ran: broken memory, or a kernel that reads where it may not.",
        remedy="Look for an Xid in the node's kernel log and start again; if it comes back on another GPU too, it is a "
        "kernel: try --enforce-eager, another --attention-backend or another release.",
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
        reason="GPUError",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=31,
        meaning="The driver refused a call that has nothing to do with the model: pinned memory, peer access or a "
        "stream's state; under WSL2 and in virtual machines some are not there.",
        remedy="Restart the host's driver (under WSL2: wsl --shutdown, and update the Windows driver), run on Linux "
        "itself, and set CUDA_LAUNCH_BLOCKING=1 once to see which call it is.",
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
        reason="PermissionDenied",
        failure_class=FailureClass.NODE,
        retunable=False,
        priority=33,
        meaning="The container's user may not read or write a file that vLLM needs.",
        remedy="Set fsGroup or runAsUser in the pod's securityContext, or HOME, HF_HOME and VLLM_CACHE_ROOT to a "
        "volume that the user may write.",
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
