"""Phi-3-vision and Phi-3.5-vision: CLIP over crops of 336 pixels, four patches side by side in one output.

Source: vLLM 0.32 ``model_executor/models/phi3v.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import HdTransform, MultimodalFacts
from vlm_operator.model.towers.depth import indexed_depth
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import CLIP_LARGE, ClassTokenTower
from vlm_operator.model.weights.families import LANGUAGE_MODELS
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PREFIX: Final = "vision_embed_tokens"
_PLACE: Final = TowerPlace(f"{_PREFIX}.img_processor.vision_model", IMAGE)
_CROPS: Final = {"Phi-3-vision-128k-instruct": 16, "Phi-3.5-vision-instruct": 4}
"""``num_crops`` of the published checkpoints, by the name that their configs carry."""


def _tower(config: Config) -> ClassTokenTower:
    return ClassTokenTower.read(
        Config(CLIP_LARGE),
        CLIP_LARGE,
        merge_size=2,
        output_size=text_width(config),
        built=indexed_depth(config.section("img_processor"), CLIP_LARGE["num_hidden_layers"]),
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Crops of 12 x 12 tokens.

    Raises:
        UnknownFact: the number of crops, which differs by checkpoint and stands in ``preprocessor_config.json`` only.
    """
    crops = files.image.integer("num_crops", 0, least=0) or _CROPS.get(
        (config.text("_name_or_path") or "").rpartition("/")[2], 0
    )
    if not crops:
        raise UnknownFact(
            "num_crops is missing from preprocessor_config.json and differs between Phi-3-vision checkpoints",
            field="preprocessor_config.num_crops",
            hint="put preprocessor_config.json beside config.json",
        )
    return MultimodalFacts("phi3_v", ("image",), HdTransform(336, 12, crops))


def _weights(wrapper: Wrapper) -> None:
    """Embeddings stand beside the language model's own."""
    hidden = wrapper.text.hidden_size
    _tower(wrapper.config).build(wrapper.collection, _PLACE)
    width = wrapper.config.section("img_processor").integer("image_dim_out", 1024)
    projector = wrapper.projector(_PREFIX, sharded=False)
    projector.tensor("glb_GN", 4 * width)
    projector.tensor("sub_GN", 4 * width)
    projector.linear("img_projection.0", hidden, 4 * width, bias=True, quantizable=False)
    projector.linear("img_projection.2", hidden, hidden, bias=True, quantizable=False)
    language = wrapper.language(kind="phi3")
    rows = wrapper.text.vocab_size
    wrapper.collection.vocabulary("embed_tokens", Component.EMBEDDING, rows, hidden, language.first)
    LANGUAGE_MODELS["Phi3ForCausalLM"](language)


FAMILY: Final = Family(
    name="phi3_v",
    variants=(
        Variant(
            architecture="Phi3VForCausalLM",
            model_types=("phi3_v",),
            text=LanguageModel(architecture="Phi3ForCausalLM", model_type=""),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
