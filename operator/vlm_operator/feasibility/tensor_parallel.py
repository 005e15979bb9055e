"""Check: tensor parallelism divides attention heads, key/value heads, experts' widths and the vocabulary."""

from __future__ import annotations

from typing import Final

from vlm_operator.capacity.weights.ranks import elements_of, shape_of
from vlm_operator.errors import InputError
from vlm_operator.feasibility.command import Command, division_of, size_words
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import Component, Linear, ModelFacts

SOURCE: Final = (
    "config/model.py: ModelConfig.verify_with_parallel_config; distributed/utils.py: divide; "
    "model_executor/layers/linear.py: QKVParallelLinear (0.11.2 to 0.33.0)"
)

_TOWERS: Final = frozenset({Component.VISION_TOWER, Component.AUDIO_TOWER, Component.PROJECTOR})


def tensor_parallel(command: Command) -> Infeasible | None:
    """Refuse a size that vLLM's ``divide`` would refuse in the language model."""
    problem = _problem(command.model, command)
    if problem is None:
        return None
    sizes = command.sizes_that_pass(lambda other: _problem(other.model, other) is None)
    return Infeasible(
        InfeasibleReason.TENSOR_PARALLEL_NOT_DIVISIBLE, problem, "tensor_parallel_size", size_words(sizes), SOURCE
    )


@cached_by_identity(1, by=division_of)
def _problem(model: ModelFacts, command: Command) -> str | None:
    """What the ranks of ``command``, which serves ``model``, do not divide; None where they divide all of it."""
    size, heads = command.settings.tensor_parallel_size, model.text.attention_heads
    if size == 1:
        return None
    if heads % size:
        return f"tensor-parallel-size: {size} does not divide the {heads} attention heads of {model.model}"
    ranks = command.ranks
    try:
        for module in command.modules():
            if module.component in _TOWERS:
                continue
            if isinstance(module, Linear):
                shape_of(module, ranks)
            else:
                elements_of(module, ranks)
    except InputError as error:
        return error.message
    return None
