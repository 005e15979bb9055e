"""OpenCUA: images only, the tower of gated MLPs with a merger.

Source: vLLM 0.32 ``model_executor/models/opencua.py``, which takes ``Qwen2_5_VisionTransformer``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import frame_bounded_resize, require_files
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.gated_merger import GatedMergerTower
from vlm_operator.model.towers.place import TowerPlace

_TEXT: Final = LanguageModel(architecture="Qwen2ForCausalLM", model_type="qwen2")


def _tower(config: Config) -> GatedMergerTower:
    return GatedMergerTower.read(config.section("vision_config"), {})


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Bounds differ by checkpoint. Raises ``UnknownFact`` without ``preprocessor_config.json``."""
    require_files(config, files)
    return MultimodalFacts("opencua", ("image",), frame_bounded_resize(config.section("vision_config"), files))


FAMILY: Final = Family(
    name="opencua",
    variants=(Variant(architecture="OpenCUAForConditionalGeneration", model_types=("opencua",), text=_TEXT),),
    tower=_tower,
    place=TowerPlace("visual", ("image",), data_parallel=True),
    pixels=Pixels.RAW_EARLY,
    tokens=_tokens,
)
