"""Check: tensor parallelism divides the heads and widths of vision and audio encoders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from vlm_operator.capacity.weights.ranks import elements_of, shape_of
from vlm_operator.engine.architectures import encoder_runs_data_parallel
from vlm_operator.errors import InputError
from vlm_operator.feasibility.command import Command, division_of, size_words
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import Component, Linear, ModelFacts, Sharding

SOURCE: Final = (
    "distributed/utils.py: divide, called for the attention of the encoder in model_executor/models "
    "(siglip.py, qwen2_5_vl.py …); --mm-encoder-tp-mode data: supports_encoder_tp_data (0.11.2 to 0.33.0)"
)

_QUERIES: Final = ("qkv", "q_proj", "wq", "query", "linear_q")
"""Parts of the names of projections whose outputs are heads."""

_ENCODERS: Final = frozenset({Component.VISION_TOWER, Component.AUDIO_TOWER, Component.PROJECTOR})


def encoder_heads(command: Command) -> Infeasible | None:
    """Refuse a size that does not divide an encoder; the remedy is the mode that keeps it whole, where there is one."""
    problem = _problem(command.model, command)
    if problem is None:
        return None
    sizes = command.sizes_that_pass(lambda other: _problem(other.model, other) is None)
    change: tuple[tuple[str, Any], ...] = ()
    remedy = size_words(sizes)
    whole = replace(command, settings=command.settings.with_(mm_encoder_tp_mode="data"))
    if encoder_runs_data_parallel(command.version, command.model.architecture) and _problem(whole.model, whole) is None:
        change = (("mm_encoder_tp_mode", "data"),)
        remedy = f"set --mm-encoder-tp-mode data, which keeps the encoder whole on every GPU, or {remedy}"
    return Infeasible(
        InfeasibleReason.VISION_HEADS_NOT_DIVISIBLE, problem, "tensor_parallel_size", remedy, SOURCE, change
    )


@cached_by_identity(1, by=division_of)
def _problem(model: ModelFacts, command: Command) -> str | None:
    """What the ranks of ``command``, which serves ``model``, do not divide; None where they divide all of it."""
    size, ranks = command.settings.tensor_parallel_size, command.ranks
    if size == 1:
        return None
    supported = encoder_runs_data_parallel(command.version, model.architecture)
    whole = ranks.whole_encoder and supported
    vision = model.vision
    for module in command.modules():
        if module.component not in _ENCODERS or (whole and module.placement.data_parallel):
            continue
        if isinstance(module, Linear):
            heads = _heads_divided(module, vision.attention_heads if vision else 0)
            if heads % size:
                return (
                    f"tensor-parallel-size: {size} does not divide the {heads} attention heads of the encoder of "
                    f"{model.model}"
                )
        try:
            if isinstance(module, Linear):
                shape_of(module, ranks)
            else:
                elements_of(module, ranks)
        except InputError as error:
            return error.message
    return None


def _heads_divided(linear: Linear, vision_heads: int) -> int:
    """Heads that the ranks must divide; 0 where the matrix holds none or an attention that may stay whole."""
    if linear.sharding is Sharding.KV_HEADS:
        return linear.heads
    if linear.component is not Component.VISION_TOWER or linear.sharding is not Sharding.OUTPUT or linear.heads:
        return 0
    return vision_heads if any(part in linear.name for part in _QUERIES) else 0
