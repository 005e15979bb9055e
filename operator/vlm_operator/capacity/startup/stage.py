"""One stage of a pipeline: what its profiling run does and does not do.

Sources (vLLM 0.11 to 0.33): ``v1/worker/gpu_model_runner.py`` and ``v1/worker/gpu/model_runner.py``: ``profile_run``,
``_dummy_run``, ``load_model``; ``model_executor/models/utils.py: make_empty_intermediate_tensors_factory``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vlm_operator.engine.pipeline import stage_bounds
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.model.facts import ModelFacts

HANDED_ON = 2
"""Rows of a token that a stage receives, and keeps a buffer for: the hidden state and the residual."""


@dataclass(frozen=True, slots=True)
class PipelineStage:
    """A stage by its place.

    Attributes:
        index: from 0.
        stages: how many there are.
        first_layer, end_layer: number of its first decoder layer, and of the one after its last.
    """

    index: int
    stages: int
    first_layer: int
    end_layer: int

    @property
    def layers(self) -> int:
        """Decoder layers it holds."""
        return self.end_layer - self.first_layer

    @property
    def is_first(self) -> bool:
        """The stage that embeds tokens, and with the V2 runner the only one that profiles the encoder."""
        return self.index == 0

    @property
    def is_last(self) -> bool:
        """The stage with the head and the sampler."""
        return self.index == self.stages - 1

    def received_bytes(self, model: ModelFacts, settings: EngineSettings) -> int:
        """Buffers for what the stage before hands on; nothing on the first."""
        if self.is_first:
            return 0
        return HANDED_ON * settings.batch_tokens * model.text.hidden_size * model.dtype.size_bytes


NO_PIPELINE: Final = PipelineStage(0, 1, 0, 0)
"""First and last stage in one; its layers are not told."""


def pipeline_stages(model: ModelFacts, settings: EngineSettings) -> tuple[PipelineStage, ...]:
    """The stages of a pipeline; one stage with all layers where there is no pipeline."""
    return _stages(model.text.layers, settings.pipeline_parallel_size, settings.pp_layer_partition)


@lru_cache(maxsize=1024)
def _stages(layers: int, count: int, partition: tuple[int, ...] | None) -> tuple[PipelineStage, ...]:
    bounds = stage_bounds(layers, count, partition)
    return tuple(PipelineStage(index, count, first, end) for index, (first, end) in enumerate(bounds))
