"""Check: the model and the GPU support the element type, and the quantisation supports what is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.engine.element_types import (
    SPELLINGS,
    Packed,
    automatic_dtype,
    gpu_has_bfloat16,
    served_in_float16,
    sixteen_bits_of,
)
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.quantization_support import kinds_of
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import DType, ModelFacts

SOURCE: Final = (
    "config/model.py: _resolve_auto_dtype, _check_valid_dtype; platforms/cuda.py: check_if_supports_dtype; "
    "model_executor/model_loader: get_supported_act_dtypes of the quantisation (0.11.2 to 0.33.0)"
)

_TYPES: Final = {"bfloat16": DType.BFLOAT16, "float16": DType.FLOAT16, "float32": DType.FLOAT32}


def pinned_dtype(settings: EngineSettings) -> str | None:
    """The element type that ``--dtype`` asks for; None where vLLM decides."""
    asked = getattr(settings, "dtype", None)
    if asked in {None, "auto"}:
        return None
    return SPELLINGS.get(str(asked), str(asked))


def as_served(model: ModelFacts, settings: EngineSettings, gpu: GPUFacts | None) -> ModelFacts:
    """The model in the element type that vLLM serves it in on this GPU: weights and caches are counted in it."""
    return _in_type(model, pinned_dtype(settings), gpu.compute_capability if gpu is not None else None)


@cached_by_identity()
def _in_type(model: ModelFacts, pinned: str | None, capability: tuple[int, int] | None) -> ModelFacts:
    if pinned is None:
        pinned = automatic_dtype(model.model_type, str(model.dtype), capability, pooling=False)
        if gpu_has_bfloat16(capability):
            return model  # the reader's answer holds
    dtype = _TYPES.get(pinned)
    return model if dtype is None or dtype is model.dtype else replace(model, dtype=dtype)


def element_type(command: Command) -> Infeasible | None:
    """Refuse a pinned type that model or GPU exclude, and float32 where the quantisation has no kernels for it."""
    model, pinned = command.model, pinned_dtype(command.settings)
    if pinned == "bfloat16" and not gpu_has_bfloat16(command.capability):
        return _refused(f"dtype: bfloat16 needs compute capability 8.0, {command.gpu_words} has less", command)
    if pinned == "float16" and not served_in_float16(model.model_type):
        message = f"dtype: vLLM does not serve {model.model_type} in float16, because it is numerically unstable"
        return _refused(message, command, "use --dtype bfloat16")
    served = as_served(model, command.settings, command.gpu).dtype
    if model.quantization is not None and served is DType.FLOAT32:
        why = (
            "was asked for" if pinned == "float32" else f"is all that {command.gpu_words} and {model.model_type} share"
        )
        return _refused(f"dtype: float32 {why}, which {model.quantization.method} weights do not support", command)
    return _sixteen_bits(command, served)


def _sixteen_bits(command: Command, served: DType) -> Infeasible | None:
    """Refuse the one of bfloat16 and float16 in which the release does not run the quantisation."""
    model, version, asked = command.model, command.version, command.settings.quantization
    if model.quantization is None or served is DType.FLOAT32 or not gpu_has_bfloat16(command.capability):
        return None
    storage = model.quantization
    packed = Packed(asked, storage.weight_bits, storage.group_size, storage.zero_points)
    for kind in kinds_of(storage):
        takes = sixteen_bits_of(kind, version, packed)
        if served.value not in takes:
            only = " and ".join(sorted(takes))
            message = f"dtype: vLLM {version} runs these {kind} weights in {only}, not in {served.value}"
            remedy = f"use --dtype {only}"
            if asked == kind and len(takes) == 1 and "float16" in takes:
                remedy = f"leave --quantization unset, or {remedy}"
            return _refused(message, command, remedy)
    return None


def _refused(message: str, command: Command, remedy: str = "") -> Infeasible:
    if not remedy:
        usable = not gpu_has_bfloat16(command.capability) and served_in_float16(command.model.model_type)
        remedy = "use --dtype float16" if usable else "use a GPU of compute capability 8.0 or newer"
    return Infeasible(InfeasibleReason.DTYPE_UNSUPPORTED, message, "dtype", remedy, SOURCE)
