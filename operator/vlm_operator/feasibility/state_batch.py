"""Check: a batch holds a whole block where recurrent states are cached at the ends of blocks."""

from __future__ import annotations

from typing import Final

from vlm_operator.capacity.kv import kv_layout
from vlm_operator.capacity.kv.state import state_mode
from vlm_operator.engine.kv_cache_rules import StateMode, kv_cache_rules
from vlm_operator.engine.refused_batches import reads_state_blocks_whole
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.model.facts import StateCache

SOURCE: Final = "config/vllm.py: VllmConfig.validate_block_size, mamba_cache_mode align (0.17.1 to 0.26.0)"


def states_are_cached_by_block(command: Command) -> bool:
    """Whether prefix caching keeps states at the ends of blocks, which the release's batches must hold whole."""
    if not command.settings.enable_prefix_caching or not reads_state_blocks_whole(command.version):
        return False
    caches = (cache for run in command.model.cache_layers for cache in (run.cache, *run.also))
    recurrent = tuple(cache for cache in caches if isinstance(cache, StateCache))
    return bool(recurrent) and state_mode(recurrent, True, kv_cache_rules(command.version)) is StateMode.ALIGN


def state_batch(command: Command) -> Infeasible | None:
    """Refuse a batch below the block that a recurrent state shares with attention."""
    batch = command.settings.max_num_batched_tokens
    if batch is None or not states_are_cached_by_block(command):
        return None
    try:
        block = kv_layout(command.model, command.settings, command.version, command.capability).block_size
    except (InputError, UnknownFact):
        return None
    if block <= batch:
        return None
    return Infeasible(
        InfeasibleReason.FLAGS_CONTRADICT,
        f"max-num-batched-tokens: {batch:,} is less than the block of {block:,} tokens at whose end prefix caching "
        f"keeps the recurrent state of {command.model.model}",
        "max_num_batched_tokens",
        f"raise --max-num-batched-tokens to {block:,} or more, or set --no-enable-prefix-caching",
        SOURCE,
        (("max_num_batched_tokens", block),),
    )
