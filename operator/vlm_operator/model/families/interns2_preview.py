"""Intern-S2 Preview: Qwen3.5 with experts under another name.

Source: vLLM 0.33 ``model_executor/models/interns2_preview.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.loading_rules import RotaryRows
from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Tying, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import require_files, timed_resize
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.renames import VISUAL
from vlm_operator.model.towers.deepstack import DeepstackTower
from vlm_operator.model.towers.place import TowerPlace


def _tower(config: Config) -> DeepstackTower:
    return DeepstackTower.read(config.section("vision_config"), {})


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Bounds differ by checkpoint. Raises ``UnknownFact`` without ``preprocessor_config.json``."""
    require_files(config, files)
    return MultimodalFacts(
        config.text("model_type") or "interns2_preview",
        ("image", "video"),
        timed_resize(config.section("vision_config"), files),
        FrameLoader.EVEN_ROUNDED,
    )


FAMILY: Final = Family(
    name="interns2_preview",
    variants=(Variant(architecture="InternS2PreviewForConditionalGeneration", nested="qwen3_5_moe_text"),),
    tower=_tower,
    place=TowerPlace("visual", data_parallel=True),
    pixels=Pixels.RAW,
    tokens=_tokens,
    tying=Tying.SECTION,
    renames=VISUAL,
    rotary_rows=RotaryRows.ONE_LATER,
)
