"""Check: the release's registry holds the model's class."""

from __future__ import annotations

from vlm_operator.engine.architectures import may_run_on_transformers, releases_of, serves
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason

SOURCE = "model_executor/models/registry.py: _ModelRegistry._raise_for_unsupported (0.11.2 to 0.33.0)"


def architecture_release(command: Command) -> Infeasible | None:
    """Refuse a class that the release does not have yet, or no longer.

    A class that no release from 0.11 on holds is not refused: it may come from a plugin or the Transformers library.
    Nor is one that the release may run through its Transformers backend (``require_own_class``).
    """
    architecture, version = command.model.architecture, command.version
    runs = releases_of(architecture)
    if not runs or serves(version, architecture) or may_run_on_transformers(version, architecture):
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


def require_own_class(architecture: str, version: EngineVersion) -> None:
    """Stop where the release may run the model, but through Transformers' class, whose memory is not counted.

    Raises:
        UnknownFact: the release has no class of its own, and Transformers has one.
    """
    if not may_run_on_transformers(version, architecture):
        return
    runs = releases_of(architecture)
    own = ", ".join(f"0.{run.first}" if run.first == run.last else f"0.{run.first} to 0.{run.last}" for run in runs)
    raise UnknownFact(
        f"architecture: vLLM {version} has no class {architecture} of its own; it may run the one of the Transformers "
        "library, whose memory is not known",
        field="architecture",
        hint=f"plan for a release with its own class: vLLM {own} (engine.image, --vllm-version)",
    )
