"""The encoder budget at start-up: its tokens, the profiled modality, and which items exceed it.

Sources: vLLM ``multimodal/encoder_budget.py: MultiModalBudget`` (0.12 to 0.15 ``v1/worker/utils.py``) and
``v1/core/encoder_cache_manager.py: compute_mm_encoder_budget``; ``v1/engine/input_processor.py`` refuses at request
time an item with more encoder tokens than the budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vlm_operator.capacity.multimodal.items import ItemTokens
from vlm_operator.engine.item_rules import V2_RUNNER_PROFILES_SINCE, VIDEO_WINS_TIES_SINCE
from vlm_operator.engine.settings import UNLIMITED, EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.model.processors import MultimodalFacts


@dataclass(frozen=True, slots=True)
class EncoderBudget:
    """What start-up profiles of the vision encoder.

    Attributes:
        modality: the modality whose largest items are run, None where nothing is (all limits 0).
        tokens_per_item: encoder tokens of one such item.
        items: how many are run in one encoder call.
        budget_tokens: encoder tokens a step may compute, and that the encoder cache holds.
        profiled: False where the release's runner skips the encoder run: its peak is then not in the KV-cache size.
    """

    modality: str | None
    tokens_per_item: int
    items: int
    budget_tokens: int
    profiled: bool


def budget_of(
    facts: MultimodalFacts, largest: Mapping[str, int], settings: EngineSettings, version: EngineVersion
) -> EncoderBudget:
    """The budget, from the largest item of each enabled modality (``largest``, in the model's order).

    Raises:
        InputError: ``max_num_batched_tokens``, ``max_num_seqs`` or ``max_model_len`` is not resolved.
    """
    if not largest:
        return EncoderBudget(None, 0, 0, 0, False)
    batched = _resolved(settings.max_num_batched_tokens, "max-num-batched-tokens")
    sequences = _resolved(settings.max_num_seqs, "max-num-seqs")
    length = _resolved(settings.max_model_len, "max-model-len")
    budget = max(batched, *largest.values())
    if version >= VIDEO_WINS_TIES_SINCE:
        modality = max(largest, key=lambda name: (largest[name], name))
    else:
        modality = max(largest, key=lambda name: largest[name])
    tokens = largest[modality]
    per_prompt = max(1, min(_most_items(facts, settings, modality), length // tokens)) if tokens else 0
    if settings.enable_chunked_prefill is False and tokens:
        sequences = min(sequences, batched // tokens)
    items = max(1, min(budget // tokens, sequences * per_prompt)) if tokens else 0
    profiled = settings.runner != "V2" or version >= V2_RUNNER_PROFILES_SINCE
    return EncoderBudget(modality, tokens, items, budget, profiled)


def rejected(item: ItemTokens, budget: EncoderBudget) -> bool:
    """True where the server starts but refuses this item: it has more encoder tokens than the budget.

    The largest item that start-up assumes is no upper bound for every family: the video of Qwen2-VL is profiled with 14
    frames, for instance, and may be sent with 768.
    """
    return item.encoder_tokens > budget.budget_tokens


def _most_items(facts: MultimodalFacts, settings: EngineSettings, modality: str) -> int:
    limit = settings.limit(modality)
    count = UNLIMITED if limit is None else limit.count
    return min(count, dict(facts.item_limits).get(modality, count))


def _resolved(value: int | None, flag: str) -> int:
    if value is None:
        raise InputError(f"{flag}: the encoder budget depends on it", field=flag, hint=f"give --{flag}")
    return value
