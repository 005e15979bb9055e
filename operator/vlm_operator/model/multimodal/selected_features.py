"""Features that a model selects of CLIP's or SigLIP's outputs, and the resolutions its tiles are cut to.

Source: vLLM 0.32, ``model_executor/models/llava.py`` and ``llava_next.py``.
"""

from __future__ import annotations

from typing import Any

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import vision_grid


def selected_tokens(config: Config, strategy: str) -> tuple[int, int, int]:
    """(side of a view, patches a side, tokens that the model keeps of a view) of a CLIP or SigLIP encoder.

    Raises:
        UnknownFact: another vision encoder.
    """
    vision = config.section("vision_config")
    kind = vision.text("model_type", "clip_vision_model")
    strategy = config.text("vision_feature_select_strategy", strategy) or strategy
    if kind == "clip_vision_model":
        side, patches = vision_grid(vision, 336, 14)
        tokens = patches**2 + 1
    elif kind == "siglip_vision_model":
        side, patches = vision_grid(vision, 384, 14)
        tokens = patches**2
    else:
        raise UnknownFact(
            f"vision_config.model_type: the token count of {kind!r} in {config.text('model_type')} is not known",
            field="vision_config.model_type",
        )
    kept = {"class": 1, "default": tokens - 1, "full": tokens}.get(strategy)
    if kept is None:
        raise InputError(
            f"vision_feature_select_strategy: {strategy[:40]!r} is none of class, default, full",
            field="vision_feature_select_strategy",
        )
    return side, patches, kept


def pinpoints(config: Config, default: tuple[tuple[int, int], ...], side: int) -> tuple[tuple[int, int], ...]:
    """(height, width) of the listed resolutions.

    Raises:
        InputError: not a list of pairs, or a resolution smaller than a view of ``side`` pixels.
    """
    listed = _listed(config.items("image_grid_pinpoints"), default)
    smallest = min(map(min, listed), default=side)
    if smallest < side:
        raise InputError(
            f"image_grid_pinpoints: a side of {smallest} pixels is smaller than a view of {side}",
            field="image_grid_pinpoints",
            hint="give the model's complete config.json",
        )
    return listed


def _listed(listed: list[Any] | None, default: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    if listed is None:
        return default
    pinpoints = []
    for pair in listed:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InputError(
                f"image_grid_pinpoints: {str(pair)[:40]!r} is not a pair (height, width)", field="image_grid_pinpoints"
            )
        point = Config({"height": pair[0], "width": pair[1]}, "image_grid_pinpoints")
        pinpoints.append((point.integer("height"), point.integer("width")))
    if not 1 <= len(pinpoints) <= 1024:
        raise InputError(
            f"image_grid_pinpoints: {len(pinpoints)} resolutions are not between 1 and 1024",
            field="image_grid_pinpoints",
        )
    return tuple(pinpoints)
