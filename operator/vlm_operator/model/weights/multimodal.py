"""Vision-language models: which tower, which projector, which language model, under which names.

Sources: vLLM 0.32, ``model_executor/models/``, the file named as the family; ``llava.py``
(``init_vision_tower_for_llava``) for how many blocks of a tower are built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.towers.depth import within
from vlm_operator.model.weights import fixed_towers
from vlm_operator.model.weights.fixed_towers import TowerPlace
from vlm_operator.model.weights.lists import pair
from vlm_operator.model.weights.wrapper import IMAGE, IMAGE_AND_VIDEO, Wrapper

NVLM_HEADS = 7
"""Heads that vLLM adds to NVLM's tower (``nvlm_d.py``, ``num_dummy_heads``)."""


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


def internvl_chat(wrapper: Wrapper) -> None:
    """InternVL in its own format, H2OVL, NVLM, Skywork R1V: InternViT to ``select_layer``, projector kept whole."""
    config, vision = wrapper.config, wrapper.vision
    if vision.text("model_type", "intern_vit_6b") not in {"intern_vit_6b", "internvl_vision"}:
        field = vision.field("model_type")
        raise UnknownFact(f"{field}: {vision.text('model_type')!r} is not a known tower of InternVL", field=field)
    whole, selected = vision.integer("num_hidden_layers"), config.values.get("select_layer", -1)
    if isinstance(selected, bool) or not isinstance(selected, int):
        raise UnknownFact(f"select_layer: {str(selected)[:40]!r} is not a layer", field="select_layer")
    built = within(config, "select_layer", whole + selected + 1 if selected < 0 else selected + 1, whole)
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


MODELS: Final[dict[str, Callable[[Wrapper], None]]] = {
    "MiniCPMV4_6ForConditionalGeneration": minicpmv4_6,
    "H2OVLChatModel": internvl_chat,
    "InternVLChatModel": internvl_chat,
    "NVLM_D": internvl_chat,
    "SkyworkR1VChatModel": internvl_chat,
    "InternVLForConditionalGeneration": internvl_hf,
    "InternS1ForConditionalGeneration": internvl_hf,
}
"""Architectures and their readers."""
