"""What does a config leave out of its vision tower? Defaults of the towers' config classes by ``model_type``.

Figures are the defaults of Hugging Face transformers 5 (``src/transformers/models/<family>/configuration_*.py``,
classes ``*VisionConfig``) and, for families whose class vLLM has itself, of vLLM 0.32 (``transformers_utils/configs/``:
``dotsocr.py``, ``moonvit.py``, ``step3_vl.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.model.config import Config


def _tower(layers: int, width: int, inner: int, heads: int, patch: int, **more: Any) -> Mapping[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "patch_size": patch,
        **more,
    }


def _merging(layers: int, width: int, inner: int, heads: int, patch: int, **more: Any) -> Mapping[str, Any]:
    """A tower whose class says ``depth`` and ``num_heads`` and merges two by two patches."""
    return {
        "depth": layers,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_heads": heads,
        "patch_size": patch,
        "spatial_merge_size": 2,
        **more,
    }


_QWEN2_VL: Final = {
    "depth": 32, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4, "num_heads": 16, "patch_size": 14,
    "spatial_merge_size": 2,
}  # fmt: skip
_QWEN2_5_VL: Final = _merging(32, 3584, 3420, 16, 14, out_hidden_size=3584)
_QWEN3_OMNI: Final = _merging(27, 1152, 4304, 16, 16, out_hidden_size=3584, deepstack_visual_indexes=(8, 16, 24))
_IDEFICS3: Final = _tower(12, 1152, 3072, 16, 32)
_INTERNVL: Final = _tower(24, 1024, 4096, 16, 14)
_MOONVIT: Final = _tower(27, 1152, 4304, 16, 14, merge_kernel_size=(2, 2))
_SIGLIP: Final = _tower(12, 768, 3072, 12, 16)

TOWERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "clip_vision_model": _tower(12, 768, 3072, 12, 32),
    "dots_vit": {**_tower(42, 1536, 4224, 12, 14, spatial_merge_size=2), "embed_dim": 1536},
    "ernie4_5_vl_moe_vision": _merging(32, 1280, 5120, 16, 14),
    "exaone4_5_vision": _merging(32, 3584, 3420, 16, 14, out_hidden_size=3584),
    "hunyuan_vl_vision": _tower(27, 1152, 4304, 16, 16, spatial_merge_size=2, out_hidden_size=4096),
    "idefics3_vision": _IDEFICS3,
    "internvl_vision": _INTERNVL,
    "kimi_k25_vision": _MOONVIT,
    "llama4_vision_model": _tower(34, 768, 5632, 16, 14, pixel_shuffle_ratio=0.5),
    "minicpmv4_6_vision": _SIGLIP,
    "minicpmv4_7_vision": _SIGLIP,
    "moonvit": _MOONVIT,
    "paddleocr_vl_vision": _tower(27, 1152, 4304, 16, 14, spatial_merge_size=2),
    "pixtral": _tower(24, 1024, 4096, 16, 16),
    "qwen2_5_omni_vision_encoder": _QWEN2_5_VL,
    "qwen2_5_vl_vision": _QWEN2_5_VL,
    "qwen2_vl_vision": _QWEN2_VL,
    "qwen3_omni_moe_vision_encoder": _QWEN3_OMNI,
    "siglip2_vision_model": _SIGLIP,
    "siglip_vision_model": _SIGLIP,
    "smolvlm_vision": _IDEFICS3,
    "step3_vision_encoder": _tower(63, 1792, 3072, 16, 14),
}
"""By ``model_type`` of the tower."""

TOWER_OF_MODEL: Final[Mapping[str, str]] = {
    "cohere2_vision": "siglip_vision_model",
    "dots_ocr": "dots_vit",
    "ernie4_5_moe_vl": "ernie4_5_vl_moe_vision",
    "ernie4_5_vl_moe": "ernie4_5_vl_moe_vision",
    "exaone4_5": "exaone4_5_vision",
    "gemma3": "siglip_vision_model",
    "hunyuan_vl": "hunyuan_vl_vision",
    "idefics3": "idefics3_vision",
    "internvl": "internvl_vision",
    "kimi_k25": "kimi_k25_vision",
    "kimi_vl": "moonvit",
    "lfm2_vl": "siglip2_vision_model",
    "lighton_ocr": "pixtral",
    "llama4": "llama4_vision_model",
    "llava": "clip_vision_model",
    "llava_next": "clip_vision_model",
    "llava_next_video": "clip_vision_model",
    "llava_onevision": "siglip_vision_model",
    "minicpmv4_6": "minicpmv4_6_vision",
    "minicpmv4_7": "minicpmv4_7_vision",
    "mistral3": "pixtral",
    "paddleocr_vl": "paddleocr_vl_vision",
    "paligemma": "siglip_vision_model",
    "qwen2_5_omni": "qwen2_5_omni_vision_encoder",
    "qwen2_5_omni_thinker": "qwen2_5_omni_vision_encoder",
    "qwen2_5_vl": "qwen2_5_vl_vision",
    "qwen2_vl": "qwen2_vl_vision",
    "qwen3_omni_moe": "qwen3_omni_moe_vision_encoder",
    "qwen3_omni_moe_thinker": "qwen3_omni_moe_vision_encoder",
    "smolvlm": "smolvlm_vision",
    "step3_vl": "step3_vision_encoder",
}
"""Tower of a config whose vision section does not name it, by ``model_type`` of the whole."""

_SAME: Final = (
    frozenset({"depth", "num_hidden_layers"}),
    frozenset({"num_heads", "num_attention_heads"}),
    frozenset({"intermediate_size", "mlp_ratio"}),
)
"""Names of one figure: a default fills none of them where the config gives another."""


def filled_tower(vision: Config, whole_type: str) -> Config:
    """The section with its class's defaults for what it leaves out or has null; as it is where the class is not known.

    Args:
        vision: the tower's section.
        whole_type: ``model_type`` of the whole config. Sections of older configs repeat it as their own.
    """
    own = vision.text("model_type") or whole_type
    kind = own if own in TOWERS else TOWER_OF_MODEL.get(own, "")
    missing = {
        key: value
        for key, value in TOWERS.get(kind, {}).items()
        if not any(vision.has(name) for names in (*_SAME, {key}) if key in names for name in names)
    }
    return Config({**vision.values, **missing, "model_type": kind}, vision.path) if kind else vision
