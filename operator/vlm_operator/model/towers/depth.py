"""Blocks of a tower that vLLM builds: those up to the deepest layer whose features the language model sees.

Source: vLLM 0.32, ``model_executor/models/llava.py`` (``_get_num_hidden_layers``, ``init_vision_tower_for_llava``).
"""

from __future__ import annotations

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config


def feature_depth(config: Config, whole: int) -> int:
    """Blocks that reach the deepest of ``vision_feature_layer``.

    Args:
        config: the whole config.
        whole: blocks of the tower.

    Raises:
        UnknownFact: the field holds no layer.
        InputError: the tower has no such layer.
    """
    value = config.values.get("vision_feature_layer", -2)
    layers = value if isinstance(value, list | tuple) else [value]
    deepest = 0
    for layer in layers:
        if isinstance(layer, bool) or not isinstance(layer, int):
            field = config.field("vision_feature_layer")
            raise UnknownFact(f"{field}: {str(value)[:60]!r} is not a layer or a list of layers", field=field)
        deepest = max(deepest, whole + layer + 1 if layer < 0 else layer)
    return within(config, "vision_feature_layer", deepest, whole)


def within(config: Config, key: str, built: int, whole: int) -> int:
    """Blocks that are built, of as many as the tower has.

    Raises:
        InputError: more than that, or less than none.
    """
    if not 0 <= built <= whole:
        field = config.field(key)
        raise InputError(
            f"{field}: {str(config.values.get(key))[:40]} is no layer of a tower of {whole} blocks",
            field=field,
            hint="name a layer that the vision tower has",
        )
    return built


def indexed_depth(processor: Config, whole: int) -> int:
    """Blocks up to the feature layer ``layer_idx``, which counts from 0 or from the end.

    Args:
        processor: ``img_processor``.
        whole: blocks of the tower.
    """
    index = processor.integer("layer_idx", -2, least=-whole)
    return whole + index + 1 if index < 0 else index + 1
