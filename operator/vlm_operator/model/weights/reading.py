"""The two questions ``model.reader`` asks: which modules has this model, and how are they quantised?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Quantization, TextFacts, WeightModule
from vlm_operator.model.weights.families import LANGUAGE_MODELS
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.modules import Collection


def read_weight_modules(config: Mapping[str, Any], architecture: str, text: TextFacts) -> tuple[WeightModule, ...]:
    """The parameters and buffers that vLLM builds for this model, before sharding.

    Args:
        config: the parsed ``config.json``.
        architecture: the class name that vLLM builds.
        text: dimensions of the language model, defaults filled.

    Raises:
        UnknownFact: the architecture, or a field that decides about shapes, is not known.
        InputError: a field is not what it should be.
    """
    collection = Collection()
    reader = LANGUAGE_MODELS.get(architecture)
    if reader is None:
        raise UnknownFact(
            f"architectures: the weights of {architecture!r} are not known",
            field="architectures",
            hint="give a checkpoint directory, whose safetensors headers hold the exact weights",
        )
    reader(Language(Config(config), text, collection))
    return tuple(collection.modules)


def read_quantization(config: Mapping[str, Any]) -> Quantization | None:
    """How the checkpoint is quantised, or None."""
    return None
