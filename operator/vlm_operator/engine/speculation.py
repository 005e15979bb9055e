"""Speculative decoding as ``--speculative-config`` asks for it: which drafter, and how many tokens ahead.

Sources (vLLM 0.19.1 to 0.33.0): ``config/speculative.py: SpeculativeConfig``, its ``hf_config_override`` for the
modules that predict several tokens (MTP).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.engine.settings import EngineSettings

_COUNTED_KEYS: Final = frozenset(
    {
        *("method", "num_speculative_tokens", "prompt_lookup_max", "prompt_lookup_min"),
        *("attention_backend", "moe_backend"),
    }
)
"""Keys of the config that change nothing of what is counted, beside method and tokens."""


@dataclass(frozen=True, slots=True)
class Speculation:
    """What drafts, and how far.

    Attributes:
        method: ``ngram``, ``mtp``, ``eagle3`` …; empty where the config names none.
        tokens: tokens drafted ahead; 0 where the config leaves it to the drafter.
        plain: no key of the config changes memory beside these two.
    """

    method: str
    tokens: int
    plain: bool = True


def speculation_of(settings: EngineSettings) -> Speculation | None:
    """What a command drafts with; None without ``--speculative-config``.

    >>> speculation_of(EngineSettings(speculative_config='{"method":"qwen3_5_mtp","num_speculative_tokens":2}'))
    Speculation(method='mtp', tokens=2, plain=True)
    """
    if settings.speculative_config is None:
        return None
    given: dict[str, Any] = json.loads(settings.speculative_config)
    method, tokens = str(given.get("method") or ""), given.get("num_speculative_tokens")
    if method.endswith("_mtp"):  # the name of a family: an alias (``MTPModelTypes``)
        method = "mtp"
    if not isinstance(tokens, int) or tokens < 1:
        tokens = 1 if method == "mtp" else 0
    return Speculation(method, tokens, plain=given.keys() <= _COUNTED_KEYS)


def drafted_tokens(settings: EngineSettings) -> int:
    """Tokens drafted ahead of each sequence; 0 without speculative decoding."""
    found = speculation_of(settings)
    return found.tokens if found is not None else 0
