"""The part of a module one rank holds under tensor, expert and pipeline parallelism, as vLLM places it.

Sources: vLLM 0.32, ``model_executor/layers/linear.py`` (column, row and QKV parallel layers),
``model_executor/layers/vocab_parallel_embedding.py``, ``model_executor/layers/fused_moe/config.py``
(``FusedMoEParallelConfig``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.weight_rules import VOCABULARY_PADDING
from vlm_operator.errors import InputError
from vlm_operator.model.facts import Linear, Placement, Sharding, Stage, Tensors


class Ranks(NamedTuple):
    """How many ranks share what.

    Attributes:
        tensor: ranks that divide a dense matrix.
        experts: ranks that divide the experts, whole experts each (1 without expert parallelism).
        expert_tensor: ranks that divide each expert's matrices (1 with expert parallelism).
        stages: stages of the pipeline.
        whole_encoder: True where the encoder is kept whole on every rank (``--mm-encoder-tp-mode data``).
        partition: layers of each stage, None where vLLM divides them.
    """

    tensor: int
    experts: int
    expert_tensor: int
    stages: int
    whole_encoder: bool
    partition: tuple[int, ...] | None = None

    @classmethod
    def of(cls, settings: EngineSettings) -> Ranks:
        """Ranks of these flags. Experts are laid over tensor x data parallel ranks."""
        tensor, every = settings.tensor_parallel_size, settings.tensor_parallel_size * settings.data_parallel_size
        apart = settings.enable_expert_parallel
        return cls(
            tensor,
            every if apart else 1,
            1 if apart else every,
            settings.pipeline_parallel_size,
            settings.mm_encoder_tp_mode == "data",
            settings.pp_layer_partition,
        )


ONE_RANK = Ranks(tensor=1, experts=1, expert_tensor=1, stages=1, whole_encoder=False)
"""A single GPU."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One matrix as a rank holds it, and how many of them the whole model has a rank.

    Attributes:
        rows, columns: outputs and inputs on this rank.
        count: matrices on a rank that holds every layer.
        whole_columns: inputs before sharding.
        bias: bias elements on this rank.
    """

    rows: int
    columns: int
    count: int
    whole_columns: int
    bias: int


def divide(size: int, ranks: int, name: str) -> int:
    """``size`` over ``ranks``, as vLLM's ``divide`` insists.

    Raises:
        InputError: it does not divide.
    """
    if size % ranks:
        raise InputError(
            f"tensor-parallel-size: {ranks} ranks do not divide the {size} elements of {name}",
            field="tensor-parallel-size",
            hint="choose a tensor-parallel size that divides the model's heads and sizes",
        )
    return size // ranks


def divide_heads(size: int, heads: int, ranks: int, name: str) -> int:
    """Elements of ``heads`` heads on one rank; a head is copied where there are more ranks than heads.

    Raises:
        InputError: neither divides the other.
    """
    larger, smaller = max(heads, ranks), min(heads, ranks)
    if heads <= 0 or larger % smaller:
        raise InputError(
            f"tensor-parallel-size: {ranks} ranks do not divide the {heads} key/value heads of {name}",
            field="tensor-parallel-size",
            hint="choose a tensor-parallel size that divides the heads, or a multiple of their number",
        )
    return size // heads * max(1, heads // ranks)


def padded_vocabulary(rows: int) -> int:
    """Rows of an embedding after padding."""
    return -(-rows // VOCABULARY_PADDING) * VOCABULARY_PADDING


def shape_of(linear: Linear, ranks: Ranks) -> Shape:
    """What one rank holds of these matrices.

    Raises:
        InputError: the ranks do not divide them.
    """
    whole = linear.placement.data_parallel and ranks.whole_encoder
    tensor = 1 if whole else ranks.tensor
    rows, columns, count = linear.outputs, linear.inputs, linear.count
    match linear.sharding:
        case Sharding.OUTPUT | Sharding.INPUT if linear.heads and linear.heads % tensor:
            pass
        case Sharding.OUTPUT:
            rows = divide(rows, tensor, linear.name)
            rows += -rows % linear.multiple if linear.multiple else 0
        case Sharding.INPUT:
            columns = divide(columns, tensor, linear.name)
        case Sharding.KV_HEADS:
            rows = divide_heads(rows, linear.heads, tensor, linear.name)
        case Sharding.VOCABULARY:
            rows = divide(padded_vocabulary(rows), tensor, linear.name)
        case Sharding.EXPERT_OUTPUT | Sharding.EXPERT_INPUT:
            count = count // linear.experts * -(-linear.experts // ranks.experts)
            least = linear.least_shard if ranks.expert_tensor > 1 else 0
            if linear.sharding is Sharding.EXPERT_OUTPUT:
                rows = max(divide(rows, ranks.expert_tensor, linear.name), least)
            else:
                columns = max(divide(columns, ranks.expert_tensor, linear.name), least)
        case Sharding.REPLICATED:
            pass
    return Shape(rows, columns, count, linear.inputs, rows if linear.bias else 0)


def elements_of(tensors: Tensors, ranks: Ranks) -> int:
    """Elements of one of these tensors on one rank.

    Raises:
        InputError: the ranks do not divide them.
    """
    whole = tensors.placement.data_parallel and ranks.whole_encoder
    tensor = 1 if whole else ranks.tensor
    match tensors.sharding:
        case Sharding.OUTPUT | Sharding.INPUT:
            return divide(tensors.elements, tensor, tensors.name)
        case Sharding.KV_HEADS:
            return divide_heads(tensors.elements, tensors.heads, tensor, tensors.name)
        case _:
            return tensors.elements


def layers_on(placement: Placement, bounds: tuple[int, int]) -> int:
    """How many of these layers a stage holds."""
    first, end = bounds
    return sum(first <= number < end for number in placement.layers)


def held_by(stage: Stage, index: int, stages: int) -> bool:
    """Whether stage ``index`` of the pipeline holds what stands at ``stage``."""
    match stage:
        case Stage.FIRST:
            return index == 0
        case Stage.LAST:
            return index == stages - 1
        case Stage.ENDS:
            return index in (0, stages - 1)
        case Stage.EVERY:
            return True
