"""Check: the model's class can be divided into pipeline stages."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.architectures import has_pipeline_stages
from vlm_operator.engine.pipeline import stage_sizes
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason

DEEPSTACK_SOURCE: Final = (
    "__init__ of the model's class in model_executor/models: start_layer, deepstack_visual_indexes (0.11.0 to 0.33.0)"
)

SOURCE: Final = (
    "config/model.py: ModelConfig.verify_with_parallel_config; SupportsPP of the class in model_executor/models "
    "(0.11.2 to 0.33.0)"
)


def pipeline_stages(command: Command) -> Infeasible | None:
    """Refuse several stages of a class that the release serves in one, and stages that cut off what the first adds."""
    stages = command.settings.pipeline_parallel_size
    if stages == 1:
        return None
    if has_pipeline_stages(command.version, command.model.architecture):
        return _deepstack(command)
    return Infeasible(
        InfeasibleReason.FLAGS_CONTRADICT,
        f"pipeline-parallel-size: {stages}, but vLLM {command.version} cannot divide {command.model.architecture} into "
        "pipeline stages",
        "pipeline_parallel_size",
        "leave --pipeline-parallel-size out and use --tensor-parallel-size",
        SOURCE,
    )


def _deepstack(command: Command) -> Infeasible | None:
    """Refuse a first stage with fewer layers than the levels that DeepStack adds to the first layers."""
    settings, vision, layers = command.settings, command.model.vision, command.model.text.layers
    first = stage_sizes(layers, settings.pipeline_parallel_size, settings.pp_layer_partition)[0]
    if vision is None or first >= vision.deepstack_levels:
        return None
    return Infeasible(
        InfeasibleReason.FLAGS_CONTRADICT,
        f"pipeline-parallel-size: {settings.pipeline_parallel_size} leaves the first stage {first} of {layers} layers, "
        f"and DeepStack adds to the first {vision.deepstack_levels}",
        "pipeline_parallel_size",
        f"use at most {layers // max(vision.deepstack_levels, 1)} stages",
        DEEPSTACK_SOURCE,
    )
