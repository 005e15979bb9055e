"""Intern-S1-Pro and Qwen4: the DeepStack tower, times before patches; weights are not read.

The language model of Intern-S1-Pro fills a table of Fourier positions in its first pass, whose memory is not known.

Sources: vLLM 0.32 ``model_executor/models/interns1_pro.py`` (``Qwen3_VisionTransformer``),
``layers/rotary_embedding/fope.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import require_files, timed_resize
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.deepstack import DeepstackTower
from vlm_operator.model.towers.place import TowerPlace


def _tower(config: Config) -> DeepstackTower:
    return DeepstackTower.read(config.section("vision_config"), {})


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Bounds differ by checkpoint. Raises ``UnknownFact`` without ``preprocessor_config.json``."""
    require_files(config, files)
    return MultimodalFacts(
        config.text("model_type") or "interns1_pro",
        ("image", "video"),
        timed_resize(config.section("vision_config"), files),
        FrameLoader.EVEN_ROUNDED,
    )


FAMILY: Final = Family(
    name="interns1_pro",
    variants=tuple(
        Variant(architecture=architecture, weights_known=False)
        for architecture in (
            "InternS1ProForConditionalGeneration",
            "Qwen4ExpForConditionalGeneration",
        )
    ),
    tower=_tower,
    place=TowerPlace("visual"),
    pixels=Pixels.RAW,
    tokens=_tokens,
)
