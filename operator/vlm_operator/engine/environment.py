"""Environment variables that a planned command needs."""

from __future__ import annotations

from vlm_operator.engine.known_faults import environment
from vlm_operator.engine.pipeline import LAYER_PARTITION, partition_text
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion


def command_environment(
    settings: EngineSettings, version: EngineVersion, compute_capability: tuple[int, int] | None
) -> dict[str, str]:
    """What mends the release's known faults on that GPU, and the layers of each stage where the plan chose them."""
    variables = environment(version, compute_capability)
    if settings.pp_layer_partition is not None:
        variables[LAYER_PARTITION] = partition_text(settings.pp_layer_partition)
    return variables
