"""dots.ocr: a tower of its own before Qwen2, images only.

Source: vLLM 0.32 ``model_executor/models/dots_ocr.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import frame_bounded_resize, require_files
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.dots_vit import DotsViT
from vlm_operator.model.towers.place import TowerPlace


def _tower(config: Config) -> DotsViT:
    return DotsViT.read(config.section("vision_config"))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Bounds differ by checkpoint. Raises ``UnknownFact`` without ``preprocessor_config.json``."""
    require_files(config, files)
    return MultimodalFacts("dots_ocr", ("image",), frame_bounded_resize(config.section("vision_config"), files))


FAMILY: Final = Family(
    name="dots_ocr",
    variants=(
        Variant(
            architecture="DotsOCRForCausalLM",
            model_types=("dots_ocr",),
            text=LanguageModel(architecture="Qwen2ForCausalLM", model_type=""),
        ),
    ),
    tower=_tower,
    place=TowerPlace("vision_tower", ("image",), data_parallel=True),
    tokens=_tokens,
    start_ups=("doanngoc-dots-ocr-0111-a", "doanngoc-dots-ocr-0111-b"),
)
