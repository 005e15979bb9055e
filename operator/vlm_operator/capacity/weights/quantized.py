"""How many bytes does a quantised matrix take? Packed weights, scales, zero points, single numbers.

The same arithmetic serves every method: what differs is how many bits a weight has and which weights share a scale
(``Quantization``). Sizes are those of the tensors that stay on the GPU after loading: symmetric GPTQ keeps no zero
points, nested bitsandbytes scales are unpacked. Not counted: workspaces of kernels, and the padding of scales that some
backends add (below 1 % of the weights).

Sources: vLLM 0.32, ``create_weights`` of the methods under ``model_executor/layers/quantization/``;
``fused_moe/oracle/mxfp4.py`` (``mxfp4_round_up_hidden_size_and_intermediate_size``).
"""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.capacity.weights.ranks import Shape
from vlm_operator.capacity.weights.unquantized import EXPERT_SHARDINGS, matcher, names_of, never_quantized
from vlm_operator.model.facts import Linear, Quantization, Sharding

MXFP4_INTERMEDIATE_TILE, MXFP4_HIDDEN_TILE = 128, 256
"""Elements to which the Marlin and TensorRT-LLM kernels round up MXFP4 experts (since 0.11; Triton on Hopper rounds the
intermediate size to 64 only and takes 2 % less)."""


def round_up(size: int, tile: int) -> int:
    """The next multiple of ``tile``."""
    return -(-size // tile) * tile


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes of matrices under one quantisation.

    Attributes:
        quantization: how weights are stored, and which are not.
        element_bytes: bytes of an unquantised element.
    """

    quantization: Quantization
    element_bytes: int

    def bytes_of(self, linear: Linear, shape: Shape) -> list[int]:
        """Bytes at each place where the module stands, on a rank that holds all of them."""
        places = [self._quantization_at(name, fused, linear) for name, fused in names_of(linear)]
        each, rest = divmod(shape.count, len(places))
        assert rest == 0, linear.name
        known: dict[int, int] = {}
        sizes = []
        for storage in places:
            size = known.get(id(storage))
            if size is None:
                size = each * self._matrix(linear, shape, storage)
                known[id(storage)] = size
            sizes.append(size)
        return sizes

    def _quantization_at(self, name: str, fused: str, linear: Linear) -> Quantization | None:
        rule = self.quantization
        if never_quantized(linear, rule):
            return None
        if rule.ignored and matcher(rule.method, rule.ignored)(name, fused):
            return None
        if rule.listed:
            found = self._listed(name, fused)
            if found is not None:
                return found
            if rule.listed_only:
                return None
        return rule

    def _listed(self, name: str, fused: str) -> Quantization | None:
        rule = self.quantization
        direct = dict(rule.listed)
        for candidate in (name, fused, name.rpartition(".")[2] if name.endswith("lm_head") else name):
            if candidate in direct:
                return direct[candidate]
        for pattern, storage in rule.listed:
            if matcher(rule.method, (pattern,))(name, fused) or pattern.startswith(f"{fused}."):
                return storage
        return None

    def _matrix(self, linear: Linear, shape: Shape, storage: Quantization | None) -> int:
        """Bytes of one matrix with its bias."""
        if storage is None:
            return (shape.rows * shape.columns + shape.bias) * self.element_bytes
        rows, columns, bias = shape.rows, shape.columns, shape.bias
        if storage.method == "mxfp4" and linear.sharding in EXPERT_SHARDINGS:
            rows, columns = _mxfp4_tiles(linear.sharding, rows, columns)
            bias = rows if bias else 0
        if storage.block_shape is not None:
            block_rows, block_columns = storage.block_shape
            groups, scales = 0, -(-rows // block_rows) * -(-columns // block_columns)
        elif storage.group_size > 0:
            groups = -(-columns // storage.group_size)
            scales = rows * groups
        else:
            groups, scales = 1, rows if storage.group_size < 0 else 1
        bits = rows * columns * storage.weight_bits
        if storage.zero_points:
            bits += rows * groups * storage.weight_bits
        size = -(-bits // 8) + scales * (storage.scale_bytes or self.element_bytes)
        if storage.reordered and not linear.follows:
            size += 4 * columns
        return size + 4 * storage.scalars + bias * self.element_bytes


def _mxfp4_tiles(sharding: Sharding, rows: int, columns: int) -> tuple[int, int]:
    if sharding is Sharding.EXPERT_OUTPUT:
        return round_up(rows, MXFP4_INTERMEDIATE_TILE), round_up(columns, MXFP4_HIDDEN_TILE)
    return round_up(rows, MXFP4_HIDDEN_TILE), round_up(columns, MXFP4_INTERMEDIATE_TILE)
