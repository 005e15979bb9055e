"""Muse Glimmer: a tower over windows of patches, three matrices, a language model with layers without positions.

Sources: vLLM 0.33 ``model_executor/models/muse_glimmer.py``; transformers 5 ``models/muse_glimmer`` (images of up to
4,096 tokens, 96 frames of up to 144 tokens a pair).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import CappedCells, MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.window_permuted import WindowPermutedTower
from vlm_operator.model.weights.wrapper import IMAGE_AND_VIDEO, Wrapper

_PLACE: Final = TowerPlace("vision_encoder", quantizable=False)
_OUT, _PROJECTOR = 6144, 4096
"""``out_hidden_size`` and ``projector_hidden_size`` of ``MuseGlimmerConfig``."""


def _tower(config: Config) -> Tower | None:
    """None for a checkpoint without a tower, which vLLM serves as a language model."""
    if not config.has("vision_config"):
        return None
    return WindowPermutedTower.read(config.section("vision_config"), text_width(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """The caps of transformers' processors, where files say nothing else.

    Raises:
        UnknownFact: the checkpoint has no tower.
    """
    if not config.has("vision_config"):
        raise UnknownFact("vision_config is missing: the model takes text alone", field="vision_config")
    vision = config.section("vision_config")
    return MultimodalFacts(
        "muse_glimmer",
        IMAGE_AND_VIDEO,
        CappedCells(
            patch_size=files.image.integer("patch_size", vision.integer("patch_size", 14)),
            merge_size=files.image.integer("merge_size", vision.integer("merge_size", 2)),
            temporal_patch_size=files.video.integer("temporal_patch_size", 2),
            most_cells=files.image.integer("max_image_tokens", 4096),
            frame_cells=files.video.integer("max_video_frame_tokens", 144),
            most_frames=files.video.integer("num_frames", 96),
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    config, tower = wrapper.config, _tower(wrapper.config)
    if tower is not None:
        tower.build(wrapper.collection, _PLACE)
        outputs, between = config.integer("out_hidden_size", _OUT), config.integer("projector_hidden_size", _PROJECTOR)
        projector = wrapper.projector("", modalities=IMAGE_AND_VIDEO, sharded=False)
        for name, rows, columns in (
            ("vision_adapter.c_fc", between, outputs),
            ("vision_adapter.c_proj", between, between),
            ("vision_projection", wrapper.text.hidden_size, between),
        ):
            projector.linear(name, rows, columns, quantizable=False)
    wrapper.read_own_language(prefix="")


FAMILY: Final = Family(
    name="muse_glimmer",
    variants=(
        Variant(
            architecture="MuseGlimmerForConditionalGeneration",
            model_types=("muse_glimmer",),
            text=LanguageModel(
                architecture="MuseGlimmerForCausalLM",
                model_type="muse_glimmer_text",
                defaults=text_class(52, 6656, 19968, 202048, 32, 2, 128, 131072, 2048),
            ),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.SECTION,
    renames=(
        ("model.vision_tower.layers.", "vision_encoder.transformer."),
        ("model.vision_tower.", "vision_encoder."),
        ("model.language_model.", "model."),
    ),
)
