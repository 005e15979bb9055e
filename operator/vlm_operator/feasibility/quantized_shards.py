"""Check: what one rank holds of a quantised matrix is made of whole blocks, groups and kernel tiles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from vlm_operator.capacity.weights.quantized import places_of
from vlm_operator.capacity.weights.ranks import Shape, shape_of
from vlm_operator.engine import quantized_kernels as kernels
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.feasibility.command import Command, division_of, size_words
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import DType, Linear, ModelFacts, Quantization, Sharding

BLOCKS: Final = (
    "model_executor/layers/quantization/utils/fp8_utils.py: validate_fp8_block_shape, validate_fp8_block_shape_moe "
    "(in fp8.py and compressed_tensors_moe.py before 0.29; 0.11.2 to 0.33.0)"
)
GROUPS: Final = (
    "create_weights of model_executor/layers/quantization/awq.py, gptq.py (auto_awq.py, auto_gptq.py), modelopt.py and "
    "compressed_tensors (0.11.2 to 0.33.0)"
)
TILES: Final = (
    "model_executor/layers/quantization/utils/marlin_utils.py: verify_marlin_supports_shape, gptq_marlin_repack "
    "(0.11.2 to 0.23.0; padded from 0.24.0)"
)
WHOLE: Final = "model_executor/model_loader/bitsandbytes_loader.py: _initialize_loader_state (0.11.2 to 0.27.1)"

_EXPERTS: Final = frozenset({Sharding.EXPERT_OUTPUT, Sharding.EXPERT_INPUT})
_COLUMN: Final = frozenset({Sharding.OUTPUT, Sharding.KV_HEADS})
_PACKED: Final = frozenset({"awq", "gptq", "compressed-tensors", "auto-round"})
_GROUPS_OF_EXPERTS_SHRINK: Final = frozenset({"awq", "gptq", "auto-round"})
"""Their experts fall back to smaller groups (``moe_wna16.py: MoeWNA16Method.create_weights``)."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A matrix that a rank cannot hold."""

    message: str
    source: str
    expert: bool


def quantized_shards(command: Command) -> Infeasible | None:
    """Refuse sizes that cut through a block, a group or a tile; expert parallelism keeps routed experts whole."""
    cut = _first_cut(command)
    if cut is None:
        return None
    settings = command.settings
    sizes = command.sizes_that_pass(lambda other: _first_cut(other) is None)
    remedy = size_words(sizes)
    change: tuple[tuple[str, Any], ...] = ()
    if cut.expert and not settings.enable_expert_parallel:
        apart = replace(command, settings=settings.with_(enable_expert_parallel=True))
        if _first_cut(apart) is None:
            change = (("enable_expert_parallel", True),)
            remedy = f"set --enable-expert-parallel, which keeps each expert whole on one GPU, or {remedy}"
    reason = InfeasibleReason.TENSOR_PARALLEL_NOT_DIVISIBLE
    if settings.tensor_parallel_size * settings.data_parallel_size == 1:
        reason = InfeasibleReason.KERNEL_UNSUPPORTED
    return Infeasible(reason, cut.message, "tensor_parallel_size", remedy, cut.source, change)


def _first_cut(command: Command) -> Cut | None:
    model = command.model
    if model.weights is None or model.quantization is None:
        return None
    if model.quantization.method == "bitsandbytes":
        if command.quantized_at_load or command.settings.tensor_parallel_size == 1:
            return None  # a matrix is packed as one row of elements, whatever its groups
        message = f"{model.model} is stored in bitsandbytes' format, which tensor parallelism cannot divide"
        return Cut(message, WHOLE, expert=False)
    return _cut_of(model, command)


def _layout_of(command: Command) -> tuple[object, ...]:
    """What the cuts depend on beside the model."""
    return (
        None if kernels.marlin_pads(command.version) else (command.gpu_words, command.capability),
        kernels.expert_blocks_are_refined(command.version, command.capability),
        division_of(command),
    )


@cached_by_identity(1, by=_layout_of)
def _cut_of(model: ModelFacts, command: Command) -> Cut | None:
    """The first matrix of ``model``, served by ``command``, that ranks cut; None where all hold whole blocks."""
    return next(_cuts(command), None)


def _cuts(command: Command) -> Iterator[Cut]:
    ranks, lasts = command.ranks, _last_of_fused(command.model)
    if command.model.quantization is None:
        return
    quantized = places_of(command.model.quantization)
    fused_rows = _fused_rows(command)
    for module in command.modules():
        if not isinstance(module, Linear) or not module.quantizable:
            continue
        try:
            places = frozenset(quantized.at(module))
            shape = shape_of(module, ranks)
        except (InputError, UnknownFact):
            continue
        part = Part(module, shape, fused_rows.get(module.fused_name, shape.rows), module.name in lasts)
        for quantization in places:
            if quantization is not None:
                found = _cut(command, part, quantization)
                if found is not None:
                    yield found


@dataclass(frozen=True, slots=True)
class Part:
    """What one rank holds of a matrix.

    Attributes:
        fused_rows: outputs on this rank of the module that vLLM fuses it into.
        last: True for the last matrix of a fused module, or one that is not fused.
    """

    linear: Linear
    shape: Shape
    fused_rows: int
    last: bool

    @property
    def expert(self) -> bool:
        """Whether it is a routed expert's."""
        return self.linear.sharding in _EXPERTS

    @property
    def columns_divided(self) -> bool:
        """Whether this rank holds a part of the inputs."""
        return self.shape.columns != self.linear.inputs

    @property
    def words(self) -> str:
        """The matrix, for messages."""
        return self.linear.name.replace("{}", "*")


def _cut(command: Command, part: Part, quantization: Quantization) -> Cut | None:
    if quantization.block_shape is not None:
        return _block_cut(command, part, quantization.block_shape) or _tile_cut(command, part, quantization)
    group, columns = quantization.group_size, part.shape.columns
    shrinks = part.expert and quantization.method in _GROUPS_OF_EXPERTS_SHRINK
    grouped = group > 0 and (quantization.weight_bits < 8 or quantization.method in _PACKED)
    if grouped and columns % group and group < part.linear.inputs and not shrinks:
        return Cut(
            f"{part.words} has {columns:,} inputs on each of {_ranks(command)} GPUs, which groups of {group} "
            "(its quantisation) do not divide",
            GROUPS,
            part.expert,
        )
    return _tile_cut(command, part, quantization)


def _block_cut(command: Command, part: Part, block: tuple[int, int]) -> Cut | None:
    rows, columns = part.shape.rows, part.shape.columns
    if part.expert:
        return _expert_block_cut(command, part, block)
    if part.columns_divided and columns % block[1]:
        return _blocks(command, part, columns, "inputs", block[1])
    if part.linear.sharding in _COLUMN and rows % block[0]:
        merged = bool(part.linear.fused_name) and "qkv" not in part.linear.fused_name
        if merged and kernels.merged_blocks_may_mismatch(command.version):
            return None
        if rows != part.linear.outputs or (part.linear.fused_name and not part.last):
            return _blocks(command, part, rows, "outputs", block[0])
    return None


def _expert_block_cut(command: Command, part: Part, block: tuple[int, int]) -> Cut | None:
    output = part.linear.sharding is Sharding.EXPERT_OUTPUT
    size, side = (part.shape.rows, block[0]) if output else (part.shape.columns, block[1])
    if size % side == 0 or not (output or command.settings.tensor_parallel_size > 1):
        return None
    if kernels.expert_blocks_are_refined(command.version, command.capability):
        hidden = part.shape.columns if output else part.shape.rows
        if math.gcd(*block, size, hidden) >= kernels.SMALLEST_REFINED_BLOCK:
            return None
    return _blocks(command, part, size, "outputs" if output else "inputs", side)


def _blocks(command: Command, part: Part, size: int, what: str, side: int) -> Cut:
    return Cut(
        f"{part.words} has {size:,} {what} on each of {_ranks(command)} GPUs, which blocks of {side} "
        "(its quantisation) do not divide",
        BLOCKS,
        part.expert,
    )


def _tile_cut(command: Command, part: Part, quantization: Quantization) -> Cut | None:
    """Marlin's tiles, where its kernels serve the matrix and do not pad."""
    if kernels.marlin_pads(command.version) or not _on_marlin(command, quantization):
        return None
    rows, columns = part.fused_rows, part.shape.columns
    hopper = command.capability is not None and command.capability[0] == 9
    if part.expert:
        packed = quantization.method in _PACKED and quantization.weight_bits in {4, 8} and not _is_float(quantization)
        if packed or part.linear.sharding is Sharding.EXPERT_OUTPUT or columns % kernels.MARLIN_EXPERT_COLUMNS == 0:
            return None
        return _tiles(command, part, columns, "inputs", kernels.MARLIN_EXPERT_COLUMNS)
    machete = hopper and rows % kernels.MACHETE_ROWS == 0 and columns % kernels.MACHETE_COLUMNS == 0
    if machete and quantization.method in {"gptq", "compressed-tensors"} and not _is_float(quantization):
        return None
    if rows % kernels.MARLIN_ROWS:
        return _tiles(command, part, rows, "outputs", kernels.MARLIN_ROWS)
    if columns % kernels.MARLIN_COLUMNS and not _is_float(quantization):
        return _tiles(command, part, columns, "inputs", kernels.MARLIN_COLUMNS)
    return None


def _on_marlin(command: Command, quantization: Quantization) -> bool:
    """Whether the weights run on Marlin's kernels on this GPU."""
    capability = command.capability
    if capability is None:
        return False
    if quantization.method in {"fp8", "fbgemm_fp8"} or (quantization.weight_bits == 8 and _is_float(quantization)):
        return capability < kernels.NATIVE_FP8
    if quantization.weight_bits == 4 and _is_float(quantization):
        return capability < kernels.NATIVE_FP4
    # with float16, Exllama's and AWQ's own kernels take what Marlin's do not
    return quantization.method in _PACKED and command.model.dtype is not DType.FLOAT16


def _is_float(quantization: Quantization) -> bool:
    """FP8 and FP4 weights: their scales are not of the model's own type."""
    return quantization.scale_bytes != 0


def _tiles(command: Command, part: Part, size: int, what: str, tile: int) -> Cut:
    name = part.linear.fused_name.replace("{}", "*") if what == "outputs" and part.linear.fused_name else part.words
    return Cut(
        f"{name} has {size:,} {what} on each of {_ranks(command)} GPUs, no multiple of the {tile} of Marlin's kernel, "
        f"which vLLM {command.version} uses on {command.gpu_words} without padding",
        TILES,
        part.expert,
    )


def _ranks(command: Command) -> int:
    return command.settings.tensor_parallel_size


@cached_by_identity(1, kept=256)
def _last_of_fused(model: ModelFacts) -> frozenset[str]:
    """Names of matrices that are not fused, or the last of a fused module."""
    lasts: dict[str, str] = {}
    for module in model.weights or ():
        if isinstance(module, Linear):
            lasts[module.fused_name or module.name] = module.name
    return frozenset(lasts.values())


def _fused_rows(command: Command) -> dict[str, int]:
    """Outputs on one rank of each fused module."""
    rows: dict[str, int] = {}
    for module in command.modules():
        if isinstance(module, Linear) and module.fused_name:
            try:
                rows[module.fused_name] = rows.get(module.fused_name, 0) + shape_of(module, command.ranks).rows
            except InputError:
                continue
    return rows
