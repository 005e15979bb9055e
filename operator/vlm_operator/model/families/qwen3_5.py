"""Qwen3.5 and its successors of the same architecture: the DeepStack tower without levels before a hybrid model.

Sources: vLLM 0.32 ``model_executor/models/qwen3_5.py``; transformers 5 ``models/qwen3_5/configuration_qwen3_5.py``.
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


def _tower(config: Config) -> DeepstackTower:
    return DeepstackTower.read(config.section("vision_config"), DEEPSTACK_CLASS)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts(
        "qwen3_5", ("image", "video"), timed_resize(config.section("vision_config"), files), FrameLoader.EVEN_ROUNDED
    )


FAMILY: Final = Family(
    name="qwen3_5",
    variants=(
        Variant(
            architecture="Qwen3_5ForConditionalGeneration",
            model_types=("qwen3_5",),
            text=LanguageModel(
                architecture="Qwen3_5ForCausalLM",
                model_type="qwen3_5_text",
                defaults=text_class(32, 4096, 12288, 248320, 16, 4, 256, 32768),
            ),
        ),
        Variant(
            architecture="Qwen3_5MoeForConditionalGeneration",
            model_types=("qwen3_5_moe",),
            text=LanguageModel(
                architecture="Qwen3_5MoeForCausalLM",
                model_type="qwen3_5_moe_text",
                defaults=text_class(40, 2048, None, 248320, 16, 2, 256, 32768),
                weight_defaults={"moe_intermediate_size": 512, "num_experts": 256},
            ),
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual", data_parallel=True),
    pixels=Pixels.RAW,
    tokens=_tokens,
    tying=Tying.SECTION,
    renames=VISUAL,
    rotary_rows=RotaryRows.ONE_LATER,
    start_ups=(
        "vllm-36973-qwen35-35b-a3b-gptq-5090-dev88",
        "public-qwen35-9b-l40s-019",
        "public-qwen35-9b-2x5090-020",
        "public-qwen35-4b-44g-async-022",
        "fentz26-qwen38-27b-fp8-2x5090",
    ),
)
