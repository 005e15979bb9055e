"""Which reader understands which architecture? The registry that the family files fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts

Reader = Callable[[Config, Preprocessor], MultimodalFacts]

READERS: Final[dict[str, Reader]] = {}
"""By architecture, vLLM's name (``model_executor/models/registry.py``)."""

READERS_BY_MODEL_TYPE: Final[dict[str, Reader]] = {}
"""By ``model_type``, for configs that name no architecture."""


def reads(*architectures: str, model_types: tuple[str, ...] = ()) -> Callable[[Reader], Reader]:
    """Register a reader for these architectures, and for these model types."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(architectures, reader))
        READERS_BY_MODEL_TYPE.update(dict.fromkeys(model_types, reader))
        return reader

    return register


def text_config(config: Config) -> Config:
    """The language model's part of the config, the whole config where it is not nested."""
    for key in ("text_config", "llm_config", "language_config"):
        if config.has(key):
            return config.section(key)
    return config


def vision_grid(vision: Config, image_size: int, patch_size: int) -> tuple[int, int]:
    """(side of an image, patches a side) of a vision encoder with square input."""
    side = vision.integer("image_size", image_size)
    return side, side // vision.integer("patch_size", patch_size)
