"""Towers that a config chooses by the ``model_type`` of its vision section: CLIP, SigLIP or Pixtral's.

Source: vLLM 0.32, ``model_executor/models/llava.py`` (``init_vision_tower_for_llava``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.towers.depth import feature_depth
from vlm_operator.model.towers.native_rows import PIXTRAL, NativeRowsTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import CLIP, SIGLIP, ClassTokenTower, SquareTower
from vlm_operator.model.towers.tower import Tower

DEFAULTS: Final = {"clip_vision_model": CLIP, "siglip_vision_model": SIGLIP, "pixtral": PIXTRAL}
"""What the classes of towers fill in, by their ``model_type``."""


def named_tower(config: Config, otherwise: str, output_size: int, *, merge_size: int = 1) -> Tower:
    """The tower, up to the deepest feature layer; the norm after its last block is never built.

    Args:
        config: the whole config.
        otherwise: the tower's ``model_type`` where its section does not name one.
        output_size: elements of one output as the language model takes it.
        merge_size: patches a side that become one token.

    Raises:
        UnknownFact: another tower.
    """
    vision = config.section("vision_config")
    kind = vision.text("model_type", otherwise) or otherwise
    if kind not in DEFAULTS:
        field = vision.field("model_type")
        raise UnknownFact(f"{field}: the vision tower of type {kind[:60]!r} is not known", field=field)
    built = feature_depth(config, vision.over(DEFAULTS[kind]).integer("num_hidden_layers"))
    if kind == "pixtral":
        return NativeRowsTower.read(vision, merge_size=merge_size, output_size=output_size, built=built)
    tower = ClassTokenTower if kind == "clip_vision_model" else SquareTower
    return tower.read(
        vision, DEFAULTS[kind], merge_size=merge_size, output_size=output_size, built=built, post_norm=False
    )


def place_of(tower: Tower, place: TowerPlace) -> TowerPlace:
    """Where the tower's parts stand: CLIP and SigLIP have a model of their own inside."""
    return replace(place, prefix=f"{place.prefix}.vision_model") if isinstance(tower, SquareTower) else place
