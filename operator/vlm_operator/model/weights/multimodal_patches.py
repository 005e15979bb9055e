"""Vision-language models over patches of any resolution beside Qwen's and GLM's own: Omni, Keye, Ovis, OCR models.

Sources: vLLM 0.32, ``model_executor/models/``: ``qwen2_5_omni_thinker.py``, ``qwen3_omni_moe_thinker.py``,
``keye.py``, ``paddleocr_vl.py``, ``ovis2_5.py``, ``siglip2navit.py``, ``dots_ocr.py``, ``lfm2_vl.py``,
``lfm2_siglip2.py``, ``kimi_k25.py``, ``kimi_k25_vit.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.weights import patch_towers
from vlm_operator.model.weights.audio_towers import qwen2_5_omni_audio, qwen3_omni_audio
from vlm_operator.model.weights.families import LANGUAGE_MODELS
from vlm_operator.model.weights.lists import pair
from vlm_operator.model.weights.modules import Block
from vlm_operator.model.weights.wrapper import IMAGE, IMAGE_AND_VIDEO, Wrapper

SIGLIP: Final = {
    "hidden_size": 1152,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 384,
    "intermediate_size": 4304,
}
INDICATORS = 4
"""Rows of Ovis' visual vocabulary that stand for marks in the text, not for what the tower sees."""


def _thinker(wrapper: Wrapper) -> Wrapper:
    """The part of an Omni model that vLLM serves: it thinks, and does not talk."""
    return replace(wrapper, config=wrapper.config.section("thinker_config"))


def qwen2_5_omni(wrapper: Wrapper) -> None:
    """Qwen2.5-Omni's thinker: Qwen2.5-VL's tower, Whisper's encoder, Qwen2.5."""
    thinker = _thinker(wrapper)
    qwen2_5_omni_audio(wrapper.collection, thinker.config.section("audio_config"))
    patch_towers.qwen2_5_vl(wrapper.collection, thinker.vision, data_parallel=False)
    own_word = not wrapper.config.has("tie_word_embeddings")
    LANGUAGE_MODELS["Qwen2ForCausalLM"](thinker.language(own_word=own_word, kind="qwen2_5_omni_text"))


def qwen3_omni(wrapper: Wrapper) -> None:
    """Qwen3-Omni's thinker: Qwen3-VL's tower, an audio encoder, Qwen3-MoE."""
    thinker = _thinker(wrapper)
    qwen3_omni_audio(wrapper.collection, thinker.config.section("audio_config"))
    patch_towers.omni_vision(wrapper.collection, thinker.vision)
    own_word = not wrapper.config.has("tie_word_embeddings")
    LANGUAGE_MODELS["Qwen3MoeForCausalLM"](thinker.language(factor=1, own_word=own_word, kind="qwen3_omni_moe_text"))


def _navit(wrapper: Wrapper, vision: Config, prefix: str, modalities: tuple[str, ...], image: int = 384) -> Block:
    tower = wrapper.collection.tower(prefix, 1, modalities=modalities)
    count = vision.integer("num_hidden_layers", 27)
    blocks = wrapper.collection.tower(f"{prefix}.encoder.layers.{{}}", count, modalities=modalities)
    patch_towers.siglip_navit(tower, blocks, vision, defaults=SIGLIP | {"image_size": image})
    return tower


def _position_ids(tower: Block, vision: Config) -> None:
    positions = (vision.integer("image_size", 384) // vision.integer("patch_size", 14)) ** 2
    tower.tensor("embeddings.position_ids", positions, dtype=DType.INT64)


def keye(wrapper: Wrapper) -> None:
    """Keye-VL 1 and 1.5: positions for packed sequences beside those of an image; patches merged two by two."""
    vision = wrapper.vision
    tower = _navit(wrapper, vision, "visual.vision_model", IMAGE_AND_VIDEO)
    _position_ids(tower, vision)
    width = vision.integer("hidden_size", 1152)
    tower.tensor("embeddings.packing_position_embedding.weight", 32768 * width)
    merged_first = wrapper.architecture == "KeyeVL1_5ForConditionalGeneration"
    projector = wrapper.projector("mlp_AR", modalities=IMAGE_AND_VIDEO)
    projector.norm("pre_norm", 4 * width if merged_first else width, bias=True)
    projector.column("linear_1", 4 * width, 4 * width, bias=True)
    projector.row("linear_2", wrapper.text.hidden_size, 4 * width, bias=True)
    LANGUAGE_MODELS["Qwen3ForCausalLM"](wrapper.language())


def paddleocr_vl(wrapper: Wrapper) -> None:
    """PaddleOCR-VL: Keye's tower in small, projector whole on every rank, ERNIE 4.5."""
    vision = wrapper.vision
    tower = _navit(wrapper, vision, "visual.vision_model", IMAGE)
    _position_ids(tower, vision)
    width, merge = vision.integer("hidden_size", 1152), vision.integer("spatial_merge_size", 2)
    projector = wrapper.projector("mlp_AR", sharded=False)
    projector.norm("pre_norm", width, bias=True)
    merged = width * merge**2
    projector.linear("linear_1", merged, merged, bias=True, quantizable=False)
    projector.linear("linear_2", wrapper.text.hidden_size, merged, bias=True, quantizable=False)
    LANGUAGE_MODELS["Ernie4_5ForCausalLM"](wrapper.language())


def ovis2_5(wrapper: Wrapper) -> None:
    """Ovis 2.5: the tower's output is a choice among visual words, which have embeddings of their own."""
    config = wrapper.config
    vision = config.section("vit_config")
    if not vision.values:
        raise UnknownFact("vit_config is missing from the config", field="vit_config")
    _navit(wrapper, vision, "visual_tokenizer.vit.vision_model", IMAGE_AND_VIDEO, image=512)
    width, stride = vision.integer("hidden_size", 1152), vision.integer("hidden_stride", 2)
    words = config.integer("visual_vocab_size", 65536)
    head = wrapper.projector("visual_tokenizer.head", modalities=IMAGE_AND_VIDEO, sharded=False)
    head.linear("0", words - INDICATORS, width * stride**2, quantizable=False)
    head.norm("1", words - INDICATORS, bias=True)
    table = wrapper.projector("", modalities=IMAGE_AND_VIDEO, sharded=False)
    table.tensor("vte.weight", words * wrapper.text.hidden_size)
    section = "llm_config" if config.has("llm_config") else "text_config"
    wrapper.read_language(prefix="llm", section=section)


def dots_ocr(wrapper: Wrapper) -> None:
    """dots.ocr: its own tower before Qwen2."""
    patch_towers.dots_vit(wrapper.collection, wrapper.vision)
    LANGUAGE_MODELS["Qwen2ForCausalLM"](wrapper.language())


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


def kimi_k25(wrapper: Wrapper) -> None:
    """Kimi K2.5: MoonViT with positions in time, projector whole on every rank, DeepSeek V3."""
    vision = wrapper.vision
    # as vLLM's class names them: the ``vt_`` names of published configs are not read, their values are its defaults
    places = {f"init_{key}": value for key, value in vision.values.items() if key.startswith("pos_emb_")}
    own = {key: value for key, value in vision.values.items() if not key.startswith("init_")}
    vision = Config({**own, **places}, vision.path)
    # the tower of compressed-tensors checkpoints is handed no quantisation
    holders = (wrapper.config, wrapper.config.section("text_config"))
    methods = [holder.section("quantization_config").text("quant_method") or "" for holder in holders]
    quantizable = not any(method.replace("_", "-") == "compressed-tensors" for method in methods)
    patch_towers.moonvit(
        wrapper.collection,
        vision,
        IMAGE_AND_VIDEO,
        frames=vision.integer("init_pos_emb_time", 4),
        quantizable=quantizable,
    )
    rows, columns = pair(vision, "merge_kernel_size", 2)
    width = vision.integer("hidden_size", 1152)
    projector = wrapper.projector("mm_projector", modalities=IMAGE_AND_VIDEO, sharded=False)
    merged = width * rows * columns
    projector.norm("pre_norm", width, bias=True)
    projector.linear("linear_1", merged, merged, bias=True, quantizable=quantizable)
    projector.linear("linear_2", wrapper.text.hidden_size, merged, bias=True, quantizable=quantizable)
    LANGUAGE_MODELS["DeepseekV2ForCausalLM"](wrapper.language(kind="deepseek_v3"))


MODELS: Final[dict[str, Callable[[Wrapper], None]]] = {
    "DotsOCRForCausalLM": dots_ocr,
    "KeyeForConditionalGeneration": keye,
    "KeyeVL1_5ForConditionalGeneration": keye,
    "KimiK25ForConditionalGeneration": kimi_k25,
    "Lfm2VlForConditionalGeneration": lfm2_vl,
    "Ovis2_5": ovis2_5,
    "PaddleOCRVLForConditionalGeneration": paddleocr_vl,
    "Qwen2_5OmniForConditionalGeneration": qwen2_5_omni,
    "Qwen2_5OmniModel": qwen2_5_omni,
    "Qwen3OmniMoeForConditionalGeneration": qwen3_omni,
}
"""Architectures and their readers."""
