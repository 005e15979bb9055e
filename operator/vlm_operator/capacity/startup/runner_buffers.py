"""Torch buffers that the model runner makes before the weights: only "consumed" memory counts them."""

from __future__ import annotations

from vlm_operator.capacity.startup.drafter import drafter_buffer_bytes
from vlm_operator.capacity.startup.sampler import penalty_buffer_bytes
from vlm_operator.engine.budget_rules import BudgetRules
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.model.facts import ModelFacts


def runner_buffer_bytes(
    model: ModelFacts, settings: EngineSettings, rules: BudgetRules, *, samples: bool = True
) -> int:
    """Bytes on a rank; ``samples`` is False where its stage does not sample.

    Input embeddings of a batch (all models in the V1 runner, multimodal ones in V2), one more for each DeepStack level
    (``v1/worker/gpu_model_runner.py``, ``deepstack_input_embeds`` of the models' classes), and the V2 runner's penalty
    counts, which only the stage that samples has (``v1/worker/gpu/model_runner.py: load_model``).
    """
    deepstack = model.vision.deepstack_levels if model.vision is not None else 0
    levels = 1 + deepstack if model.encodes else 0 if rules.counts_penalty_buffers else 1
    size = levels * settings.batch_tokens * model.text.hidden_size * model.dtype.size_bytes
    if rules.counts_penalty_buffers and samples:
        size += penalty_buffer_bytes(settings.sequences, model.text.vocab_size)
    return size + (drafter_buffer_bytes(model, settings) if samples else 0)
