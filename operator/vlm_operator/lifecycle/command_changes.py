"""What a new command changes of an earlier one, and at which price, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.plan import Move


def command_changes(before: EngineSettings, after: EngineSettings, ladder: Iterable[Move]) -> str:
    """Each flag that differs with its two values, and the price where a move of the ladder names one."""
    prices = {flag: move.cost for move in ladder for flag, _, _ in move.change}
    words = [
        f"--{name.replace('_', '-')} {_shown(getattr(before, name))} -> {_shown(getattr(after, name))}"
        + (f" ({prices[name]})" if name in prices else "")
        for name in (
            "max_model_len",
            "gpu_memory_utilization",
            "tensor_parallel_size",
            "kv_cache_dtype",
            "max_num_seqs",
            "max_num_batched_tokens",
            "limit_mm_per_prompt",
            "mm_processor_kwargs",
            "enforce_eager",
        )
        if getattr(before, name) != getattr(after, name)
    ]
    return ", ".join(words) or "the same flags on another GPU"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(f"{name}: {limit.count}" for name, limit in value) + "}"
    return "default" if value is None else str(value)
