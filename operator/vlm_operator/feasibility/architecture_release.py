"""Check: the release's registry holds the model's class."""

from __future__ import annotations

from vlm_operator.engine.architectures import releases_of, serves
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason

SOURCE = "model_executor/models/registry.py: _ModelRegistry._raise_for_unsupported (0.11.2 to 0.33.0)"


def architecture_release(command: Command) -> Infeasible | None:
    """Refuse a class that the release does not have yet, or no longer.

    A class that no release from 0.11 on holds is not refused: it may come from a plugin or the Transformers library.
    """
    architecture, version = command.model.architecture, command.version
    runs = releases_of(architecture)
    if not runs or serves(version, architecture):
        return None
    later = [run for run in runs if run.first > version.minor]
    if later:
        words = f"it came with 0.{later[0].first}.0"
        remedy = f"use vLLM 0.{later[0].first} or newer (engine.image, --vllm-version)"
    else:
        words = f"0.{runs[-1].last} was the last minor release to serve it"
        remedy = f"use vLLM 0.{runs[-1].last} (engine.image, --vllm-version)"
    return Infeasible(
        InfeasibleReason.ARCHITECTURE_NOT_IN_RELEASE,
        f"vLLM {version} does not serve {architecture}: {words}",
        "",
        remedy,
        SOURCE,
    )
