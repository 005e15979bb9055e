"""Qwen2.5-VL: gated MLPs and attention in windows before Qwen2.5.

Sources: vLLM 0.32 ``model_executor/models/qwen2_5_vl.py``; transformers 5
``models/qwen2_5_vl/configuration_qwen2_5_vl.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.model.config import Config
from vlm_operator.model.families.qwen2_vl import RENAMES, TEXT
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import frame_bounded
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.gated_merger import GatedMergerTower
from vlm_operator.model.towers.place import TowerPlace

VISION: Final = {
    "depth": 32,
    "hidden_size": 3584,
    "intermediate_size": 3420,
    "num_heads": 16,
    "patch_size": 14,
    "out_hidden_size": 3584,
}
"""What ``Qwen2_5_VLVisionConfig`` fills in."""


def _tower(config: Config) -> GatedMergerTower:
    return GatedMergerTower.read(config.section("vision_config"), VISION)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return frame_bounded("qwen2_5_vl", config.section("vision_config"), files)


FAMILY: Final = Family(
    name="qwen2_5_vl",
    variants=(
        Variant(
            architecture="Qwen2_5_VLForConditionalGeneration",
            model_types=("qwen2_5_vl",),
            text=LanguageModel(
                architecture="Qwen2ForCausalLM",
                model_type="qwen2_5_vl_text",
                defaults=TEXT,
                window_only_if_used=True,
            ),
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual", data_parallel=True),
    pixels=Pixels.RAW_EARLY,
    tokens=_tokens,
    tying=Tying.EITHER,
    renames=RENAMES,
    reads_limits_early=True,
    start_ups=("public-qwen25vl-7b-a100-023",),
)
