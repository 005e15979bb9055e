"""Registry of family records by architecture: every file of ``model.families`` is found and read when needed.

Nothing lists the families: a file in that folder with a ``FAMILY`` is one. They are imported together at the first
question, so that a model from the built-in catalogue, whose facts are written down, costs none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from itertools import chain
from pkgutil import iter_modules
from typing import Any, NamedTuple

from vlm_operator.engine.video_sampling import GENERIC_BACKENDS, FrameLoader
from vlm_operator.model import families as _folder
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant


class Known(NamedTuple):
    """An architecture and the family it belongs to."""

    family: Family
    variant: Variant


@cache
def families() -> tuple[Family, ...]:
    """All records, by the names of their files."""
    names = sorted(module.name for module in iter_modules(_folder.__path__))
    return tuple(import_module(f"{_folder.__name__}.{name}").FAMILY for name in names)


def _variants() -> Iterator[Known]:
    for family in families():
        for variant in family.variants:
            yield Known(family, variant)


@cache
def _by_architecture() -> Mapping[str, Known]:
    return {known.variant.architecture: known for known in _variants()}


@cache
def _by_model_type() -> Mapping[str, Known]:
    """The first variant that has a ``model_type``."""
    found: dict[str, Known] = {}
    for known in _variants():
        for model_type in known.variant.model_types:
            found.setdefault(model_type, known)
    return found


@cache
def _language_models() -> Mapping[str, LanguageModel]:
    """Language models that bring a reader or rule of their own, by class."""
    found: dict[str, LanguageModel] = {}
    for known in _variants():
        text = known.variant.text
        if text is not None and (text.weights or text.caches):
            found.setdefault(text.architecture, text)
    return found


@cache
def _sections() -> Mapping[str, LanguageModel]:
    """Language models by the ``model_type`` of their section."""
    texts = (known.variant.text for known in _variants())
    return {text.model_type: text for text in texts if text is not None and text.model_type}


def by_architecture(architecture: object) -> Known | None:
    """The family of an architecture, None where no record has it; of a language model no record is read."""
    if is_text(architecture):
        return None
    return _by_architecture().get(architecture) if isinstance(architecture, str) else None


def is_text(architecture: object) -> bool:
    """Whether vLLM serves the architecture as a language model on its own, whatever sections its config has."""
    from vlm_operator.model.cache_layers import TEXT_ARCHITECTURES

    return architecture in TEXT_ARCHITECTURES


def by_model_type(model_type: str) -> Known | None:
    """The family of a whole config's ``model_type``, None where no record has it."""
    return _by_model_type().get(model_type)


def family_of(config: Config) -> Known | None:
    """The family of a config: by its first architecture that a record has, its ``model_type``, or a section."""
    for architecture in config.items("architectures") or []:
        if is_text(architecture):
            return None
        known = by_architecture(architecture)
        if known is not None:
            return known
    known = by_model_type(config.text("model_type") or "")
    if known is not None:
        return known
    found = next((family for family in families() if family.section and config.has(family.section)), None)
    return Known(found, found.variants[0]) if found else None


def language_model(architecture: str) -> LanguageModel | None:
    """The language model of this class that a family's record describes: its reader, its rule."""
    return _language_models().get(architecture)


def text_section(model_type: str) -> LanguageModel | None:
    """The language model whose section has this ``model_type``."""
    return _sections().get(model_type)


def nested_type(model_type: str) -> str | None:
    """``model_type`` of the language model that a whole config with this one nests, where a record says it."""
    known = by_model_type(model_type)
    if known is None:
        return None
    return known.variant.text.model_type if known.variant.text else known.variant.nested or None


def text_defaults(model_type: str) -> Mapping[str, Any]:
    """Dimensions that the class of a language model's section fills in, where a record says them."""
    found = text_section(model_type)
    return found.defaults if found else {}


@cache
def video_backends() -> Mapping[str, FrameLoader]:
    """All video loaders whose sampling is known, by the names that vLLM registers them under."""
    own = (family.video_backends.items() for family in families())
    return {**GENERIC_BACKENDS, **dict(chain.from_iterable(own))}
