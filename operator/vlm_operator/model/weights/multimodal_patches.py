"""Vision-language models over patches of any resolution beside Qwen's and GLM's own: Omni, Keye, Ovis, OCR models.

Sources: vLLM 0.32, ``model_executor/models/``: ``qwen2_5_omni_thinker.py``, ``qwen3_omni_moe_thinker.py``,
``keye.py``, ``paddleocr_vl.py``, ``ovis2_5.py``, ``siglip2navit.py``, ``dots_ocr.py``, ``lfm2_vl.py``,
``lfm2_siglip2.py``, ``kimi_k25.py``, ``kimi_k25_vit.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vlm_operator.model.weights import patch_towers
from vlm_operator.model.weights.families import LANGUAGE_MODELS
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

SIGLIP: Final = {
    "hidden_size": 1152,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 384,
    "intermediate_size": 4304,
}


def lfm2_vl(wrapper: Wrapper) -> None:
    """LFM2-VL: SigLIP 2 over patches, pixels shuffled into a two-layer projector, LFM2."""
    config, vision = wrapper.config, wrapper.vision
    width, heads = vision.integer("hidden_size", 768), vision.integer("num_attention_heads", 12)
    prefix = "vision_tower.vision_model"
    tower = wrapper.collection.tower(prefix, 1, modalities=IMAGE)
    inputs = vision.integer("num_channels", 3) * vision.integer("patch_size", 16) ** 2
    tower.linear("embeddings.patch_embedding", width, inputs, bias=True, quantizable=False)
    tower.tensor("embeddings.position_embedding.weight", vision.integer("num_patches", 256) * width)
    count = vision.integer("num_hidden_layers", 12)
    blocks = wrapper.collection.tower(f"{prefix}.encoder.layers.{{}}", count, modalities=IMAGE)
    patch_towers.siglip_blocks(blocks, width, heads, vision.integer("intermediate_size", 3072))
    tower.norm("post_layernorm", width, bias=True)
    inputs = width * config.integer("downsample_factor", 2) ** 2
    inner, bias = config.integer("projector_hidden_size", 2560), config.boolean("projector_bias", True)
    projector = wrapper.projector(sharded=False)
    if config.boolean("projector_use_layernorm", True):
        projector.norm("layer_norm", inputs, bias=True)
    projector.linear("linear_1", inner, inputs, bias=bias, quantizable=False)
    projector.linear("linear_2", wrapper.text.hidden_size, inner, bias=bias, quantizable=False)
    LANGUAGE_MODELS["Lfm2ForCausalLM"](wrapper.language())


MODELS: Final[dict[str, Callable[[Wrapper], None]]] = {"Lfm2VlForConditionalGeneration": lfm2_vl}
"""Architectures and their readers."""
