"""vLLM's own configuration and model runner on the simulated device."""

from __future__ import annotations

import contextlib
import gc
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from . import collectives
from .request import Request
from .simulation_limit import SimulationLimit

if TYPE_CHECKING:
    from .device import SimulatedDevice

DEVICE = "cuda:0"


@dataclass
class Engine:
    """One rank's runner.

    Attributes:
        config: ``VllmConfig``.
        runner: ``GPUModelRunner``, V1 or V2 as the release decides.
        buffer_bytes: what the runner made before and after the weights.
        weights_bytes: "Model loading took", as vLLM itself measures it.
    """

    config: Any
    runner: Any
    runner_version: str
    buffer_bytes: int
    weights_bytes: int = 0


def configure(request: Request, rank: int) -> Any:
    """The ``VllmConfig`` that ``vllm serve`` derives from the flags, as one of the tensor-parallel ranks.

    Defaults of batched tokens and sequences depend on who asks (0.33: ``engine/arg_utils.py``, ``get_batch_defaults``).

    Raises:
        SimulationLimit: a way to divide the model that is not simulated.
        Exception: what vLLM refuses.
    """
    from vllm.engine.arg_utils import EngineArgs
    from vllm.usage.usage_lib import UsageContext

    for name in ("pipeline_parallel_size", "data_parallel_size"):
        if int(request.engine.get(name) or 1) > 1:
            raise SimulationLimit(f"{name}: only tensor parallelism is simulated")
    ranks = request.tensor_parallel_size
    flags = {"tokenizer": request.model, "load_format": "dummy", **request.engine}
    if ranks > 1:
        flags.update(distributed_executor_backend="external_launcher", disable_custom_all_reduce=True)
        collectives.replace_communicators(ranks)
    collectives.join(rank, ranks)
    arguments = EngineArgs(model=request.model, **flags)
    config = arguments.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    try:
        config.device_config.device = torch.device(DEVICE)
    except Exception:  # frozen in some releases
        object.__setattr__(config.device_config, "device", torch.device(DEVICE))
    with contextlib.suppress(AttributeError):
        config.kernel_config.ir_op_priority.set_default()
    return config


@contextlib.contextmanager
def started(config: Any, device: SimulatedDevice, rank: int) -> Iterator[None]:
    """A worker's process as ``Worker.init_device`` leaves it.

    Source: 0.11.2 to 0.33 ``v1/worker/gpu_worker.py``.
    """
    from vllm.config import set_current_vllm_config
    from vllm.distributed import parallel_state
    from vllm.platforms import current_platform

    ranks = config.parallel_config.tensor_parallel_size
    with set_current_vllm_config(config), device:
        current_platform.check_if_supports_dtype(config.model_config.dtype)
        parallel_state.init_distributed_environment(
            world_size=ranks, rank=rank, local_rank=0, distributed_init_method="", backend="fake"
        )
        initialize = parallel_state.initialize_model_parallel
        named = {"backend": "fake"} if "backend" in initialize.__code__.co_varnames else {}
        initialize(ranks, 1, **named)
        with contextlib.suppress(ModuleNotFoundError):
            module = importlib.import_module("vllm.v1.worker.workspace")
            initialize = module.init_workspace_manager
            more = () if initialize.__code__.co_argcount == 1 else (1,)
            initialize(torch.device(DEVICE), *more)
        yield


def load(config: Any, device: SimulatedDevice) -> Engine:
    """The model loaded by vLLM's own loader, without reading weights.

    Raises:
        Exception: what vLLM refuses.
    """
    from vllm.model_executor.model_loader import dummy_loader

    dummy_loader.initialize_dummy_weights = lambda *args, **kwargs: None
    second = getattr(config, "use_v2_model_runner", False)
    second = second() if callable(second) else bool(second)
    module = "vllm.v1.worker.gpu.model_runner" if second else "vllm.v1.worker.gpu_model_runner"
    allocator = device.allocator
    before = allocator.allocated
    runner = importlib.import_module(module).GPUModelRunner(config, torch.device(DEVICE))
    engine = Engine(config, runner, "V2" if second else "V1", allocator.allocated - before)
    before = allocator.allocated
    runner.load_model()
    gc.collect()
    taken = allocator.allocated - before
    # The V2 runner makes the sampler's buffers in load_model, too, after vLLM has measured the weights.
    engine.weights_bytes = min(int(getattr(runner, "model_memory_usage", 0)) or taken, taken)
    engine.buffer_bytes += taken - engine.weights_bytes
    return engine


def weights_by_module(model: Any) -> dict[str, int]:
    """Bytes of parameters and buffers by the model's top-level modules."""
    sizes: dict[str, int] = {}
    seen: set[int] = set()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        key = tensor.untyped_storage()._cdata
        if key not in seen:
            seen.add(key)
            module = name.partition(".")[0]
            sizes[module] = sizes.get(module, 0) + tensor.untyped_storage().nbytes()
    return dict(sorted(sizes.items()))
