"""What ``--quantization`` makes of an unquantised checkpoint while it is loaded, by release.

Sources (vLLM, every minor release from 0.11.2 to 0.33.0): ``model_executor/layers/quantization/__init__.py``
(``QuantizationMethods``), ``fp8.py`` (``Fp8LinearMethod``, ``Fp8OnlineLinearMethod``), ``online/fp8.py``,
``online/mxfp8.py``, ``bitsandbytes.py``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.weight_rules import loads_quantization


class OnlineScheme(NamedTuple):
    """How weights are stored that were quantised while loading.

    Attributes:
        method: name of the method in whose layout they are kept.
        weight_bits: bits of a weight.
        group_size: weights that share a scale along the inputs; 0 one scale a matrix, -1 one an output.
        block: (rows, columns) that share a scale, or None.
        scale_bytes: bytes of a scale.
        since: first release that does so without holding the unquantised model whole.
    """

    method: str
    weight_bits: int
    group_size: int = 0
    block: tuple[int, int] | None = None
    scale_bytes: int = 4
    since: EngineVersion = EngineVersion(0, 11)


_SCHEMES: Final = {
    "fp8": OnlineScheme("fp8", 8, since=EngineVersion(0, 13)),
    "fp8_per_tensor": OnlineScheme("fp8", 8, since=EngineVersion(0, 20)),
    "fp8_per_block": OnlineScheme("fp8", 8, block=(128, 128), since=EngineVersion(0, 20)),
    "fp8_per_channel": OnlineScheme("fp8", 8, group_size=-1, since=EngineVersion(0, 24)),
    "mxfp8": OnlineScheme("fp8", 8, group_size=32, scale_bytes=1, since=EngineVersion(0, 20)),
    "bitsandbytes": OnlineScheme("bitsandbytes", 4, group_size=64),
}
"""0.11 and 0.12 load unquantised weights whole before ``fp8`` quantises them: what that peak does is not counted."""

SAME_CHECKPOINT: Final = {
    "auto_awq": "awq",
    "awq_marlin": "awq",
    "auto_gptq": "gptq",
    "gptq_marlin": "gptq",
    "inc": "auto-round",
    "gpt_oss_mxfp4": "mxfp4",
    "modelopt_fp4": "modelopt",
    "modelopt_mixed": "modelopt",
    "modelopt_mxfp8": "modelopt",
}
"""Values of the flag that name another kernel for the same kind of checkpoint."""


def online_scheme(name: str, version: EngineVersion) -> OnlineScheme | None:
    """The scheme of that name in that release; None where it is not known to quantise while loading."""
    scheme = _SCHEMES.get(name)
    if scheme is None or version < scheme.since or not loads_quantization(version, scheme.method):
        return None
    return scheme
