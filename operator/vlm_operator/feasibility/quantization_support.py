"""Check: the release loads the quantisation, on a GPU of this generation."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.element_types import least_capability
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.weight_rules import first_minor_that_loads, last_minor_that_loads, loads_quantization
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.model.facts import Quantization

SOURCE: Final = (
    "model_executor/layers/quantization: get_min_capability, checked in model_executor/model_loader/weight_utils.py: "
    "get_quant_config's callers and compressed_tensors.py: _check_scheme_supported (0.11.2 to 0.33.0)"
)
METHODS: Final = "model_executor/layers/quantization/__init__.py: QUANTIZATION_METHODS (0.11.2 to 0.33.0)"


def quantization_support(command: Command) -> Infeasible | None:
    """Refuse a method that the release does not have (yet, or any more), and one that needs a newer GPU."""
    quantization, version = command.model.quantization, command.version
    if quantization is None:
        return None
    if not loads_quantization(version, quantization.method):
        return _not_loaded(version, quantization.method)
    if command.capability is None:
        return None
    for kind in kinds_of(quantization):
        least = least_capability(kind, version)
        if least is not None and command.capability < least:
            needed = f"{least[0]}.{least[1]}"
            return Infeasible(
                InfeasibleReason.COMPUTE_CAPABILITY_TOO_LOW,
                f"{quantization.method} weights ({quantization.weight_bits} bits) need compute capability {needed} "
                f"with vLLM {version}; this is {command.gpu_words}",
                "",
                f"use a GPU of compute capability {needed} or newer, or another checkpoint of the model",
                SOURCE,
            )
    return None


def _not_loaded(version: EngineVersion, method: str) -> Infeasible:
    first, last = first_minor_that_loads(method), last_minor_that_loads(method)
    problem, other = f"vLLM {version} does not load {method!r} checkpoints", ""
    if first is not None:
        problem, other = f"{problem} yet", f", or vLLM 0.{first} or newer (engine.image, --vllm-version)"
    elif last is not None:
        problem, other = f"{problem} any more", f", or vLLM 0.{last} (engine.image, --vllm-version)"
    remedy = f"use another quantisation of the model{other}"
    return Infeasible(InfeasibleReason.KERNEL_UNSUPPORTED, problem, "quantization", remedy, METHODS)


def kinds_of(quantization: Quantization) -> tuple[str, ...]:
    """Names under which the method's storages are known to ``least_capability``."""
    method = quantization.method
    storages = [quantization] if not quantization.listed_only else []
    storages += [storage for _, storage in quantization.listed]
    if method == "mxfp8":
        return ("modelopt-mxfp8",)
    if method == "modelopt":
        if quantization.listed_only:
            return ("modelopt-mixed",)
        if quantization.group_size == 32:
            return ("modelopt-mxfp8",)
        return ("modelopt-fp4",) if quantization.weight_bits == 4 else ("modelopt-fp8",)
    if method == "compressed-tensors":
        return tuple(dict.fromkeys(f"{method}-{_storage_of(storage)}" for storage in storages))
    return (method,)


def _storage_of(quantization: Quantization) -> str:
    if quantization.scale_bytes == 0:
        return "packed"
    if quantization.weight_bits == 4:
        return "mxfp4" if quantization.group_size == 32 else "fp4"
    return "fp8" if quantization.weight_bits == 8 else "int8"
