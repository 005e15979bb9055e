"""Put the simulated GPU in place of CUDA, in the order in which vLLM's modules look for it."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterator
from typing import Any

import torch

from . import collectives, compiled_modules, cuda_interface, cuda_platform, fused_regions
from .compiled_operators import CompiledOperators
from .device import SimulatedDevice
from .gpu import GPU

_WARM = (
    "vllm.engine.arg_utils",
    "vllm.v1.worker.gpu_worker",
    "vllm.v1.worker.gpu_model_runner",
    "vllm.v1.worker.gpu.model_runner",
    "vllm.multimodal.encoder_budget",
)
"""Imported once, before ranks are forked; a release may lack one."""


def install(gpu: GPU) -> SimulatedDevice:
    """The simulated device, with vLLM imported on top of it. Once in a process; nothing of it is undone."""
    torch.set_num_threads(1)
    device = SimulatedDevice()
    cuda_interface.install(device, gpu)
    compiled_modules.install(gpu)
    CompiledOperators(device, gpu).install()
    collectives.install()
    fused_regions.replace_torch_compile(device)
    cuda_platform.install(device, gpu)
    _replace_custom_operators(device)
    _without_flashinfer()
    _stay_in_this_process()
    fused_regions.replace_model_compilation(device)
    for name in _WARM:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    return device


def _replace_custom_operators(device: SimulatedDevice) -> None:
    """Run the Python of vLLM's own operators (``torch.ops.vllm``) where they are called."""
    try:
        from vllm.utils import torch_utils as module
    except ImportError:  # up to 0.11.0
        import vllm.utils as module
    register = module.direct_register_custom_op

    signature = inspect.signature(register)

    def keep(*args: Any, **kwargs: Any) -> None:
        given = signature.bind(*args, **kwargs).arguments
        device.python_operators[f"vllm::{given['op_name']}"] = given["op_func"]
        with contextlib.suppress(RuntimeError):  # registered twice
            register(**{**given, "dispatch_key": "CUDA"})

    for each in list(sys.modules.values()):
        if getattr(each, "direct_register_custom_op", None) is register:
            setattr(each, "direct_register_custom_op", keep)  # noqa: B010 - modules have no such attribute for mypy


def _without_flashinfer() -> None:
    """FlashInfer compiles its kernels on a GPU: vLLM takes the others, and the report says so."""
    with contextlib.suppress(ImportError):
        import vllm.utils.flashinfer as module

        for name in dir(module):
            if name.startswith("has_") and callable(getattr(module, name)):
                setattr(module, name, lambda *args, **kwargs: False)


def _stay_in_this_process() -> None:
    """Model classes are inspected here, and weights stay where they are while they are processed."""
    import vllm.model_executor.model_loader.utils as loading
    from vllm.model_executor.models import registry

    if hasattr(registry, "_run_in_subprocess"):
        registry._run_in_subprocess = lambda function: function()

    @contextlib.contextmanager
    def unchanged(module: Any, target: Any) -> Iterator[Any]:
        yield module

    loading.device_loading_context = unchanged
