"""HunyuanVL and HunyuanOCR: transformers' own tower and Hunyuan's dense model, in vLLM's Transformers backend.

Sources: vLLM 0.33 ``model_executor/models/transformers``; transformers 5 ``models/hunyuan_vl`` (images of 512 to 2,048
pixels a side, by area). Through 0.28 vLLM had a class of its own, whose tower was divided over ranks.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, NewlineCells
from vlm_operator.model.towers.newline_merger import NewlineMergerTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.transformers_more import hunyuan_dense
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("model.vision_tower", IMAGE, sharded=False)
_TEXT_WIDTH: Final = 4096
"""``HunYuanVLTextConfig.hidden_size``."""


def _tower(config: Config) -> NewlineMergerTower:
    return NewlineMergerTower.read(config.section("vision_config"), text_width(config) or _TEXT_WIDTH)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    least, most = files.image_bounds(512 * 512, 2048 * 2048)
    return MultimodalFacts(
        "hunyuan_vl",
        IMAGE,
        NewlineCells(
            patch_size=files.image.integer("patch_size", 16),
            merge_size=files.image.integer("merge_size", 2),
            min_pixels=least,
            max_pixels=most,
            marks=2 if files.processor.boolean("cat_extra_token", True) else 0,
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    _tower(wrapper.config).build(wrapper.collection, _PLACE)
    hunyuan_dense(wrapper.language(prefix="", root="model.language_model"))


FAMILY: Final = Family(
    name="hunyuan_vl",
    variants=(
        Variant(
            architecture="HunYuanVLForConditionalGeneration",
            model_types=("hunyuan_vl",),
            nested="hunyuan_vl_text",
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
