"""AMD Quark's quantised weights: one scheme for all matrices, and a list of those left unquantised.

Source: vLLM 0.32, ``model_executor/layers/quantization/quark/quark.py`` and its ``schemes/``. Checkpoints with schemes
of their own for some layers are refused.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Quantization

FLOAT8: Final = frozenset({"fp8_e4m3"})
GROUP_OF_MX: Final = 32


def quark(section: Config) -> Quantization:
    """Quark checkpoints: FP8 and INT8 a tensor or channel, MXFP4.

    Raises:
        UnknownFact: a scheme, or one for some layers only, whose bytes are not known.
    """
    for key in ("layer_quant_config", "layer_type_quant_config"):
        if section.section(key).values:
            raise _unknown(section, key, next(iter(section.section(key).values)))
    scheme = section.section("global_quant_config")
    weight, inputs = scheme.section("weight"), scheme.section("input_tensors")
    kind, strategy = weight.text("dtype"), weight.text("qscheme")
    static = 1 if inputs.values and not inputs.boolean("is_dynamic", False) else 0
    activations = "static" if static else "dynamic" if inputs.values else None
    ignored = tuple(str(name) for name in section.items("exclude") or ())
    if kind == "fp4" and strategy == "per_group" and weight.integer("group_size", GROUP_OF_MX) == GROUP_OF_MX:
        return Quantization("quark", 4, GROUP_OF_MX, scale_bytes=1, ignored=ignored, activation_scheme=activations)
    groups = {"per_tensor": 0, "per_channel": -1}
    if strategy not in groups or not (kind in FLOAT8 or kind == "int8"):
        raise _unknown(weight, "qscheme" if kind in FLOAT8 or kind == "int8" else "dtype", f"{kind} {strategy}")
    return Quantization(
        "quark",
        8,
        groups[strategy],
        zero_points=kind == "int8",
        ignored=ignored,
        activation_scheme=activations,
        scalars=static,
    )


def _unknown(section: Config, key: str, value: object) -> UnknownFact:
    return UnknownFact(
        f"{section.field(key)}: {str(value)[:80]!r} is not known",
        field=section.field(key),
        hint="give a checkpoint directory, whose safetensors headers hold the exact weights",
    )
