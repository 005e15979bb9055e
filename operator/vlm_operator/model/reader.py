"""Read ``ModelFacts`` from a ``config.json``: the only way from config to facts.

What the KV cache needs must be known; weights and multimodal rules that are not known are noted as such and do not
keep the rest from being answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_operator.engine.hf_overrides import as_text
from vlm_operator.engine.runner import pools
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model import registry
from vlm_operator.model.cache_layers import cache_layers, rule_of
from vlm_operator.model.cache_layers_attention import bidirectional
from vlm_operator.model.config import Config
from vlm_operator.model.context_length import derived_context
from vlm_operator.model.declarations import declared_cache_dtype
from vlm_operator.model.facts import FamilyTraits, ModelFacts, Quantization, VisionTower, WeightModule
from vlm_operator.model.mistral_format import from_mistral_format, is_mistral_format
from vlm_operator.model.resaved import as_published
from vlm_operator.model.text import element_type, read_text
from vlm_operator.model.text_config import TextConfig, architecture_of

DEEPEST_NESTING = 32
"""Levels of objects and lists in a config; deeper ones are refused."""

MOST_LAYERS = 2**16
"""Layers that a field of the config may count; larger figures are refused before anything lists them."""


def read_model_facts(
    config: Mapping[str, Any], *, model: str, source: str, hf_overrides: Mapping[str, Any] | None = None
) -> ModelFacts:
    """The facts of one model.

    Args:
        config: the parsed ``config.json``.
        model: the Hugging Face id, or the path as the user gave it.
        source: where the config was read, for explanations.
        hf_overrides: ``--hf-overrides``: fields that replace the config's, nested objects merged.

    Raises:
        InputError: the config is not an object, or a field is out of range.
        UnknownFact: the architecture, or a field that the KV cache depends on, is not known.
    """
    if not isinstance(config, Mapping):
        raise InputError(f"config.json: {type(config).__name__} instead of an object", field="config.json")
    _require_plausible(config)
    if hf_overrides:
        _require_plausible(hf_overrides)
        config = merged(config, hf_overrides)
    if is_mistral_format(config):
        config = from_mistral_format(config)
    config = as_published(config)
    architecture = architecture_of(config)
    whole = Config(config)
    text = TextConfig(whole, architecture)
    layers = cache_layers(text)
    facts = read_text(text)
    context = derived_context(text)
    weights, quantization, weights_unknown = _weights(config, architecture, facts)
    vision, multimodal, multimodal_unknown = _multimodal(config)
    item_tokens, traits = _traits(whole, text)
    known = registry.family_of(whole)
    return ModelFacts(
        model=model,
        architecture=architecture,
        model_type=whole.text("model_type") or "",
        dtype=element_type(whole, text, cached=rule_of(text) is not bidirectional),
        derived_max_model_len=context.tokens,
        text=facts,
        cache_layers=layers,
        weights=weights,
        weights_unknown=weights_unknown,
        quantization=quantization,
        vision=vision,
        multimodal=multimodal,
        multimodal_unknown=multimodal_unknown,
        source=source,
        scaled_max_model_len=context.tokens_before if context.tokens_before != context.tokens else None,
        prefix_lm_item_tokens=item_tokens,
        kv_cache_dtype=declared_cache_dtype(whole),
        pooling=pools(architecture),
        traits=traits,
        audio=known.family.hears(whole) if known and known.family.hears else None,
        hf_overrides=as_text(hf_overrides),
    )


def merged(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` with the overrides' fields; objects are merged, everything else is replaced."""
    result = dict(config)
    for key, value in overrides.items():
        own = result.get(key)
        result[key] = merged(own, value) if isinstance(own, Mapping) and isinstance(value, Mapping) else value
    return result


def _require_plausible(config: Mapping[str, Any]) -> None:
    level: list[Any] = [config]
    for _ in range(DEEPEST_NESTING):
        for outer in level:
            if isinstance(outer, Mapping):
                _require_countable(outer)
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(inner, Mapping | list | tuple)
        ]
        if not level:
            return
    raise InputError(f"config.json: nested deeper than {DEEPEST_NESTING} levels", field="config.json")


def _require_countable(section: Mapping[str, Any]) -> None:
    for key, value in section.items():
        if not isinstance(key, str):
            raise InputError(f"config.json: {str(key)[:40]!r} is no name of a field", field="config.json")
        counts = ("layer" in key and "per_layer" not in key) or "depth" in key
        if counts and isinstance(value, int | float) and abs(value) > MOST_LAYERS:
            raise InputError(f"{key}: {value:.3g} is more than any model's {MOST_LAYERS} layers", field=key)


def _traits(whole: Config, text: TextConfig) -> tuple[int, FamilyTraits]:
    """Tokens of the largest item that one batch must hold, and what the rules of a release ask of the family."""
    known = registry.by_architecture(text.architecture)
    if known is None:
        return 0, FamilyTraits()
    read = known.family.prefix_item_tokens
    tokens = read(whole, text) if read else None
    return tokens or 0, known.family.traits(prefix_attention=tokens is not None)


def _weights(
    config: Mapping[str, Any], architecture: str, text: Any
) -> tuple[tuple[WeightModule, ...] | None, Quantization | None, str | None]:
    from vlm_operator.model.weights import read_quantization, read_weight_modules

    try:
        quantization = read_quantization(config)
        return read_weight_modules(config, architecture, text), quantization, None
    except (InputError, UnknownFact) as unknown:
        return None, None, unknown.message
    except (ArithmeticError, MemoryError, TypeError) as error:
        return None, None, f"config.json: a field is out of range or of the wrong type: {error}"


def _multimodal(config: Mapping[str, Any]) -> tuple[VisionTower | None, object | None, str | None]:
    """The tower, the token rules, and why these are not known: preprocessor files may tell them, never the tower."""
    from vlm_operator.model.multimodal import read_multimodal, read_vision_tower

    vision = None
    try:
        vision = read_vision_tower(config)
        return vision, read_multimodal(config), None
    except (InputError, UnknownFact) as unknown:
        return vision, None, unknown.message
    except (ArithmeticError, MemoryError, TypeError) as error:
        return vision, None, f"config.json: a field is out of range or of the wrong type: {error}"
