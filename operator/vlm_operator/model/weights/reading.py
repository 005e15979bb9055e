"""The modules of a model: the reader of its architecture is found, and fills a collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model import registry
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component, DType, Stage, TextFacts, WeightModule
from vlm_operator.model.weights.class_defaults import filled
from vlm_operator.model.weights.families import language_reader
from vlm_operator.model.weights.language import Language, LanguageReader
from vlm_operator.model.weights.modules import Collection

if TYPE_CHECKING:
    from vlm_operator.model.weights.wrapper import Wrapper

CLASSIFIER = "ForSequenceClassification"

_NESTED: Final = frozenset({"MiniMaxM3SparseForCausalLM"})
"""Text classes whose config may be the whole model's, with their own fields in its ``text_config``."""


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
    reader = language_reader(architecture)
    wrapper = multimodal_reader(architecture) if reader is None else None
    if reader is not None:
        section = whole.section("text_config") if architecture in _NESTED and whole.has("text_config") else whole
        reader(Language(filled(section), text, collection))
    elif wrapper is not None:
        from vlm_operator.model.weights.wrapper import Wrapper

        wrapper(Wrapper(whole, text, collection, architecture))
    elif architecture.endswith(CLASSIFIER) and (
        reader := language_reader(architecture.removesuffix(CLASSIFIER) + "ForCausalLM")
    ):
        _classifier(Language(filled(whole), text, collection), reader)
    else:
        raise UnknownFact(
            f"architectures: the weights of {architecture!r} are not known",
            field="architectures",
            hint="give a checkpoint directory, whose safetensors headers hold the exact weights",
        )
    return tuple(collection.modules)


def multimodal_reader(architecture: str) -> Callable[[Wrapper], None] | None:
    """The reader of a vision-language architecture, or None where no record has it or its weights were not read."""
    known = registry.by_architecture(architecture)
    if known is not None:
        return _by_record(known) if known.variant.weights_known else None
    return None


def _by_record(known: registry.Known) -> Callable[[Wrapper], None]:
    """The family's own reader; where it has none: the tower, then the language model."""
    family = known.family
    if family.weights is not None:
        return family.weights

    def read(wrapper: Wrapper) -> None:
        tower = family.tower(wrapper.config) if family.tower else None
        if tower is None:
            raise UnknownFact("vision_config: the vision tower is not known", field="vision_config")
        tower.build(wrapper.collection, family.place)
        wrapper.read_own_language()

    return read


def _classifier(language: Language, reader: LanguageReader) -> None:
    """A language model with a score matrix in fp32 in place of its head (0.32: ``models/adapters.py``)."""
    reader(language)
    modules = language.collection.modules
    modules[:] = [module for module in modules if module.component is not Component.HEAD]
    names = language.config.section("id2label").values
    labels = len(names) or language.config.integer("num_labels", 2)
    score = language.collection.at("", Component.HEAD, Stage.LAST)
    score.linear("score", labels, language.text.hidden_size, quantizable=False, dtype=DType.FLOAT32)
