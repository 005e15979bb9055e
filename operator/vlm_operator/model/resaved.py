"""Configs as Transformers saves them today, in the fields that they were published with.

From 5.20 on the library saves what differs between layers as ``per_layer_config``: layer number -> fields, instead of
``global_head_dim`` and ``num_global_key_value_heads`` (the config class that has these fields, 5.24).
``hack/oracle/resaved`` compares what is read from both forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.model import registry

_FULL: Final = "full_attention"
_GLOBAL_FIELDS: Final = {"head_dim": "global_head_dim", "num_key_value_heads": "num_global_key_value_heads"}
"""Field of a layer -> the field that holds it for all layers with full attention."""


def as_published(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config with layer-by-layer heads as two fields.

    It is of a class that has these fields (``LanguageModel.global_heads``); any other config is left as it is.
    """
    text = config.get("text_config")
    if isinstance(text, Mapping) and "per_layer_config" in text:
        return {**config, "text_config": _with_global_fields(text)}
    return _with_global_fields(config) if "per_layer_config" in config else config


def _with_global_fields(text: Mapping[str, Any]) -> Mapping[str, Any]:
    layers, types = text["per_layer_config"], text.get("layer_types")
    described = registry.text_section(str(text.get("model_type", "")))
    if described is None or not described.global_heads or not isinstance(layers, Mapping):
        return text
    if not isinstance(types, list | tuple) or not all(isinstance(fields, Mapping) for fields in layers.values()):
        return text
    full = {number for number, kind in enumerate(types) if kind == _FULL}
    named = {int(number) for number in layers if str(number).isdecimal()}
    first: Mapping[str, Any] = next(iter(layers.values()), {})
    alike = all(fields == first for fields in layers.values()) and first.keys() <= _GLOBAL_FIELDS.keys()
    if not alike or (layers and named != full) or len(named) != len(layers):
        return text
    rest = {field: value for field, value in text.items() if field != "per_layer_config"}
    for field, everywhere in _GLOBAL_FIELDS.items():
        value = first.get(field, text.get(field))
        if value is not None:
            rest[everywhere] = value
    return rest
