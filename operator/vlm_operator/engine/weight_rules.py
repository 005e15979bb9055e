"""Which parameters does a vLLM release build, and which quantisations does it load? What changed, by version."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

VOCABULARY_PADDING: Final = 64
"""Rows of an embedding are padded to a multiple of this (0.32: ``layers/vocab_parallel_embedding.py``,
``DEFAULT_VOCAB_PADDING_SIZE``)."""

_TOWERS_SKIPPED_SINCE: Final = EngineVersion(0, 15)
"""Since 0.15 every encoder is left out where the limits of its modalities are 0 (``models/interfaces.py``,
``_mark_tower_model``)."""

_TOWERS_SKIPPED_EARLY: Final = frozenset(
    {
        "Llama4ForConditionalGeneration",
        "LlavaForConditionalGeneration",
        "Mistral3ForConditionalGeneration",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
    }
)
"""Architectures that asked ``get_limit_per_prompt`` themselves in 0.11 to 0.14."""

_BITSANDBYTES_UNTIL: Final = EngineVersion(0, 27, 9999)
"""0.28 removed ``quantization/bitsandbytes.py``."""


def skips_disabled_towers(version: EngineVersion, architecture: str) -> bool:
    """Whether an encoder whose modalities all have the limit 0 is left out."""
    return version >= _TOWERS_SKIPPED_SINCE or architecture in _TOWERS_SKIPPED_EARLY


def loads_quantization(version: EngineVersion, method: str) -> bool:
    """Whether the release still loads checkpoints of this quantisation method."""
    return method != "bitsandbytes" or version <= _BITSANDBYTES_UNTIL
