"""What vLLM's CPU backend fills in for flags left unset.

Sources (vLLM 0.32): ``platforms/cpu.py`` (blocks), ``engine/arg_utils.py`` (batch defaults).
"""

from __future__ import annotations

from typing import Final

BLOCK_SIZE: Final = 128
"""Tokens of a KV-cache block."""

BLOCK_SIZE_LATENT: Final = 16
"""The same for multi-head latent attention."""

MAX_NUM_SEQS: Final = 128
MAX_NUM_BATCHED_TOKENS: Final = 2048
