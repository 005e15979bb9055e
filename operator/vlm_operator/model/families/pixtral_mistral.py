"""Pixtral and Mistral Small in Mistral's own format (``params.json``), with a section ``vision_encoder``.

Source: vLLM 0.32 and 0.33 ``model_executor/models/pixtral.py`` (``PixtralForConditionalGeneration``).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, Rounding, RowBreaks
from vlm_operator.model.towers.native_rows import MISTRAL, NativeRowsTower, UntabledRowsTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_SECTION: Final = "vision_encoder"
_PLACE: Final = TowerPlace("vision_encoder", IMAGE, quantizable=False)
_MERGED: Final = "patch_merge"
"""``mm_projector_id`` of models whose patches a matrix merges."""


def _tower(config: Config) -> NativeRowsTower | None:
    if not config.has(_SECTION):
        return None
    vision = config.section(_SECTION)
    return UntabledRowsTower.read(
        vision,
        defaults=MISTRAL,
        merge_size=vision.integer("spatial_merge_size", 1),
        output_size=text_width(config),
    )


def _weights(wrapper: Wrapper) -> None:
    """The tower, a norm and a merger where the section says so, two matrices; all but the tower whole on every rank."""
    vision, hidden = wrapper.config.section(_SECTION), wrapper.text.hidden_size
    tower = _tower(wrapper.config)
    if tower is not None:
        tower.build(wrapper.collection, _PLACE)
        bias = vision.boolean("adapter_bias", True)
        projector = wrapper.projector("", sharded=False)
        if vision.boolean("add_pre_mm_projector_layer_norm", False):
            projector.norm("pre_mm_projector_norm", tower.width)
        if vision.text("mm_projector_id") == _MERGED:
            merged = tower.width * tower.merge_size**2
            projector.linear("patch_merger.merging_layer", tower.width, merged, quantizable=False)
        adapter = "vision_language_adapter"
        projector.linear(f"{adapter}.w_in", hidden, tower.width, bias=bias, quantizable=False)
        projector.linear(f"{adapter}.w_out", hidden, hidden, bias=bias, quantizable=False)
    wrapper.read_own_language()


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    vision = config.section(_SECTION)
    cell = vision.integer("patch_size") * vision.integer("spatial_merge_size", 1)
    edge = vision.integer("max_image_size", vision.integer("image_size", 1024))
    return MultimodalFacts("pixtral_mistral", IMAGE, RowBreaks(cell, edge, Rounding.NEAREST))


FAMILY: Final = Family(
    name="pixtral_mistral",
    variants=(
        Variant(architecture="PixtralForConditionalGeneration", text=LanguageModel(architecture="MistralForCausalLM")),
    ),
    section=_SECTION,
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
