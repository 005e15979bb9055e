"""Vision-language models: which tower, which projector, which language model, under which names.

Sources: vLLM 0.32, ``model_executor/models/``, the file named as the family; ``llava.py``
(``init_vision_tower_for_llava``) for how many blocks of a tower are built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component
from vlm_operator.model.weights import fixed_towers
from vlm_operator.model.weights.families import LANGUAGE_MODELS
from vlm_operator.model.weights.fixed_towers import TowerPlace
from vlm_operator.model.weights.lists import pair
from vlm_operator.model.weights.wrapper import IMAGE, IMAGE_AND_VIDEO, Wrapper

NVLM_HEADS = 7
"""Heads that vLLM adds to NVLM's tower (``nvlm_d.py``, ``num_dummy_heads``)."""


def feature_layers(config: Config, default: int) -> int:
    """How many blocks of a tower reach the deepest feature layer that the language model sees."""
    count = config.section("vision_config").integer("num_hidden_layers", default)
    value = config.values.get("vision_feature_layer", -2)
    layers = value if isinstance(value, list | tuple) else [value]
    deepest = 0
    for layer in layers:
        if isinstance(layer, bool) or not isinstance(layer, int):
            field = config.field("vision_feature_layer")
            raise UnknownFact(f"{field}: {str(value)[:60]!r} is not a layer or a list of layers", field=field)
        deepest = max(deepest, count + layer + 1 if layer < 0 else layer)
    return _within(config, "vision_feature_layer", deepest, count)


def _within(config: Config, key: str, built: int, whole: int) -> int:
    """Blocks that are built, of as many as the tower has.

    Raises:
        InputError: more than that, or less than none.
    """
    if not 0 <= built <= whole:
        field = config.field(key)
        raise InputError(
            f"{field}: {str(config.values.get(key))[:40]} is no layer of a tower of {whole} blocks",
            field=field,
            hint="name a layer that the vision tower has",
        )
    return built


def _tower_by_type(wrapper: Wrapper, place: TowerPlace) -> int:
    """The tower its ``model_type`` names, up to the deepest feature layer; returns its width."""
    vision = wrapper.vision
    kind = vision.text("model_type", "clip_vision_model") or ""
    defaults = {"clip_vision_model": (12, 768), "siglip_vision_model": (12, 768), "pixtral": (24, 1024)}
    if kind not in defaults:
        field = vision.field("model_type")
        raise UnknownFact(f"{field}: the weights of a vision tower of type {kind!r} are not known", field=field)
    blocks, width = defaults[kind]
    built = feature_layers(wrapper.config, blocks)
    place = TowerPlace(place.prefix, place.modalities, place.data_parallel, built, post_norm=False)
    match kind:
        case "clip_vision_model":
            fixed_towers.clip(wrapper.collection, vision, place)
        case "siglip_vision_model":
            fixed_towers.siglip(wrapper.collection, vision, place)
        case _:
            fixed_towers.pixtral(wrapper.collection, vision, place)
    return vision.integer("hidden_size", width)


def llava(wrapper: Wrapper) -> None:
    """LLaVA 1.5, Pixtral in transformers' format: tower up to a feature layer, two-layer projector."""
    width = _tower_by_type(wrapper, TowerPlace("vision_tower"))
    hidden = wrapper.text.hidden_size
    bias = wrapper.config.boolean("multimodal_projector_bias", True)
    projector = wrapper.projector()
    projector.column("linear_1", hidden, width, bias=bias)
    projector.row("linear_2", hidden, hidden, bias=bias)
    wrapper.read_language()


def llava_next(wrapper: Wrapper) -> None:
    """LLaVA-NeXT: LLaVA with a learned line break between rows of tiles."""
    wrapper.collection.at("", Component.PROJECTOR).tensor("image_newline", wrapper.text.hidden_size)
    llava(wrapper)


def llava_onevision(wrapper: Wrapper) -> None:
    """LLaVA-OneVision: images and videos, projector whole on every rank."""
    wrapper.collection.at("", Component.PROJECTOR).tensor("image_newline", wrapper.text.hidden_size)
    width = _tower_by_type(wrapper, TowerPlace("vision_tower", IMAGE_AND_VIDEO))
    hidden = wrapper.text.hidden_size
    bias = wrapper.config.boolean("multimodal_projector_bias", True)
    projector = wrapper.projector(modalities=IMAGE_AND_VIDEO, sharded=False)
    projector.linear("linear_1", hidden, width, bias=bias, quantizable=False)
    projector.linear("linear_2", hidden, hidden, bias=bias, quantizable=False)
    wrapper.read_language()


def llava_next_video(wrapper: Wrapper) -> None:
    """LLaVA-NeXT-Video: no line break; projector whole on every rank."""
    width = _tower_by_type(wrapper, TowerPlace("vision_tower", ("video",)))
    hidden = wrapper.text.hidden_size
    bias = wrapper.config.boolean("multimodal_projector_bias", True)
    projector = wrapper.projector(modalities=("video",), sharded=False)
    projector.linear("linear_1", hidden, width, bias=bias, quantizable=False)
    projector.linear("linear_2", hidden, hidden, bias=bias, quantizable=False)
    wrapper.read_language()


def minicpmv4_6(wrapper: Wrapper) -> None:
    """MiniCPM-V 4.6: SigLIP, windows of patches merged inside the tower and once more before the language model."""
    config, vision = wrapper.config, wrapper.vision
    if config.integer("merger_times", 1) != 1:
        raise UnknownFact("merger_times: the weights of more than one merger are not known", field="merger_times")
    width, inner = vision.integer("hidden_size", 768), vision.integer("intermediate_size", 3072)
    whole = vision.integer("num_hidden_layers", 12)
    built = whole - 1 if config.boolean("drop_vision_last_layer", False) else whole
    place = TowerPlace("vpm", IMAGE, data_parallel=True, layers=built, post_norm=True, inner="")
    fixed_towers.siglip(wrapper.collection, vision, place, position_ids=False)
    window = wrapper.collection.tower("vit_merger", 1, modalities=IMAGE, data_parallel=True)
    heads = vision.integer("num_attention_heads", 12)
    window.qkv("self_attn", heads, heads, width // heads, width, bias=True)
    window.row("self_attn.out_proj", width, width, bias=True)
    window.norm("layer_norm1", width, bias=True)
    window.norm("pre_norm", 4 * width, bias=True)
    window.linear("linear_1", 4 * inner, 4 * width, bias=True, quantizable=False)
    window.linear("linear_2", width, 4 * inner, bias=True, quantizable=False)
    rows, columns = pair(config, "merge_kernel_size", 2)
    merged = width * rows * columns
    merger = wrapper.projector("merger.mlp.0", sharded=False)
    merger.norm("pre_norm", merged, bias=True)
    merger.linear("linear_1", merged, merged, bias=True, quantizable=False)
    merger.linear("linear_2", wrapper.text.hidden_size, merged, bias=True, quantizable=False)
    wrapper.read_language(factor=1, own_word=True)


def mistral3(wrapper: Wrapper) -> None:
    """Mistral Small 3.1 and later, LightOnOCR: Pixtral tower, patches merged before the projector."""
    config, vision = wrapper.config, wrapper.vision
    width, hidden = vision.integer("hidden_size", 1024), wrapper.text.hidden_size
    merge, bias = config.integer("spatial_merge_size", 2), config.boolean("multimodal_projector_bias", False)
    whole = vision.integer("num_hidden_layers", 24)
    value = config.values.get("vision_feature_layer", -1)
    built = whole if value == -1 else feature_layers(config, 24)
    fixed_towers.pixtral(wrapper.collection, vision, TowerPlace("vision_tower", layers=built))
    projector = wrapper.projector()
    projector.norm("norm", width)
    projector.linear("patch_merger.merging_layer", width, width * merge**2, quantizable=False)
    projector.column("linear_1", hidden, width, bias=bias)
    projector.row("linear_2", hidden, hidden, bias=bias)
    wrapper.read_language()


def gemma3(wrapper: Wrapper) -> None:
    """Gemma 3: SigLIP, then one matrix and a norm."""
    vision = wrapper.vision
    fixed_towers.siglip(wrapper.collection, vision, TowerPlace("vision_tower"))
    width = vision.integer("hidden_size", 768)
    projector = wrapper.projector()
    projector.tensor("mm_input_projection_weight", width * wrapper.text.hidden_size)
    projector.norm("mm_soft_emb_norm", width)
    LANGUAGE_MODELS["Gemma3ForCausalLM"](wrapper.language())


def paligemma(wrapper: Wrapper) -> None:
    """PaliGemma: the whole SigLIP tower, one projector matrix."""
    vision = wrapper.vision
    fixed_towers.siglip(wrapper.collection, vision, TowerPlace("vision_tower"))
    width = vision.integer("hidden_size", 768)
    output = wrapper.config.integer("projection_dim", 2048)
    wrapper.projector(sharded=False).linear("linear", output, width, bias=True, quantizable=False)
    wrapper.read_language()


def idefics3(wrapper: Wrapper) -> None:
    """Idefics3 and SmolVLM: SigLIP-like tower, pixels shuffled into one matrix; the head stands outside."""
    vision = wrapper.vision
    place = TowerPlace("model.vision_model", post_norm=True, inner="")
    width = vision.integer("hidden_size", 1152)
    defaults = {"hidden_size": 1152, "num_attention_heads": 16, "patch_size": 32}
    fixed_towers.siglip(wrapper.collection, vision, place, defaults=defaults, position_ids=False)
    scale = wrapper.config.integer("scale_factor", 2)
    connector = wrapper.projector("model.connector", sharded=False)
    connector.linear("modality_projection.proj", wrapper.text.hidden_size, width * scale**2)
    wrapper.read_language(prefix="", root="model.text_model", own_word=True)


def cohere2_vision(wrapper: Wrapper) -> None:
    """Command A Vision: SigLIP, pixels shuffled, a gated projector."""
    vision, config = wrapper.vision, wrapper.config
    fixed_towers.siglip(wrapper.collection, vision, TowerPlace("vision_tower"))
    factor, inner = config.integer("downsample_factor", 2), config.integer("alignment_intermediate_size", 36864)
    projector = wrapper.projector()
    inputs = vision.integer("hidden_size", 768) * factor**2
    projector.column("linear_1", inner, inputs, bias=True)
    projector.row("linear_2", wrapper.text.hidden_size, inner // 2, bias=True)
    wrapper.read_language()


def internvl_chat(wrapper: Wrapper) -> None:
    """InternVL in its own format, H2OVL, NVLM, Skywork R1V: InternViT to ``select_layer``, projector kept whole."""
    config, vision = wrapper.config, wrapper.vision
    if vision.text("model_type", "intern_vit_6b") not in {"intern_vit_6b", "internvl_vision"}:
        field = vision.field("model_type")
        raise UnknownFact(f"{field}: {vision.text('model_type')!r} is not a known tower of InternVL", field=field)
    whole, selected = vision.integer("num_hidden_layers"), config.values.get("select_layer", -1)
    if isinstance(selected, bool) or not isinstance(selected, int):
        raise UnknownFact(f"select_layer: {str(selected)[:40]!r} is not a layer", field="select_layer")
    built = _within(config, "select_layer", whole + selected + 1 if selected < 0 else selected + 1, whole)
    place = TowerPlace("vision_model", IMAGE_AND_VIDEO, data_parallel=True, layers=built)
    nvlm = wrapper.architecture == "NVLM_D"
    fixed_towers.intern_vit(wrapper.collection, vision, place, more_heads=NVLM_HEADS if nvlm else 0)
    ratio = config.number("downsample_ratio", 0.5) or 0.5
    inputs, hidden = vision.integer("hidden_size") * int(1 / ratio) ** 2, wrapper.text.hidden_size
    projector = wrapper.projector("mlp1", modalities=IMAGE_AND_VIDEO, sharded=False)
    projector.norm("0", inputs, bias=True)
    between = wrapper.text.intermediate_size if nvlm else hidden
    projector.linear("1", between, inputs, bias=not nvlm, quantizable=False)
    projector.linear("3", hidden, between, bias=not nvlm, quantizable=False)
    section = "llm_config" if config.has("llm_config") else "text_config"
    wrapper.read_language(section=section)


def internvl_hf(wrapper: Wrapper) -> None:
    """InternVL and InternS1 in transformers' format: every block is built, whatever ``vision_feature_layer`` says."""
    config, vision = wrapper.config, wrapper.vision
    place = TowerPlace("vision_tower", IMAGE_AND_VIDEO, quantizable=False)
    fixed_towers.interns1_vit(wrapper.collection, vision, place)
    ratio = config.number("downsample_ratio", 0.5) or 0.5
    inputs = vision.integer("hidden_size", 1024) * int(1 / ratio) ** 2
    hidden = wrapper.text.hidden_size
    projector = wrapper.projector(modalities=IMAGE_AND_VIDEO, sharded=False)
    projector.norm("layer_norm", inputs, bias=True)
    projector.linear("linear_1", hidden, inputs, bias=True, quantizable=False)
    projector.linear("linear_2", hidden, hidden, bias=True, quantizable=False)
    wrapper.read_language()


def llama4(wrapper: Wrapper) -> None:
    """Llama 4: tower with its adapter, one projector matrix."""
    vision = wrapper.vision
    place = TowerPlace("vision_model", data_parallel=True, quantizable=False)
    fixed_towers.llama4_vision(wrapper.collection, vision, place)
    inputs = vision.integer("vision_output_dim", 7680)
    wrapper.projector().column("linear_1", wrapper.text.hidden_size, inputs, quantizable=False)
    LANGUAGE_MODELS["Llama4ForCausalLM"](wrapper.language())


MODELS: Final[dict[str, Callable[[Wrapper], None]]] = {
    "LlavaForConditionalGeneration": llava,
    "LlavaNextForConditionalGeneration": llava_next,
    "LlavaNextVideoForConditionalGeneration": llava_next_video,
    "LlavaOnevisionForConditionalGeneration": llava_onevision,
    "MiniCPMV4_6ForConditionalGeneration": minicpmv4_6,
    "Mistral3ForConditionalGeneration": mistral3,
    "Gemma3ForConditionalGeneration": gemma3,
    "PaliGemmaForConditionalGeneration": paligemma,
    "Idefics3ForConditionalGeneration": idefics3,
    "SmolVLMForConditionalGeneration": idefics3,
    "Cohere2VisionForConditionalGeneration": cohere2_vision,
    "H2OVLChatModel": internvl_chat,
    "InternVLChatModel": internvl_chat,
    "NVLM_D": internvl_chat,
    "SkyworkR1VChatModel": internvl_chat,
    "InternVLForConditionalGeneration": internvl_hf,
    "InternS1ForConditionalGeneration": internvl_hf,
    "LightOnOCRForConditionalGeneration": mistral3,
    "Llama4ForConditionalGeneration": llama4,
}
"""Architectures and their readers."""
