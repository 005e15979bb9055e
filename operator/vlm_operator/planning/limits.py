"""Choose ``--limit-mm-per-prompt`` from the workload.

The limit is a guardrail of the scheduler, not a multiplier of memory: vLLM profiles with as many of the largest items
as its encoder budget holds, whatever the limit says above that. Only 0 frees memory: the modality is not profiled.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.capacity.multimodal import videos_bring_sound
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Workload
from vlm_operator.planning.workload import modalities_of, most_items

GENEROSITY: Final = 2
"""Limits are set to this multiple of what the workload names: they cost no memory, and users outgrow estimates."""

Limits = tuple[tuple[str, ModalityLimit], ...]


@cached_by_identity()
def choose_limits(
    model: ModelFacts, workload: Workload | None, settings: EngineSettings
) -> tuple[Limits | None, tuple[str, ...]]:
    """Limits for a described workload with one sentence each; None where there is nothing to limit."""
    modalities = modalities_of(model)
    if workload is None or not modalities:
        return None, ()
    limits: dict[str, ModalityLimit] = {}
    sentences: list[str] = []
    counts = {
        "image": workload.images.count if workload.images else 0,
        "video": workload.videos.count if workload.videos else 0,
        "audio": _sounds(workload, settings),
    }
    for modality in sorted(modalities):
        count = counts.get(modality, 0)
        most = most_items(model, modality)
        limit = count * GENEROSITY if most is None else min(count * GENEROSITY, most)
        limits[modality] = ModalityLimit(limit)
        if limit == most:
            sentences.append(f"{modality} limit {limit}: the maximum that the model supports in one prompt")
        elif count:
            sentences.append(f"{modality} limit {limit}: twice the count in the workload; this guard needs no memory")
        else:
            sentences.append(f"{modality} limit 0: the workload has none, so vLLM reserves no memory for it at start")
    return tuple(sorted(limits.items())), tuple(sentences)


def _sounds(workload: Workload, settings: EngineSettings) -> int:
    """Sounds of one request: those described, and those of its videos where the flags ask for them."""
    described = workload.audios.count if workload.audios else 0
    videos = workload.videos.count if workload.videos else 0
    return described + (videos if videos and videos_bring_sound(settings) else 0)


def without(settings: EngineSettings, modality: str, modalities: tuple[str, ...]) -> EngineSettings:
    """Settings with ``modality`` switched off and the other limits as they were."""
    limits = dict(settings.limit_mm_per_prompt or ())
    limits[modality] = ModalityLimit(0)
    return settings.with_(
        limit_mm_per_prompt=tuple(sorted((name, limit) for name, limit in limits.items() if name in modalities))
    )
