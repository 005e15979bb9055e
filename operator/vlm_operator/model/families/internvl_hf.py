"""InternVL and Intern-S1 in transformers' format: every block is built, whatever ``vision_feature_layer`` says.

Sources: vLLM 0.32 ``model_executor/models/interns1.py`` and ``interns1_vit.py``; ``OpenGVLab/InternVL3-8B-hf`` (448
pixels, 12 tiles at most).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import shuffled_tokens, text_width, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import AspectTiles, MultimodalFacts, VideoText
from vlm_operator.model.renames import TOWER_AND_PROJECTOR
from vlm_operator.model.towers.intern_vit import InternVitHf
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.shuffled_projector import merged_side
from vlm_operator.model.weights.wrapper import IMAGE_AND_VIDEO, Wrapper

_PLACE: Final = TowerPlace("vision_tower", IMAGE_AND_VIDEO, quantizable=False)


def _tower(config: Config) -> InternVitHf:
    output = text_width(config)
    return InternVitHf.read(config.section("vision_config"), merge_size=merged_side(config), output_size=output)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """The published preprocessor files switch cropping off and the processor switches it on: start-up then takes one
    tile for the largest image, while requests are cut into tiles.
    """
    side, patches = vision_grid(config.section("vision_config"), 448, 14)
    tokens = shuffled_tokens(patches, config)
    cropped = files.image.boolean("crop_to_patches", False)
    return MultimodalFacts(
        "internvl_hf",
        ("image", "video"),
        AspectTiles(
            tile_size=side,
            tokens_per_tile=files.processor.integer("image_seq_length", config.integer("image_seq_length", tokens)),
            min_tiles=files.image.integer("min_patches", 1),
            max_tiles=files.image.integer("max_patches", 12),
            use_thumbnail=True,
            tiles_knob="max_patches",
            video_text=VideoText.FRAME_LINES,
            largest_image=None if cropped else (side, side),
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    tower, hidden = _tower(wrapper.config), wrapper.text.hidden_size
    tower.build(wrapper.collection, _PLACE)
    ratio = wrapper.config.number("downsample_ratio", 0.5) or 0.5
    inputs = tower.width * int(1 / ratio) ** 2
    projector = wrapper.projector(modalities=IMAGE_AND_VIDEO, sharded=False)
    projector.norm("layer_norm", inputs, bias=True)
    projector.linear("linear_1", hidden, inputs, bias=True, quantizable=False)
    projector.linear("linear_2", hidden, hidden, bias=True, quantizable=False)
    wrapper.read_language()


FAMILY: Final = Family(
    name="internvl_hf",
    variants=(
        Variant(architecture="InternVLForConditionalGeneration", model_types=("internvl",), nested="qwen2"),
        Variant(architecture="InternS1ForConditionalGeneration", model_types=("interns1",)),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    renames=TOWER_AND_PROJECTOR,
    simulated=True,
)
