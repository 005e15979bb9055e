"""Modules that need compiled code: empty ones in their place, before vLLM imports them."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .gpu import GPU

from .cuda_interface import Nothing

_EXTENSIONS = (
    "vllm._C",
    "vllm._C_stable_libtorch",
    "vllm._moe_C",
    "vllm._moe_C_stable_libtorch",
    "vllm._qutlass_C",
    "vllm._flashmla_C",
)


def install(gpu: GPU) -> None:
    """Put stand-ins for vLLM's extensions, flash attention, xformers and Triton's launcher in place."""
    for name in _EXTENSIONS:
        _module(name)
    _flash_attention(gpu)
    if importlib.util.find_spec("xformers") is None:
        _xformers()
    if importlib.util.find_spec("triton") is not None:
        _triton(gpu)


def _module(name: str, **attributes: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    module.__dict__.update(attributes)
    sys.modules[name] = module
    return module


def _attention(query: Any, key: Any, value: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
    """Output and log-sum-exp: what ``flash_attn_varlen_func`` allocates."""
    if out is None:
        out = torch.empty(*query.shape[:-1], value.shape[-1], dtype=query.dtype, device=query.device)
    sums = torch.empty(query.shape[1], query.shape[0], dtype=torch.float32, device=query.device)
    return (out, sums) if kwargs.get("return_softmax_lse") else out


def _flash_attention(gpu: GPU) -> None:
    hopper = gpu.capability[0] == 9
    attributes: dict[str, Any] = {
        "flash_attn_varlen_func": _attention,
        "get_scheduler_metadata": lambda *args, **kwargs: None,
        "is_fa_version_supported": lambda version, *args: version in {2, 3} if hopper else version == 2,
        "fa_version_unsupported_reason": lambda *args: None,
        "compile_flash_attn_varlen_func_from_specs": None,
        "sparse_attn_varlen_func": None,
        "FA2_AVAILABLE": True,
        "FA3_AVAILABLE": hopper,
    }
    package = _module("vllm.vllm_flash_attn", **attributes)
    package.__path__ = []
    _module("vllm.vllm_flash_attn.flash_attn_interface", **attributes)
    _module("vllm.vllm_flash_attn.layers").__path__ = []
    _module("vllm.vllm_flash_attn.layers.rotary", apply_rotary_emb=_rotary)


def _rotary(
    x: Any, cos: Any, sin: Any, interleaved: bool = False, inplace: bool = False, *args: Any, **kwargs: Any
) -> Any:
    return x if inplace else torch.empty_like(x)


def _xformers() -> None:
    """Releases up to 0.11 run some vision towers with it."""

    class BlockDiagonalMask:
        """A mask whose content no kernel reads."""

        @staticmethod
        def from_seqlens(*args: Any, **kwargs: Any) -> BlockDiagonalMask:
            """Any sequence lengths."""
            return BlockDiagonalMask()

    def attention(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        output = torch.empty_like(query)
        torch.empty(*query.shape[:-1], dtype=torch.float32, device=query.device)
        return output

    bias = _module("xformers.ops.fmha.attn_bias", BlockDiagonalMask=BlockDiagonalMask)
    fmha = _module("xformers.ops.fmha", BlockDiagonalMask=BlockDiagonalMask, attn_bias=bias)
    ops = _module(
        "xformers.ops",
        fmha=fmha,
        memory_efficient_attention_forward=attention,
        memory_efficient_attention=attention,
    )
    _module("xformers", ops=ops, __version__="0.0.32")


def _triton(gpu: GPU) -> None:
    """Kernels write into tensors that exist already: launching one does nothing."""
    import triton.runtime
    from triton.runtime import autotuner, jit

    def launch(self: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing runs."""

    jit.JITFunction.run = launch
    autotuner.Autotuner.run = launch
    autotuner.Heuristics.run = launch

    class Driver(Nothing):
        """The active driver, as Triton's decorators ask for it."""

        utils = SimpleNamespace(
            get_device_properties=lambda *args: {
                "multiprocessor_count": gpu.multiprocessors,
                "max_shared_mem": gpu.shared_memory_bytes,
                "warpSize": 32,
                "max_num_regs": 65536,
            }
        )

        def get_current_target(self) -> SimpleNamespace:
            """The GPU's architecture."""
            architecture = gpu.capability[0] * 10 + gpu.capability[1]
            return SimpleNamespace(backend="cuda", arch=architecture, warp_size=32)

        def get_current_device(self) -> int:
            """The only one."""
            return 0

        def get_current_stream(self, *args: Any) -> int:
            """The default stream."""
            return 0

    triton.runtime.driver.set_active(Driver())
