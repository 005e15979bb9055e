"""Pixtral's tower with a matrix that merges patches, then a projector of two matrices.

Source: vLLM 0.32, ``model_executor/models/mistral3.py`` (``Mistral3PatchMerger``, ``Mistral3MultiModalProjector``).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.towers.depth import feature_depth
from vlm_operator.model.towers.native_rows import PIXTRAL, NativeRowsTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.wrapper import Wrapper

PLACE: Final = TowerPlace("vision_tower", ("image",))


def merged_rows_tower(config: Config) -> NativeRowsTower:
    """The tower, up to the deepest feature layer; all of it where that is the last."""
    vision = config.section("vision_config")
    whole = vision.over(PIXTRAL).integer("num_hidden_layers")
    return NativeRowsTower.read(
        vision,
        merge_size=config.integer("spatial_merge_size", 2),
        output_size=text_width(config),
        built=whole if config.values.get("vision_feature_layer", -1) == -1 else feature_depth(config, whole),
    )


def merged_rows_weights(wrapper: Wrapper) -> None:
    """Tower, merger, projector, language model."""
    tower, hidden = merged_rows_tower(wrapper.config), wrapper.text.hidden_size
    tower.build(wrapper.collection, PLACE)
    bias = wrapper.config.boolean("multimodal_projector_bias", False)
    projector = wrapper.projector()
    projector.norm("norm", tower.width)
    merged = tower.width * tower.merge_size**2
    projector.linear("patch_merger.merging_layer", tower.width, merged, quantizable=False)
    projector.column("linear_1", hidden, tower.width, bias=bias)
    projector.row("linear_2", hidden, hidden, bias=bias)
    wrapper.read_language()
