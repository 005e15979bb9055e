"""Element type in which vLLM serves a model on a GPU: its platform's and its list of unstable models."""

from __future__ import annotations

from typing import Final, NamedTuple

from vlm_operator.engine.version import EngineVersion

_BFLOAT16_SINCE: Final = (8, 0)
"""``platforms/cuda.py: CudaPlatformBase.supported_dtypes, check_if_supports_dtype`` (0.11.2 to 0.33.0)."""

_NOT_IN_FLOAT16: Final = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4", "plamo2"})
"""``model_type`` of the whole config (``config/model.py: _FLOAT16_NOT_SUPPORTED_MODELS``, 0.11.2 to 0.33.0; ``plamo2``
left the list with its class)."""

SPELLINGS: Final = {"half": "float16", "float": "float32"}
"""``config/model.py: _STR_DTYPE_TO_TORCH_DTYPE``."""


def served_in_float16(model_type: str) -> bool:
    """False for models that vLLM refuses to serve in float16."""
    return model_type not in _NOT_IN_FLOAT16


def gpu_has_bfloat16(capability: tuple[int, int] | None) -> bool:
    """False for GPUs on which vLLM refuses bfloat16; True where the capability is not known."""
    return capability is None or capability >= _BFLOAT16_SINCE


def automatic_dtype(model_type: str, config_dtype: str, capability: tuple[int, int] | None, *, pooling: bool) -> str:
    """The type that ``--dtype auto`` resolves to.

    Source: ``config/model.py: _resolve_auto_dtype`` (0.11.2 to 0.33.0): float32 checkpoints become the preferred type;
    a type that the GPU or the model does not support falls back to it.

    >>> automatic_dtype("gemma3", "bfloat16", (7, 5), pooling=False)
    'float32'
    >>> automatic_dtype("llama", "bfloat16", (7, 5), pooling=False)
    'float16'
    """
    supported = ["bfloat16"] if gpu_has_bfloat16(capability) else []
    supported += ["float16"] if served_in_float16(model_type) else []
    supported.append("float32")
    preferred = "float16" if pooling and "float16" in supported else supported[0]
    wanted = preferred if config_dtype == "float32" else config_dtype
    return wanted if wanted in supported else preferred


def _least(*steps: tuple[EngineVersion, int]) -> tuple[tuple[EngineVersion, int], ...]:
    return steps


_V0_11: Final = EngineVersion(0, 11)
_V0_12: Final = EngineVersion(0, 12)
_V0_14: Final = EngineVersion(0, 14)
_V0_16: Final = EngineVersion(0, 16)
_V0_20: Final = EngineVersion(0, 20)
_V0_24: Final = EngineVersion(0, 24)
_V0_27: Final = EngineVersion(0, 27)

_LEAST_CAPABILITY: Final = {
    "fp8": _least((_V0_11, 80), (_V0_14, 75)),
    "fbgemm_fp8": _least((_V0_11, 80)),
    "awq": _least((_V0_11, 75)),
    "gptq": _least((_V0_11, 60)),
    "auto-round": _least((_V0_11, 60)),
    "bitsandbytes": _least((_V0_11, 70)),
    "experts_int8": _least((_V0_11, 80)),
    "mxfp4": _least((_V0_11, 80)),
    "quark": _least((_V0_11, 70)),
    "modelopt-fp8": _least((_V0_11, 89), (_V0_27, 80)),
    "modelopt-fp4": _least((_V0_11, 80), (_V0_14, 75)),
    "modelopt-mixed": _least((_V0_11, 89), (_V0_24, 75)),
    "modelopt-mxfp8": _least((_V0_11, 100), (_V0_20, 80)),
    "compressed-tensors-packed": _least((_V0_11, 80), (_V0_12, 75)),
    "compressed-tensors-fp8": _least((_V0_11, 80), (_V0_16, 75)),
    "compressed-tensors-fp4": _least((_V0_11, 80), (_V0_16, 75)),
    "compressed-tensors-mxfp4": _least((_V0_11, 80)),
    "compressed-tensors-int8": _least((_V0_11, 75)),
}
"""``get_min_capability`` of the configs and schemes under ``model_executor/layers/quantization``, ten times the compute
capability, from the release on (read in every minor release from 0.11.2 to 0.33.0)."""


def least_capability(kind: str, version: EngineVersion) -> tuple[int, int] | None:
    """Lowest compute capability on which the release loads this kind of quantisation; None where that is not known.

    Args:
        kind: the method, or ``modelopt-`` and ``compressed-tensors-`` with the storage.
    """
    found = None
    for since, least in _LEAST_CAPABILITY.get(kind, ()):
        if version >= since:
            found = divmod(least, 10)
    return found


_BFLOAT16_ONLY: Final = frozenset({"mxfp4", "modelopt-mxfp8"})
_BOTH_HALVES_SINCE: Final = {"gptq": EngineVersion(0, 22), "awq": EngineVersion(0, 24)}
"""First release whose one class (``AutoGPTQConfig``, ``AutoAWQConfig``) serves both kinds of 16 bits; before, only the
class with Marlin's kernels took bfloat16 (``awq_marlin.py``, ``gptq_marlin.py``: ``get_supported_act_dtypes``)."""
_MARLIN_GROUPS: Final = frozenset({-1, 32, 64, 128})
"""``marlin_utils.py: MARLIN_SUPPORTED_GROUP_SIZES`` (0.11.2 to 0.23.0)."""


class Packed(NamedTuple):
    """What decides whether Marlin's kernels serve an AWQ or GPTQ checkpoint.

    Attributes:
        asked: ``--quantization`` as given, None where vLLM decides.
        bits, group_size: of the checkpoint.
        zero_points: True where it holds packed zero points.
    """

    asked: str | None
    bits: int
    group_size: int
    zero_points: bool


def sixteen_bits_of(kind: str, version: EngineVersion, packed: Packed) -> frozenset[str]:
    """Types of 16 bits in which the release runs this kind of quantisation (``get_supported_act_dtypes``).

    Args:
        kind: as for ``least_capability``.

    >>> sorted(sixteen_bits_of("awq", EngineVersion(0, 19), Packed("awq", 4, 128, True)))
    ['float16']
    """
    if kind in _BFLOAT16_ONLY:
        return frozenset({"bfloat16"})
    since = _BOTH_HALVES_SINCE.get(kind)
    if since is None or version >= since:
        return frozenset({"bfloat16", "float16"})
    bits = {4} if kind == "awq" else {4, 8}
    marlin = packed.asked != kind and packed.bits in bits and packed.group_size in _MARLIN_GROUPS
    if not marlin or (kind == "awq" and not packed.zero_points):
        return frozenset({"float16"})
    return frozenset({"bfloat16", "float16"})
