"""Qwen3-VL, dense and with experts: the DeepStack tower before Qwen3.

Sources: vLLM 0.32 ``model_executor/models/qwen3_vl.py`` and ``qwen3_vl_moe.py``; transformers 5
``models/qwen3_vl/configuration_qwen3_vl.py``; ``Qwen/Qwen3-VL-8B-Instruct`` for the bounds of images and videos.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.loading_rules import RotaryRows
from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import timed_resize
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.renames import VISUAL
from vlm_operator.model.towers.deepstack import DEEPSTACK_CLASS, DeepstackTower
from vlm_operator.model.towers.place import TowerPlace

_VISION: Final = {**DEEPSTACK_CLASS, "deepstack_visual_indexes": (8, 16, 24)}
"""What ``Qwen3VLVisionConfig`` fills in."""


def _tower(config: Config) -> DeepstackTower:
    return DeepstackTower.read(config.section("vision_config"), _VISION)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts(
        "qwen3_vl", ("image", "video"), timed_resize(config.section("vision_config"), files), FrameLoader.EVEN_ROUNDED
    )


FAMILY: Final = Family(
    name="qwen3_vl",
    variants=(
        Variant(
            architecture="Qwen3VLForConditionalGeneration",
            model_types=("qwen3_vl",),
            text=LanguageModel(
                architecture="Qwen3ForCausalLM",
                model_type="qwen3_vl_text",
                defaults=text_class(32, 4096, 22016, 151936, 32, 32, 128, 128000),
            ),
        ),
        Variant(
            architecture="Qwen3VLMoeForConditionalGeneration",
            model_types=("qwen3_vl_moe",),
            text=LanguageModel(
                architecture="Qwen3MoeForCausalLM",
                model_type="qwen3_vl_moe_text",
                defaults=text_class(24, 2048, 5632, 151936, 16, 16, None, 128000, tied=True),
                weight_defaults={"moe_intermediate_size": 1408, "num_experts": 60},
            ),
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual", data_parallel=True),
    pixels=Pixels.RAW,
    tokens=_tokens,
    tying=Tying.WHOLE,
    renames=VISUAL,
    video_backends={"qwen3_vl": FrameLoader.EVEN_ROUNDED},
    rotary_rows=RotaryRows.ONE_LATER,
    reads_limits_early=True,
    start_ups=(
        "public-qwen3vl-2b-5070ti-wsl-020",
        "public-qwen3vl-30b-a3b-tp4-3090-0110",
        "public-qwen3vl-30b-h100nvl-013",
        "zzsf-qwen3-vl-30b-a3b-tp2-h100",
    ),
)
