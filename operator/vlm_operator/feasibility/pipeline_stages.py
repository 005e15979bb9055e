"""Check: the model's class can be divided into pipeline stages."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.architectures import has_pipeline_stages
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason

SOURCE: Final = (
    "config/model.py: ModelConfig.verify_with_parallel_config; SupportsPP of the class in model_executor/models "
    "(0.11.2 to 0.33.0)"
)


def pipeline_stages(command: Command) -> Infeasible | None:
    """Refuse several stages of a class that the release serves in one."""
    stages = command.settings.pipeline_parallel_size
    if stages == 1 or has_pipeline_stages(command.version, command.model.architecture):
        return None
    return Infeasible(
        InfeasibleReason.FLAGS_CONTRADICT,
        f"pipeline-parallel-size: {stages}, but vLLM {command.version} cannot divide {command.model.architecture} into "
        "pipeline stages",
        "pipeline_parallel_size",
        "leave --pipeline-parallel-size out and use --tensor-parallel-size",
        SOURCE,
    )
