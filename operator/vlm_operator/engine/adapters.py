"""LoRA adapters that a command serves: how many slots, and of which rank.

Source (vLLM 0.19.1, 0.23.0, 0.24.0, 0.28.0, 0.32.0, 0.33.0): ``config/lora.py: LoRAConfig``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.engine.settings import EngineSettings

RANKS: Final = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values that ``--max-lora-rank`` takes (``MaxLoRARanks``)."""

DEFAULT_SLOTS: Final = 1
DEFAULT_RANK: Final = 16

LARGEST_VOCABULARY: Final = 258_048
"""Most tokens of a vocabulary whose output matrix takes adapters (vLLM 0.19.1 to 0.33.0:
``lora/layers/logits_processor.py``)."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """What ``--enable-lora`` reserves room for.

    Attributes:
        slots: adapters in one batch, each with buffers on the GPU.
        rank: highest rank of an adapter.
        held: adapters kept in host memory.
        fully_sharded: whether both halves of an adapter are divided over the ranks, not only one.
    """

    slots: int
    rank: int
    held: int
    fully_sharded: bool = False


def adapters_of(settings: EngineSettings) -> Adapters | None:
    """The adapters that a command serves; None without ``--enable-lora``.

    >>> adapters_of(EngineSettings(enable_lora=True, max_loras=2))
    Adapters(slots=2, rank=16, held=2, fully_sharded=False)
    """
    if not settings.enable_lora:
        return None
    slots = settings.max_loras or DEFAULT_SLOTS
    return Adapters(
        slots, settings.max_lora_rank or DEFAULT_RANK, settings.max_cpu_loras or slots, settings.fully_sharded_loras
    )
