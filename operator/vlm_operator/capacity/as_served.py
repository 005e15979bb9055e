"""The model as vLLM serves it: the element type and the quantisation that flags put in the place of the config's."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.engine.online_quantization import SAME_CHECKPOINT, OnlineScheme, online_scheme
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import DType, ModelFacts, Quantization

_DTYPES: Final = {
    "half": DType.FLOAT16,
    "float16": DType.FLOAT16,
    "bfloat16": DType.BFLOAT16,
    "float": DType.FLOAT32,
    "float32": DType.FLOAT32,
}
"""vLLM ``config/model.py: _STR_DTYPE_TO_TORCH_DTYPE`` (0.11.2 to 0.33.0)."""


def as_served(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> ModelFacts:
    """``model`` with ``--dtype`` and ``--quantization`` applied; the model itself where they change nothing.

    Raises:
        InputError: vLLM refuses the flag for this checkpoint.
        UnknownFact: what the flag makes of this model is not known.
    """
    if settings.dtype == "auto" and settings.quantization is None:
        return model
    return _served(model, settings.dtype, settings.quantization, version)


@cached_by_identity()
def _served(model: ModelFacts, dtype: str, quantization: str | None, version: EngineVersion) -> ModelFacts:
    if quantization is not None:
        model = _quantized(model, quantization, version)
    if dtype == "auto":
        return model
    element = _DTYPES.get(dtype)
    if element is None:
        raise InputError(
            f"dtype: {dtype[:40]!r} is no element type of vLLM",
            field="dtype",
            hint=f"one of auto, {', '.join(_DTYPES)}",
        )
    return model if element is model.dtype else replace(model, dtype=element)


def _quantized(model: ModelFacts, name: str, version: EngineVersion) -> ModelFacts:
    scheme = online_scheme(name, version)
    online = _storage(scheme) if scheme is not None else None
    present = model.quantization
    if present is not None:
        if present.method in (name, SAME_CHECKPOINT.get(name)) or present == online:
            return model
        raise InputError(
            f"quantization: {name[:40]} does not match the checkpoint of {model.model}, which is quantised as "
            f"{present.method}",
            field="quantization",
            hint="leave --quantization unset, or name a checkpoint that is not quantised",
        )
    if online is None:
        raise UnknownFact(
            f"quantization: what vLLM {version} makes of an unquantised checkpoint with {name[:40]!r} is not known",
            field="quantization",
            hint="leave --quantization unset, use fp8 with vLLM 0.13 or newer, or name a quantised checkpoint",
        )
    # Headers tell what the checkpoint stores, not what is kept of it.
    return replace(model, quantization=online, checkpoint_bytes=None)


def _storage(scheme: OnlineScheme) -> Quantization:
    return Quantization(
        scheme.method,
        scheme.weight_bits,
        scheme.group_size,
        block_shape=scheme.block,
        scale_bytes=scheme.scale_bytes,
    )
