"""Molmo: CLIP at 336 pixels over overlapping crops up to its last block but one, two levels pooled by attention.

Sources: vLLM 0.32 ``model_executor/models/molmo.py``; ``allenai/Molmo-7B-D-0924`` (crops of 336 pixels overlapping by 4
patches on each side, 12 at most).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, OverlapCrops
from vlm_operator.model.towers.kept_blocks import LEVELS, KeptBlocksTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights import dense
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_backbone", IMAGE)


def _tower(config: Config) -> KeptBlocksTower:
    return KeptBlocksTower.fixed(text_width(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    margins = files.image.items("overlap_margins") or [4, 4]
    overlap = Config({"left": margins[0], "right": margins[-1]}, "preprocessor_config.overlap_margins")
    return MultimodalFacts(
        "molmo",
        ("image",),
        OverlapCrops(
            crop_size=336,
            patch_size=files.image.integer("image_patch_size", 14),
            left_margin=overlap.integer("left", least=0),
            right_margin=overlap.integer("right", least=0),
            max_crops=files.image.integer("max_crops", 12),
            view_side_tokens=files.image.integer("image_token_length_w", 12),
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    width = tower.width
    projector = wrapper.projector(_PLACE.prefix)
    for part in ("wq", "wk", "wv"):
        projector.column(f"image_pooling_2d.{part}", width, LEVELS * width, bias=True)
    projector.row("image_pooling_2d.wo", width, width, bias=True)
    inner = wrapper.text.intermediate_size // 2
    names = ("image_projector.gate_proj", "image_projector.up_proj")
    projector.merged("image_projector.merged_linear", names, (inner, inner), width)
    projector.row("image_projector.down_proj", wrapper.text.hidden_size, inner)
    dense.molmo(wrapper.language(prefix=""))


FAMILY: Final = Family(
    name="molmo",
    variants=(
        Variant(
            architecture="MolmoForCausalLM",
            model_types=("molmo",),
            text=LanguageModel(architecture="Qwen2ForCausalLM"),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
