"""Qwen2-VL: layer norms and plain MLPs before Qwen2.

Sources: vLLM 0.32 ``model_executor/models/qwen2_vl.py``; transformers 5 ``models/qwen2_vl/configuration_qwen2_vl.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import frame_bounded
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.renames import VISUAL
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.plain_merger import PlainMergerTower

_VISION: Final = {
    "depth": 32,
    "embed_dim": 1280,
    "hidden_size": 3584,
    "mlp_ratio": 4,
    "num_heads": 16,
    "patch_size": 14,
}
"""What ``Qwen2VLVisionConfig`` fills in."""

TEXT: Final = text_class(80, 8192, 29568, 152064, 64, 8, None, 32768)
"""What ``Qwen2VLTextConfig`` fills in, and ``Qwen2_5_VLTextConfig``."""

RENAMES: Final = (*VISUAL, ("model.", "language_model.model."))
"""Checkpoint keys as vLLM's ``WeightsMapper`` of both families renames them."""


def _tower(config: Config) -> PlainMergerTower:
    return PlainMergerTower.read(config.section("vision_config"), _VISION)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return frame_bounded("qwen2_vl", config.section("vision_config"), files)


FAMILY: Final = Family(
    name="qwen2_vl",
    variants=(
        Variant(
            architecture="Qwen2VLForConditionalGeneration",
            model_types=("qwen2_vl",),
            text=LanguageModel(
                architecture="Qwen2ForCausalLM",
                model_type="qwen2_vl_text",
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
    video_backends={"qwen2_vl": FrameLoader.EVEN_PAIRS},
    reads_limits_early=True,
    simulated=True,
)
