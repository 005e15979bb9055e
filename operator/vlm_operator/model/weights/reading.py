"""Which modules has this model? The family's reader is found by architecture, and fills a collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component, DType, Stage, TextFacts, WeightModule
from vlm_operator.model.weights.class_defaults import filled
from vlm_operator.model.weights.families import LANGUAGE_MODELS
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.modules import Collection
from vlm_operator.model.weights.multimodal import MULTIMODAL_MODELS
from vlm_operator.model.weights.wrapper import Wrapper

CLASSIFIER = "ForSequenceClassification"


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
    whole = Config(config)
    wrapper = MULTIMODAL_MODELS.get(architecture)
    reader = LANGUAGE_MODELS.get(architecture)
    if wrapper is not None:
        wrapper(Wrapper(whole, text, collection, architecture))
    elif reader is not None:
        reader(Language(filled(whole), text, collection))
    elif architecture.endswith(CLASSIFIER) and architecture.removesuffix(CLASSIFIER) + "ForCausalLM" in LANGUAGE_MODELS:
        _classifier(Language(filled(whole), text, collection), architecture.removesuffix(CLASSIFIER) + "ForCausalLM")
    else:
        raise UnknownFact(
            f"architectures: the weights of {architecture!r} are not known",
            field="architectures",
            hint="give a checkpoint directory, whose safetensors headers hold the exact weights",
        )
    return tuple(collection.modules)


def _classifier(language: Language, architecture: str) -> None:
    """A language model with a score matrix in fp32 in place of its head (0.32: ``models/adapters.py``)."""
    LANGUAGE_MODELS[architecture](language)
    modules = language.collection.modules
    modules[:] = [module for module in modules if module.component is not Component.HEAD]
    names = language.config.section("id2label").values
    labels = len(names) or language.config.integer("num_labels", 2)
    score = language.collection.at("", Component.HEAD, Stage.LAST)
    score.linear("score", labels, language.text.hidden_size, quantizable=False, dtype=DType.FLOAT32)
