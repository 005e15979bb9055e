"""Vision-language models over tiles of one size, most of them with code of their own in the checkpoint's repository.

Sources: vLLM 0.32, ``model_executor/models/``: ``minicpmv.py``, ``molmo.py``, ``phi3v.py``, ``phi4mm.py``,
``phi4mm_audio.py``, ``step3_vl.py``, ``deepseek_ocr.py``, ``deepencoder.py``; towers whose dimensions vLLM itself
fixes have them here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component
from vlm_operator.model.weights import dense, fixed_towers
from vlm_operator.model.weights.audio_towers import minicpmo_audio, phi4_audio
from vlm_operator.model.weights.families import LANGUAGE_MODELS
from vlm_operator.model.weights.fixed_towers import TowerPlace
from vlm_operator.model.weights.patch_towers import siglip_blocks
from vlm_operator.model.weights.wrapper import IMAGE, IMAGE_AND_VIDEO, Wrapper

MINICPMV: Final = {
    "2.5": "LlamaForCausalLM",
    "2.6": "Qwen2ForCausalLM",
    "4.0": "LlamaForCausalLM",
    "4.5": "Qwen3ForCausalLM",
}
"""Language model of each ``version``."""
RESAMPLER_SIDE, RESAMPLER_FRAMES = 70, 36000
"""Positions on a side and in time that the resampler keeps sines for."""

CLIP_LARGE: Final = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "image_size": 336,
    "patch_size": 14,
}
"""CLIP ViT-L/14 at 336 pixels (``CLIP_VIT_LARGE_PATCH14_336_CONFIG``)."""

PHI4_SIGLIP: Final = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
    "image_size": 448,
    "patch_size": 14,
}
"""Phi-4-multimodal's tower (``get_navit_vision_model``)."""


def minicpmv(wrapper: Wrapper) -> None:
    """MiniCPM-V 2.5 to 4.5: SigLIP, a resampler with learned queries, Llama or Qwen."""
    config, vision, hidden = wrapper.config, wrapper.vision, wrapper.text.hidden_size
    version = str(config.values.get("version", "2.5"))
    language_model = MINICPMV.get(version)
    if language_model is None or (version == "2.5" and hidden == 2304):
        raise UnknownFact(f"version: the weights of MiniCPM-V {version[:20]!r} are not known", field="version")
    modalities = IMAGE if version == "2.5" else IMAGE_AND_VIDEO
    whole = vision.integer("num_hidden_layers", 12)
    built = whole - 1 if config.boolean("drop_vision_last_layer", False) else whole
    place = TowerPlace("vpm", modalities, data_parallel=True, layers=built, post_norm=True, inner="")
    fixed_towers.siglip(wrapper.collection, vision, place, position_ids=False)
    resampler = wrapper.projector("resampler", modalities=modalities, sharded=False)
    width, queries = vision.integer("hidden_size", 768), config.integer("query_num", 64)
    resampler.tensor("query", queries * hidden)
    if width != hidden:
        resampler.linear("kv_proj", hidden, width)
    resampler.linear("attn.in_proj", 3 * hidden, hidden, bias=True, quantizable=False)
    resampler.linear("attn.out_proj", hidden, hidden, bias=True, quantizable=False)
    resampler.tensor("proj", hidden * hidden)
    for name in ("ln_q", "ln_kv", "ln_post"):
        resampler.norm(name, hidden, bias=True)
    resampler.tensor("pos_embed", RESAMPLER_SIDE**2 * hidden)
    if version == "4.5":
        resampler.tensor("temporal_pos_embed", RESAMPLER_FRAMES * hidden)
    LANGUAGE_MODELS[language_model](wrapper.language(prefix="llm"))


def minicpmo(wrapper: Wrapper) -> None:
    """MiniCPM-o 2.6: MiniCPM-V with Whisper's encoder; what it speaks with is not served."""
    if wrapper.config.has("audio_config"):
        minicpmo_audio(wrapper.collection, wrapper.config.section("audio_config"), wrapper.text.hidden_size)
    minicpmv(wrapper)


def phi3v(wrapper: Wrapper) -> None:
    """Phi-3-vision and Phi-3.5-vision: CLIP, tiles two by two; embeddings beside the language model's own."""
    config, hidden = wrapper.config, wrapper.text.hidden_size
    processor = config.section("img_processor")
    layers = _reached(processor, CLIP_LARGE["num_hidden_layers"])
    prefix = "vision_embed_tokens"
    place = TowerPlace(f"{prefix}.img_processor", layers=layers, post_norm=layers == CLIP_LARGE["num_hidden_layers"])
    fixed_towers.clip(wrapper.collection, Config(CLIP_LARGE), place)
    width = processor.integer("image_dim_out", 1024)
    projector = wrapper.projector(prefix, sharded=False)
    projector.tensor("glb_GN", 4 * width)
    projector.tensor("sub_GN", 4 * width)
    projector.linear("img_projection.0", hidden, 4 * width, bias=True, quantizable=False)
    projector.linear("img_projection.2", hidden, hidden, bias=True, quantizable=False)
    language = wrapper.language(kind="phi3")
    rows = wrapper.text.vocab_size
    wrapper.collection.vocabulary("embed_tokens", Component.EMBEDDING, rows, hidden, language.first)
    LANGUAGE_MODELS["Phi3ForCausalLM"](language)


def _reached(processor: Config, blocks: int) -> int:
    """Blocks up to the feature layer ``layer_idx``."""
    index = processor.integer("layer_idx", -2, least=-blocks)
    return blocks + index + 1 if index < 0 else index + 1


def phi4mm(wrapper: Wrapper) -> None:
    """Phi-4-multimodal: SigLIP, a conformer for speech, a projector each; adapters are not counted."""
    config, hidden = wrapper.config, wrapper.text.hidden_size
    layers = PHI4_SIGLIP["num_hidden_layers"] - 1
    if config.has("img_processor"):
        layers = _reached(config.section("img_processor"), PHI4_SIGLIP["num_hidden_layers"])
    width, patch, image = (PHI4_SIGLIP[key] for key in ("hidden_size", "patch_size", "image_size"))
    prefix = "vision_encoder.img_processor"
    tower = wrapper.collection.tower(prefix, 1, modalities=IMAGE, data_parallel=False)
    tower.linear("embeddings.patch_embedding", width, 3 * patch**2, bias=True, quantizable=False)
    tower.tensor("embeddings.position_embedding.weight", (image // patch) ** 2 * width)
    blocks = wrapper.collection.tower(f"{prefix}.encoder.layers.{{}}", layers, modalities=IMAGE, quantizable=False)
    siglip_blocks(blocks, width, PHI4_SIGLIP["num_attention_heads"], PHI4_SIGLIP["intermediate_size"])
    projector = wrapper.projector("vision_encoder", sharded=False)
    projector.tensor("glb_GN", width)
    projector.tensor("sub_GN", width)
    projector.linear("img_projection.0", hidden, width, bias=True, quantizable=False)
    projector.linear("img_projection.2", hidden, hidden, bias=True, quantizable=False)
    phi4_audio(wrapper.collection, config.section("audio_processor").section("config"), hidden)
    LANGUAGE_MODELS["Phi3ForCausalLM"](wrapper.language(prefix="", kind="phi3"))


def molmo(wrapper: Wrapper) -> None:
    """Molmo: CLIP at 336 pixels up to its last block but one, two levels pooled by attention."""
    width, heads, layers, levels = 1024, 16, 23, 2
    hidden = wrapper.text.hidden_size
    prefix = "vision_backbone"
    top = wrapper.collection.tower(prefix, 1, modalities=IMAGE)
    top.tensor("pad_embed", 2 * levels * width)
    top.tensor("image_vit.class_embedding", width)
    top.tensor("image_vit.positional_embedding", 577 * width)
    top.linear("image_vit.patch_embedding", width, 3 * 14**2, quantizable=False)
    top.norm("image_vit.pre_ln", width, bias=True)
    name = f"{prefix}.image_vit.transformer.resblocks.{{}}"
    blocks = wrapper.collection.tower(name, layers, modalities=IMAGE)
    for part in ("attention_norm", "ffn_norm"):
        blocks.norm(part, width, bias=True)
    for part in ("wq", "wk", "wv"):
        blocks.column(f"attention.{part}", width, width, bias=True, heads=heads)
    blocks.row("attention.wo", width, width, bias=True)
    blocks.mlp("feed_forward", width, 4 * width, ("w1", "w2"))
    projector = wrapper.projector(prefix)
    for part in ("wq", "wk", "wv"):
        projector.column(f"image_pooling_2d.{part}", width, levels * width, bias=True)
    projector.row("image_pooling_2d.wo", width, width, bias=True)
    inner = wrapper.text.intermediate_size // 2
    names = ("image_projector.gate_proj", "image_projector.up_proj")
    projector.merged("image_projector.merged_linear", names, (inner, inner), width)
    projector.row("image_projector.down_proj", hidden, inner)
    dense.molmo(wrapper.language(prefix=""))


def step3_vl(wrapper: Wrapper) -> None:
    """Step3: a CLIP-like tower, two convolutions that thin its patches, one matrix, Step3's language model."""
    config, vision = wrapper.config, wrapper.vision
    width, heads = vision.integer("hidden_size", 1792), vision.integer("num_attention_heads", 16)
    patch, image = vision.integer("patch_size", 14), vision.integer("image_size", 728)
    positions, output = (image // patch) ** 2 + 1, vision.integer("output_hidden_size", 4096)
    place = TowerPlace("vision_model", data_parallel=True, layers=0, post_norm=False, inner="")
    fixed_towers.clip_embeddings(wrapper.collection, vision, place, width, positions, bias=True)
    count = vision.integer("num_hidden_layers", 63)
    blocks = wrapper.collection.tower("vision_model.transformer.layers.{}", count, modalities=IMAGE, data_parallel=True)
    siglip_blocks(blocks, width, heads, vision.integer("intermediate_size", 3072))
    projector = wrapper.projector("", sharded=False)
    projector.linear("vit_downsampler", output, width * 2**2, bias=True, quantizable=False)
    projector.linear("vit_downsampler2", 2 * output, output * 3**2, bias=True, quantizable=False)
    bias = config.boolean("projector_bias", True)
    projector.linear("vit_large_projector", wrapper.text.hidden_size, 2 * output, bias=bias, quantizable=False)
    LANGUAGE_MODELS["Step3TextForCausalLM"](wrapper.language(kind="step3_text"))


def deepseek_ocr(wrapper: Wrapper) -> None:
    """DeepSeek-OCR: SAM's tower, whole on every rank, and CLIP over its features; one matrix; DeepSeek's MoE."""
    collection, config = wrapper.collection, wrapper.config
    _sam(wrapper)
    vision = Config(CLIP_LARGE | {"image_size": 224})
    place = TowerPlace("vision_model", layers=0, post_norm=False, inner="")
    fixed_towers.clip_embeddings(collection, vision, place, 1024, 257, bias=False)
    collection.tower("vision_model", 1, modalities=IMAGE).norm("pre_layrnorm", 1024, bias=True)
    blocks = collection.tower("vision_model.transformer.layers.{}", 24, modalities=IMAGE)
    siglip_blocks(blocks, 1024, 16, 4096)
    section = config.section("projector_config")
    if section.text("projector_type", "mlp_gelu") != "linear":
        field = section.field("projector_type")
        raise UnknownFact(f"{field}: {section.text('projector_type')!r} is not known", field=field)
    width = section.integer("n_embed", 2048)
    projector = wrapper.projector("", sharded=False)
    projector.linear("projector.layers", width, section.integer("input_dim", 2048), bias=True, quantizable=False)
    projector.tensor("image_newline", width)
    projector.tensor("view_seperator", width)
    wrapper.read_language(section="language_config", kind="deepseek_v2")


def _sam(wrapper: Wrapper) -> None:
    """SAM ViT-B at 1024 pixels and its neck; relative positions over windows of 14, in every third block over all."""
    width, inner, head, side = 768, 3072, 64, 64
    tower = wrapper.collection.tower("sam_model", 1, modalities=IMAGE, sharded=False, quantizable=False)
    tower.tensor("pos_embed", side**2 * width)
    tower.linear("patch_embed.proj", width, 3 * 16**2, bias=True)
    blocks = wrapper.collection.tower("sam_model.blocks.{}", 12, modalities=IMAGE, sharded=False, quantizable=False)
    blocks.norm("norm1", width, bias=True)
    blocks.norm("norm2", width, bias=True)
    blocks.linear("attn.qkv", 3 * width, width, bias=True)
    blocks.linear("attn.proj", width, width, bias=True)
    blocks.linear("mlp.lin1", inner, width, bias=True)
    blocks.linear("mlp.lin2", width, inner, bias=True)
    tower.tensor("attn.rel_pos", 2 * (8 * (2 * 14 - 1) + 4 * (2 * side - 1)) * head)
    tower.linear("neck.0", 256, width)
    tower.linear("neck.2", 256, 256 * 3**2)
    tower.norm("neck.1", 256, bias=True)
    tower.norm("neck.3", 256, bias=True)
    tower.linear("net_2", 512, 256 * 3**2)
    tower.linear("net_3", 1024, 512 * 3**2)


def deepseek_vl2(wrapper: Wrapper) -> None:
    """DeepSeek-VL2: SigLIP so400m of PyTorch Image Models, whose MLPs alone are divided; DeepSeek's MoE."""
    collection, section = wrapper.collection, wrapper.config.section("projector_config")
    kind = section.text("projector_type", "mlp_gelu")
    if kind != "downsample_mlp_gelu" or section.integer("depth", 1) != 2:
        field = section.field("projector_type")
        raise UnknownFact(f"{field}: {kind!r} of depth {section.values.get('depth')} is not known", field=field)
    width, inner = PHI4_SIGLIP["hidden_size"], PHI4_SIGLIP["intermediate_size"]
    tower = collection.tower("vision", 1, modalities=IMAGE)
    tower.tensor("pos_embed", (384 // 14) ** 2 * width)
    tower.linear("patch_embed.proj", width, 3 * 14**2, bias=True, quantizable=False)
    tower.norm("norm", width, bias=True)
    tower.tensor("attn_pool.latent", width)
    for name, rows in (("q", width), ("kv", 2 * width), ("proj", width)):
        tower.linear(f"attn_pool.{name}", rows, width, bias=True, quantizable=False)
    tower.norm("attn_pool.norm", width, bias=True)
    tower.mlp("attn_pool.mlp", width, inner, ("fc1", "fc2"))
    blocks = collection.tower("vision.blocks.{}", PHI4_SIGLIP["num_hidden_layers"], modalities=IMAGE)
    blocks.norm("norm1", width, bias=True)
    blocks.norm("norm2", width, bias=True)
    blocks.linear("attn.qkv", 3 * width, width, bias=True, quantizable=False)
    blocks.linear("attn.proj", width, width, bias=True, quantizable=False)
    blocks.mlp("mlp", width, inner, ("fc1", "fc2"))
    output = section.integer("n_embed", 2048)
    between = output * section.integer("mlp_ratio", 1)
    inputs = section.integer("input_dim", 1152) * section.integer("downsample_ratio", 2) ** 2
    projector = wrapper.projector("", sharded=False)
    projector.linear("projector.layers.0", between, inputs, bias=True, quantizable=False)
    projector.linear("projector.layers.2", output, between, bias=True, quantizable=False)
    projector.tensor("image_newline", output)
    projector.tensor("view_seperator", output)
    wrapper.read_language(section="language_config", kind="deepseek_v2")


def glm4v_9b(wrapper: Wrapper) -> None:
    """GLM-4V 9B: a tower of its own, patches merged by a convolution, ChatGLM's layers."""
    vision, hidden = wrapper.vision, wrapper.text.hidden_size
    width, heads = vision.integer("hidden_size"), vision.integer("num_heads")
    prefix = "transformer.vision"
    tower = wrapper.collection.tower(prefix, 1, modalities=IMAGE)
    inputs = vision.integer("in_channels", 3) * vision.integer("patch_size") ** 2
    tower.tensor("patch_embedding.cls_embedding", width)
    tower.linear("patch_embedding.proj", width, inputs, bias=True, quantizable=False)
    tower.tensor("patch_embedding.position_embedding.weight", vision.integer("num_positions") * width)
    count = vision.integer("num_hidden_layers")
    blocks = wrapper.collection.tower(f"{prefix}.transformer.layers.{{}}", count, modalities=IMAGE)
    blocks.column("attention.query_key_value", 3 * width, width, bias=True, heads=heads)
    blocks.row("attention.dense", width, width, bias=True)
    blocks.mlp("mlp", width, vision.integer("intermediate_size"), ("fc1", "fc2"))
    blocks.norm("input_layernorm", width, bias=True)
    blocks.norm("post_attention_layernorm", width, bias=True)
    projector = wrapper.projector(prefix)
    projector.tensor("boi", hidden)
    projector.tensor("eoi", hidden)
    projector.linear("conv", hidden, width * 2**2, bias=True, quantizable=False)
    projector.linear("linear_proj.linear_proj", hidden, hidden)
    projector.norm("linear_proj.norm1", hidden, bias=True)
    inner = wrapper.config.integer("ffn_hidden_size", wrapper.text.intermediate_size)
    names = ("linear_proj.gate_proj", "linear_proj.dense_h_to_4h")
    projector.merged("linear_proj.merged_proj", names, (inner, inner), hidden)
    projector.row("linear_proj.dense_4h_to_h", hidden, inner)
    LANGUAGE_MODELS["ChatGLMModel"](wrapper.language(prefix=""))


MODELS: Final[dict[str, Callable[[Wrapper], None]]] = {
    "DeepseekOCRForCausalLM": deepseek_ocr,
    "DeepseekVLV2ForCausalLM": deepseek_vl2,
    "GLM4VForCausalLM": glm4v_9b,
    "MiniCPMO": minicpmo,
    "MiniCPMV": minicpmv,
    "MolmoForCausalLM": molmo,
    "Phi3VForCausalLM": phi3v,
    "Phi4MMForCausalLM": phi4mm,
    "Step3VLForConditionalGeneration": step3_vl,
}
"""Architectures and their readers."""
