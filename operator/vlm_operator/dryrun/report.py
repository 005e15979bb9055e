"""What one rank reports, stage by stage: what was found before a failure stays."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .device import SimulatedDevice
    from .moments import Profile
    from .request import Request

from .failure import failure

NOT_SIMULATED = (
    "compiledGraphs: Inductor's kernels are approximated by fused regions",
    "cudaGraphs: nothing is captured",
    "nonTorchMemory: CUDA context, NCCL, kernels loaded by the driver",
    "kernelWorkspaces: cuDNN, FlashInfer, split-K and other workspaces inside kernels",
    "flashInfer: its kernels are not chosen, vLLM's others are",
)
"""What no figure of the report contains; the caller adds its own terms for them."""

_PACKAGES = ("flashinfer", "deep_gemm", "xformers", "triton")
_FLAGS = ("max_model_len", "max_num_batched_tokens", "max_num_seqs")


def run_rank(request: Request, device: SimulatedDevice, rank: int) -> dict[str, Any]:
    """One rank from its flags to the end of its profiling run."""
    from . import engine as engines
    from . import kv_cache, moments
    from .multimodal_items import BudgetSpy, count_items

    started, spy = time.monotonic(), BudgetSpy()
    found: dict[str, Any] = {"rank": rank, "vllmVersion": version(), "error": None}
    stage = "configure"
    try:
        spy.watch()
        config = engines.configure(request, rank)
        found.update(_configured(config))
        stage = "load"
        with engines.started(config, device, rank):
            engine = engines.load(config, device)
            found.update(
                runner=engine.runner_version,
                weightsBytes=engine.weights_bytes,
                weightsByModule=engines.weights_by_module(engine.runner.model),
                runnerBufferBytes=engine.buffer_bytes,
            )
            stage = "kvCache"
            found.update(kv_cache.kv_cache(engine, request.contexts))
            stage = "items"
            found["items"] = count_items(config, request.items)
            stage = "profile"
            device.gemm_workspace_bytes = moments.gemm_workspace_bytes(request.gpu.capability)
            found.update(_profiled(moments.profile(engine, device)))
    except BaseException as error:
        found["error"] = failure(stage, error)
    found["maxItemTokens"], found["encoderBudgetTokens"] = spy.largest, spy.encoder_tokens
    found["simulated"] = _simulated(device)
    found["seconds"] = round(time.monotonic() - started, 2)
    found["peakResidentBytes"] = _resident_bytes()
    return found


def version() -> str:
    """vLLM's release, without a local suffix."""
    return importlib.metadata.version("vllm").partition("+")[0]


def _configured(config: Any) -> dict[str, Any]:
    model, scheduler = config.model_config, config.scheduler_config
    flags = {"max_model_len": model.max_model_len}
    flags.update({name: getattr(scheduler, name) for name in _FLAGS[1:]})
    return {
        "architecture": getattr(model, "architecture", None) or model.architectures[0],
        "dtype": str(model.dtype).removeprefix("torch."),
        "quantization": model.quantization,
        "settings": flags,
        "blockSize": config.cache_config.block_size,
    }


def _profiled(profile: Profile) -> dict[str, Any]:
    return {
        "moments": {
            "encoderBytes": profile.highest("encoder"),
            "textBytes": profile.highest("text"),
            "samplerBytes": profile.highest("sampler") or profile.highest("pooler"),
            "keptBytes": profile.kept_bytes,
            "keptReservedBytes": profile.kept_reserved_bytes,
            "peakBytes": profile.peak_bytes,
        },
        "largestTensors": {
            moment.name: [{"tensor": label, "bytes": size} for label, size in moment.largest]
            for moment in profile.moments
        },
    }


def _simulated(device: SimulatedDevice) -> dict[str, Any]:
    return {
        "unmodelledOperations": dict(sorted(device.unmodelled.items())),
        "notSimulated": list(NOT_SIMULATED),
        "missingPackages": [name for name in _PACKAGES if importlib.util.find_spec(name) is None],
    }


def _resident_bytes() -> int:
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size << 10
