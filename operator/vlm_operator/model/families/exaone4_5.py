"""EXAONE 4.5: images and videos counted as Qwen2-VL's, a tower as Qwen2.5-VL's with fewer keys and values than queries.

Source: vLLM 0.32 and 0.33 ``model_executor/models/exaone4_5.py``; transformers 5 ``models/exaone4_5``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import frame_bounded, require_files
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.gated_merger import GatedMergerTower
from vlm_operator.model.towers.place import TowerPlace

_VISION: Final = {
    "depth": 32,
    "hidden_size": 3584,
    "intermediate_size": 3420,
    "num_heads": 16,
    "patch_size": 14,
    "num_key_value_heads": 8,
    "spatial_merge_size": 2,
    "out_hidden_size": 3584,
}
"""What ``Exaone4_5_VisionConfig`` fills in."""


def _tower(config: Config) -> GatedMergerTower:
    return GatedMergerTower.read(config.section("vision_config"), _VISION, grouped=True)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Bounds differ by checkpoint. Raises ``UnknownFact`` without preprocessor files."""
    require_files(config, files)
    return frame_bounded("exaone4_5", config.section("vision_config"), files)


FAMILY: Final = Family(
    name="exaone4_5",
    variants=(
        Variant(
            architecture="Exaone4_5_ForConditionalGeneration",
            model_types=("exaone4_5",),
            text=LanguageModel(architecture="Exaone4ForCausalLM", model_type="exaone4"),
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual"),
    tokens=_tokens,
)
