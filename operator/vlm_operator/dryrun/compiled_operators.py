"""Stand-ins for vLLM's compiled operators (``torch.ops._C`` and its siblings): no schema, no kernel.

vLLM registers a fake implementation for operators that return tensors; it is kept and gives the results. The others
write into tensors that the caller made, so that nothing has to be allocated for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .device import SimulatedDevice
    from .gpu import GPU

from .device import device_tensors
from .tensor_values import forget_values, key_of

NAMESPACES = (
    "_C",
    "_moe_C",
    "_C_cache_ops",
    "_C_cuda_utils",
    "_C_custom_ar",
    "_qutlass_C",
    "_flashmla_C",
    "_flashmla_extension_C",
)

_OTHER_PLATFORMS = re.compile(r"cpu|rocm|xpu|onednn|zen|rdna|amx|shm|dynamic_4bit|_lut_|scaled_mm_with_quant|brgemm")
_NOT_IN_CUDA_BUILDS = frozenset({"gemma_rms_norm", "layer_norm", "nemotron_layer_norm", "gelu_tanh"})
"""Asked for by ``hasattr`` in ``model_executor/layers`` and present in builds for other platforms only."""

WRITES_IN_PLACE = re.compile(
    r"_and_mul|^gelu|^silu|relu2|rms_norm|rotary_embedding|fp8_quant|int8_quant|scaled_fp4_quant|cutlass_|"
    r"scaled_mm|reshape_and_cache|concat_and_cache|topk|moe_align|moe_sum|moe_permute|moe_unpermute|"
    r"repetition_penalties|merge_attn_states|gptq_shuffle|swap_blocks|copy_blocks|experts_quant|fused_qk|"
    r"allspark|permute_cols|selective_scan|causal_conv1d|convert_fp8|silu_mul|group_quant|weak_ref"
)
"""Operators that are known to write into their arguments; others without a fake implementation are reported."""

_MUTATED = {"moe_align_block_size": (3, 4, 5), "topk_softmax": (0, 1, 2), "topk_sigmoid": (0, 1, 2)}
"""Positions of the tensors that an operator writes; the first one where none are given."""


class CompiledOperators:
    """All stand-ins of one simulated device.

    Attributes:
        fakes: vLLM's own fake implementations, by ``_C::name``.
    """

    def __init__(self, device: SimulatedDevice, gpu: GPU) -> None:
        self.device = device
        self.fakes: dict[str, Callable[..., Any]] = {}
        self.answers = _answers(device, gpu)

    def install(self) -> None:
        """Put the stand-ins in the place of ``torch.ops``' namespaces, and keep what vLLM registers for them."""
        for name in NAMESPACES:
            setattr(torch.ops, name, _Namespace(self, name))
        register = torch.library.register_fake

        def keep(op: Any, func: Any = None, /, **kwargs: Any) -> Any:
            if not isinstance(op, str) or op.partition("::")[0] not in NAMESPACES:
                return register(op, func, **kwargs)
            if func is None:
                return lambda function: self.fakes.setdefault(op, function)
            return self.fakes.setdefault(op, func)

        torch.library.register_fake = keep
        torch.library.impl_abstract = keep

    def call(self, name: str, overload: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one operator."""
        base = name.partition("::")[2]
        tensors = device_tensors((args, kwargs))
        for tensor in tensors:
            self.device.take(tensor)
        if self.device.fused_depth:
            self.device.ledger.materialise_all()
        if base in self.answers:
            return self.answers[base](*args, **kwargs)
        fake = self.fakes.get(name) if overload != "out" else None
        if fake is not None:
            return self.device.run_unfused(fake, *args, **kwargs)
        if WRITES_IN_PLACE.search(base) is None and overload != "out":
            self.device.unmodelled[name] += 1
        self._forget(base, args, tensors)
        return None

    def _forget(self, base: str, args: tuple[Any, ...], tensors: list[torch.Tensor]) -> None:
        written = [args[index] for index in _MUTATED.get(base, ()) if index < len(args)] or tensors[:1]
        for tensor in written:
            if isinstance(tensor, torch.Tensor) and tensor.device.type == "meta":
                forget_values(self.device.ledger, tensor)


class _Namespace:
    """``torch.ops._C``: has every operator that a CUDA build could have."""

    def __init__(self, operators: CompiledOperators, name: str) -> None:
        self._operators, self._name = operators, name

    def __getattr__(self, name: str) -> _Operator:
        elsewhere = name in _NOT_IN_CUDA_BUILDS or _OTHER_PLATFORMS.search(name) is not None
        if name.startswith("__") or (elsewhere and name not in self._operators.answers):
            raise AttributeError(f"'{self._name}' has no operator '{name}' on CUDA")
        operator = _Operator(self._operators, f"{self._name}::{name}")
        setattr(self, name, operator)
        return operator


class _Operator:
    """One operator, or one overload of it."""

    def __init__(self, operators: CompiledOperators, name: str, overload: str = "") -> None:
        self._operators, self._name, self._overload = operators, name, overload
        self.__name__ = name.partition("::")[2]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._operators.call(self._name, self._overload, args, kwargs)

    def __getattr__(self, name: str) -> _Operator:
        if name.startswith("_"):
            raise AttributeError(name)
        overload = _Operator(self._operators, self._name, "" if name == "default" else name)
        setattr(self, name, overload)
        return overload

    def name(self) -> str:
        """As ``OpOverload.name``."""
        return self._name


def _answers(device: SimulatedDevice, gpu: GPU) -> dict[str, Callable[..., Any]]:
    """Operators that answer a question about the device, and those whose results no fake implementation gives.

    Source: ``csrc/quantization/w8a8/cutlass/scaled_mm_entry.cu`` (0.11 to 0.32) for what a capability supports with
    the CUDA release that vLLM is built with.
    """
    capability = gpu.capability[0] * 10 + gpu.capability[1]

    def host_view(tensor: torch.Tensor) -> torch.Tensor:
        with torch.utils._python_dispatch._disable_current_modes():
            view = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
        device.ledger.enter_host(key_of(view), view.untyped_storage())
        return view

    return {
        "cutlass_scaled_mm_supports_fp8": lambda *args: capability >= 89,
        "cutlass_scaled_mm_supports_block_fp8": lambda *args: capability >= 90,
        "cutlass_scaled_mm_supports_fp4": lambda *args: capability >= 100,
        "cutlass_group_gemm_supported": lambda *args: 90 <= capability < 120,
        "cutlass_sparse_scaled_mm_supported": lambda *args: capability >= 90,
        "get_max_shared_memory_per_block_device_attribute": lambda *args: gpu.shared_memory_bytes,
        "get_cuda_view_from_cpu_tensor": host_view,
        "permute_cols": lambda tensor, order: torch.empty_like(tensor),
        "weak_ref_tensor": lambda tensor: tensor,
    }
