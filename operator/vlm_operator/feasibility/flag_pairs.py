"""Check: flags that exclude each other, for this model."""

from __future__ import annotations

from typing import Final

from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import AttentionCache, ModelFacts

EXPERTS: Final = "config/model.py: ModelConfig._verify_with_expert_parallelism (0.11.2 to 0.33.0)"
CHUNKS: Final = "config/scheduler.py: SchedulerConfig.verify_max_model_len (0.11.2 to 0.33.0)"


def expert_parallelism(command: Command) -> Infeasible | None:
    """Refuse expert parallelism of a model that has no experts."""
    if not command.settings.enable_expert_parallel or command.model.text.experts is not None:
        return None
    return Infeasible(
        InfeasibleReason.FLAGS_CONTRADICT,
        f"enable-expert-parallel: {command.model.model} has no experts",
        "enable_expert_parallel",
        "leave --enable-expert-parallel out",
        EXPERTS,
        (("enable_expert_parallel", False),),
    )


def prompts_are_read_whole(command: Command) -> bool:
    """Whether a batch must hold the whole context: an encoder-decoder model, or no chunked prefill."""
    return command.settings.enable_chunked_prefill is False or _reads_encoder_outputs(command.model)


def whole_prompts(command: Command) -> Infeasible | None:
    """Refuse a batch that is smaller than the context where prompts are not read in chunks."""
    settings = command.settings
    batch, length = settings.max_num_batched_tokens, settings.max_model_len
    if batch is None or length is None or batch >= length:
        return None
    if settings.enable_chunked_prefill is False:
        why, remedy = "without chunked prefill", "leave --no-enable-chunked-prefill out"
    elif _reads_encoder_outputs(command.model):
        why, remedy = "an encoder-decoder model reads prompts whole", "leave --max-num-batched-tokens out"
    else:
        return None
    return Infeasible(
        InfeasibleReason.FLAGS_CONTRADICT,
        f"max-num-batched-tokens: {batch:,} is less than the context of {length:,} ({why})",
        "max_num_batched_tokens",
        f"raise --max-num-batched-tokens to {length:,} or more, or {remedy}",
        CHUNKS,
        (("max_num_batched_tokens", length),),
    )


@cached_by_identity()
def _reads_encoder_outputs(model: ModelFacts) -> bool:
    caches = (cache for run in model.cache_layers for cache in (run.cache, *run.also))
    return any(isinstance(cache, AttentionCache) and cache.cross_attention for cache in caches)
