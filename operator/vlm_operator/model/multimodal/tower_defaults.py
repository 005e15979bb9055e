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


_IDEFICS3: Final = _tower(12, 1152, 3072, 16, 32)
_INTERNVL: Final = _tower(24, 1024, 4096, 16, 14)
_SIGLIP: Final = _tower(12, 768, 3072, 12, 16)

TOWERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "clip_vision_model": _tower(12, 768, 3072, 12, 32),
    "hunyuan_vl_vision": _tower(27, 1152, 4304, 16, 16, spatial_merge_size=2, out_hidden_size=4096),
    "internvl_vision": _INTERNVL,
    "minicpmv4_6_vision": _SIGLIP,
    "minicpmv4_7_vision": _SIGLIP,
    "siglip2_vision_model": _SIGLIP,
    "siglip_vision_model": _SIGLIP,
    "step3_vision_encoder": _tower(63, 1792, 3072, 16, 14),
}
"""By ``model_type`` of the tower."""

TOWER_OF_MODEL: Final[Mapping[str, str]] = {
    "hunyuan_vl": "hunyuan_vl_vision",
    "internvl": "internvl_vision",
    "lfm2_vl": "siglip2_vision_model",
    "minicpmv4_6": "minicpmv4_6_vision",
    "minicpmv4_7": "minicpmv4_7_vision",
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
