"""Bytes of a quantised matrix: packed weights, scales, zero points, scalars.

The same arithmetic serves every method: what differs is how many bits a weight has and which weights share a scale
(``Quantization``). Sizes are those of the tensors that stay on the GPU after loading: symmetric GPTQ keeps no zero
points, nested bitsandbytes scales are unpacked. Not counted: workspaces of kernels, and the padding of scales that some
backends add (below 1 % of the weights).

Sources: vLLM 0.32, ``create_weights`` of the methods under ``model_executor/layers/quantization/``;
``fused_moe/oracle/mxfp4.py`` (``mxfp4_round_up_hidden_size_and_intermediate_size``).
"""

from __future__ import annotations

from vlm_operator.capacity.weights.mxfp4_experts import mxfp4_expert_bytes
from vlm_operator.capacity.weights.ranks import Shape
from vlm_operator.capacity.weights.unquantized import EXPERT_SHARDINGS, matcher, names_of, never_quantized
from vlm_operator.engine.weight_rules import Mxfp4Kernel
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import Linear, Quantization

MXFP4_BITS = 4
"""By which Quark's MXFP4 is told from its FP8 and INT8."""

PACKED_EXPERTS = frozenset({"auto-round", "awq", "gptq"})
"""Methods whose experts fall back to smaller groups (0.32: ``moe_wna16.py``, ``MoeWNA16Method.create_weights``)."""

SMALLEST_EXPERT_GROUP = 32
"""Elements; no smaller group is tried there."""


class Places:
    """Which quantisation a matrix has at each place where it stands; what names decide is found once and kept."""

    def __init__(self, quantization: Quantization) -> None:
        self.quantization = quantization
        self._direct = dict(quantization.listed)
        self._parents = {
            name[:end]: storage
            for name, storage in quantization.listed
            for end, letter in enumerate(name)
            if letter == "." and name[:end].endswith("experts")
        }
        self._known: dict[int, tuple[Linear, tuple[Quantization | None, ...]]] = {}

    def at(self, linear: Linear) -> tuple[Quantization | None, ...]:
        """The quantisation at each place where the module stands; None where it is not quantised."""
        known = self._known.get(id(linear))
        if known is None or known[0] is not linear:
            places = tuple(self._quantization_at(name, fused, linear) for name, fused in names_of(linear))
            known = self._known[id(linear)] = (linear, places)
        return known[1]

    def _quantization_at(self, name: str, fused: str, linear: Linear) -> Quantization | None:
        rule = self.quantization
        if never_quantized(linear, rule) or (rule.ignored and matcher(rule.method, rule.ignored)(name, fused)):
            return None
        if not rule.listed:
            return rule
        return self._listed(name, fused) or (None if rule.listed_only else rule)

    def _listed(self, name: str, fused: str) -> Quantization | None:
        short = "lm_head" if name.endswith(".lm_head") else name
        for candidate in (name, fused, short):
            if candidate in self._direct:
                return self._direct[candidate]
        if fused in self._parents:
            return self._parents[fused]
        for pattern, storage in self.quantization.listed:
            if pattern.startswith("re:") and matcher(self.quantization.method, (pattern,))(name, fused):
                return storage
        return None


@cached_by_identity(kept=64)
def places_of(quantization: Quantization) -> Places:
    """The places of this quantisation; the same object, with what it knows, when asked again."""
    return Places(quantization)


class Storage:
    """Bytes of matrices under one quantisation.

    Args:
        quantization: how weights are stored, and which are not.
        element_bytes: bytes of an unquantised element.
        mxfp4: whose layout MXFP4 experts are kept in.
    """

    def __init__(self, quantization: Quantization, element_bytes: int, mxfp4: Mxfp4Kernel = Mxfp4Kernel.MARLIN) -> None:
        self.quantization = quantization
        self.mxfp4 = mxfp4
        self.element_bytes = element_bytes
        self._places = places_of(quantization)

    def bytes_of(self, linear: Linear, shape: Shape) -> list[int]:
        """Bytes at each place where the module stands, on a rank that holds all of them."""
        places = self.at(linear)
        each = shape.count // len(places)
        sizes: dict[int, int] = {}
        for storage in places:
            if id(storage) not in sizes:
                sizes[id(storage)] = each * self._matrix(linear, shape, storage)
        return [sizes[id(storage)] for storage in places]

    def at(self, linear: Linear) -> tuple[Quantization | None, ...]:
        """The quantisation at each place where the module stands; None where it is not quantised."""
        return self._places.at(linear)

    def _matrix(self, linear: Linear, shape: Shape, storage: Quantization | None) -> int:
        """Bytes of one matrix with its bias."""
        if storage is None:
            return (shape.rows * shape.columns + shape.bias) * self.element_bytes
        rows, columns = shape.rows, shape.columns
        group = storage.group_size
        if _is_mxfp4(storage) and linear.sharding in EXPERT_SHARDINGS:
            kernel = self.mxfp4 if storage.method == "mxfp4" else Mxfp4Kernel.MARLIN
            return mxfp4_expert_bytes(
                kernel, linear.sharding, rows, columns, bias=bool(shape.bias), element_bytes=self.element_bytes
            )
        if storage.method in PACKED_EXPERTS and linear.sharding in EXPERT_SHARDINGS:
            group = _expert_group(group, rows, columns)
        if storage.block_shape is not None:
            block_rows, block_columns = storage.block_shape
            groups, scales = 0, -(-rows // block_rows) * -(-columns // block_columns)
        elif group > 0:
            groups = -(-columns // group)
            scales = rows * groups
        else:
            groups, scales = 1, rows if group < 0 else 1
        bits = rows * columns * storage.weight_bits
        if storage.zero_points:
            bits += rows * groups * storage.weight_bits
        size = -(-bits // 8) + scales * (storage.scale_bytes or self.element_bytes)
        if storage.reordered and not linear.follows:
            size += 4 * columns
        return size + 4 * storage.scalars + shape.bias * self.element_bytes


def _is_mxfp4(storage: Quantization) -> bool:
    return storage.method == "mxfp4" or (storage.method == "quark" and storage.weight_bits == MXFP4_BITS)


def _expert_group(group: int, rows: int, columns: int) -> int:
    """Elements that share a scale in an expert: halved until they divide its sides, down to 32."""
    while group > SMALLEST_EXPERT_GROUP and (rows % group or columns % group):
        group //= 2
    return group
