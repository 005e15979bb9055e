"""Bytes of one MXFP4 expert matrix in the layout of the kernel that computes with it.

Sources: vLLM 0.32, ``fused_moe/oracle/mxfp4.py``; for Hopper the storage layouts of ``triton_kernels``
(``tensor_details/layout_details/hopper_value.py``, ``hopper_scale.py``), which vLLM converts experts to after loading.
Measured: gpt-oss-20b and -120b on an H100 with vLLM 0.11.0 and ``triton_kernels`` take 13.47 and 64.38 GiB, 0.06 and
0.18 GiB more than counted so.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.weight_rules import Mxfp4Kernel
from vlm_operator.model.facts import Sharding

BLOCK: Final = 32
"""Elements that share a scale of one byte."""

_HOPPER_INPUTS, _HOPPER_OUTPUTS = 128, 256
"""Elements to which ``triton_kernels`` rounds up inputs (of values) and outputs (of values and scales) on Hopper."""
_HOPPER_BIAS_BYTES = 4
"""vLLM turns biases into float32 for it (0.11.2: ``quantization/mxfp4.py``, ``process_weights_after_loading``)."""


def mxfp4_expert_bytes(
    kernel: Mxfp4Kernel, sharding: Sharding, rows: int, columns: int, *, bias: bool, element_bytes: int
) -> int:
    """Bytes of values, scales and bias of one matrix.

    Args:
        kernel: whose layout it is.
        sharding: ``EXPERT_OUTPUT`` for gate and up, which stand in one tensor, ``EXPERT_INPUT`` for down.
        rows, columns: outputs and inputs on this rank.
        bias: whether it has one.
        element_bytes: of an unquantised element.
    """
    tiles = kernel.value
    if sharding is Sharding.EXPERT_OUTPUT:
        rows, columns = _round_up(rows, tiles.intermediate), _round_up(columns, tiles.hidden)
    else:
        rows, columns = _round_up(rows, tiles.hidden), _round_up(columns, tiles.intermediate)
    biases = rows if bias else 0
    scales = -(-columns // BLOCK)
    if kernel is Mxfp4Kernel.TRITON:
        element_bytes = _HOPPER_BIAS_BYTES
        columns = _round_up(columns, _HOPPER_INPUTS)
        joined = 2 if sharding is Sharding.EXPERT_OUTPUT else 1
        rows = _round_up(joined * rows, _HOPPER_OUTPUTS) // joined
    return rows * columns // 2 + rows * scales + biases * element_bytes


def _round_up(size: int, tile: int) -> int:
    return -(-size // tile) * tile
