"""Towers whose dimensions no config states, because vLLM or a library it calls fixes them.

Sources: vLLM 0.32, ``model_executor/models/``: ``molmo.py`` (``VisionBackboneConfig``, ``VIT_LAYERS``), ``phi3v.py``,
``phi4mm.py``, ``deepseek_ocr.py``, ``deepencoder.py``, ``deepseek_vl2.py``, ``gemma3n_mm.py``; PyTorch Image Models
1.0.31, ``timm/models/mobilenetv5.py``. Figures that weights rest on as well are those of ``model.weights``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from vlm_operator.engine.tower_traits import TowerKind, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import VisionTower
from vlm_operator.model.multimodal.families import text_config

_MOLMO_BLOCKS: Final = 23
"""Molmo takes blocks 15 and 22 of CLIP's 24; later ones are not built."""
_SAM: Final = {
    "num_hidden_layers": 12,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "patch_size": 16,
}
"""SAM ViT-B (``build_sam_vit_b``)."""


def _molmo(config: Config) -> VisionTower:
    """CLIP at 336 pixels over overlapping crops, two by two patches pooled."""
    from vlm_operator.model.weights.multimodal_tiles import CLIP_LARGE

    return _fixed(config, {**CLIP_LARGE, "num_hidden_layers": _MOLMO_BLOCKS}, 2, TowerKind.EVERY_BLOCK_KEPT)


def _phi3v(config: Config) -> VisionTower:
    """CLIP at 336 pixels, two by two patches side by side in one output."""
    from vlm_operator.model.weights.multimodal_tiles import CLIP_LARGE

    return _fixed(config, CLIP_LARGE, 2)


def _phi4mm(config: Config) -> VisionTower:
    """SigLIP at 448 pixels, two by two patches averaged."""
    from vlm_operator.model.weights.multimodal_tiles import PHI4_SIGLIP

    return _fixed(config, PHI4_SIGLIP, 2)


def _deepseek_vl2(config: Config) -> VisionTower:
    """SigLIP so400m of PyTorch Image Models at 384 pixels, two by two patches side by side in one output."""
    from vlm_operator.model.weights.multimodal_tiles import PHI4_SIGLIP

    return _fixed(config, PHI4_SIGLIP, 2, TowerKind.ATTENTION_WHOLE)


def _deepseek_ocr(config: Config) -> VisionTower:
    """SAM, whose neck makes one of four by four patches; CLIP then sees a sixteenth of what SAM sees."""
    return _fixed(config, _SAM, 4, TowerKind.WINDOWS)


def _gemma3n(config: Config) -> VisionTower | None:
    """MobileNet V5: an image of 768 pixels becomes 16 by 16 outputs of 48 pixels a side, 2,048 channels each."""
    from vlm_operator.model.weights.gemma3n import MOBILENET

    vision = config.section("vision_config")
    if vision.text("architecture", "mobilenetv5_300m_enc") not in MOBILENET:
        return None
    channels = vision.integer("hidden_size", 2048)
    dimensions = {
        "num_hidden_layers": 1,
        "hidden_size": channels,
        "intermediate_size": channels,
        "num_attention_heads": 1,
        "patch_size": 48,
    }
    return _fixed(config, dimensions, 1, TowerKind.CONVOLUTIONS)


def _fixed(config: Config, dimensions: Mapping[str, int], merge: int, kind: TowerKind = TowerKind.PLAIN) -> VisionTower:
    return VisionTower(
        layers=dimensions["num_hidden_layers"],
        hidden_size=dimensions["hidden_size"],
        intermediate_size=dimensions["intermediate_size"],
        attention_heads=dimensions["num_attention_heads"],
        patch_size=dimensions["patch_size"],
        merge_size=merge,
        output_size=text_config(config).integer("hidden_size", 0, least=0),
        traits=TowerTraits(kind=kind),
    )


FIXED_TOWERS: Final[Mapping[object, Callable[[Config], VisionTower | None]]] = {
    "DeepseekOCRForCausalLM": _deepseek_ocr,
    "DeepseekVLV2ForCausalLM": _deepseek_vl2,
    "Gemma3nForConditionalGeneration": _gemma3n,
    "MolmoForCausalLM": _molmo,
    "Phi3VForCausalLM": _phi3v,
    "Phi4MMForCausalLM": _phi4mm,
    "UnlimitedOCRForCausalLM": _deepseek_ocr,
}
"""Readers by architecture (vLLM's registry)."""
