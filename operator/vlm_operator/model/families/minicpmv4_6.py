"""MiniCPM-V 4.6 and 4.7: SigLIP, windows of patches merged inside the tower and once more before the language model.

Sources: vLLM 0.32 ``model_executor/models/minicpmv4_6.py``, 0.33 ``minicpmv4_7.py``; transformers' processor (slices of
448 pixels, 9 at most, 16 patches a token).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Tying, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, SliceLayout, Slices
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights.lists import pair
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_LATER: Final = "MiniCPMV4_7ForConditionalGeneration"
_PLACE: Final = TowerPlace("vpm", IMAGE, data_parallel=True)


def _tower(config: Config) -> SquareTower:
    vision = config.section("vision_config").over(SIGLIP)
    whole = vision.integer("num_hidden_layers")
    return SquareTower.read(
        vision,
        SIGLIP,
        merge_size=4,
        output_size=text_width(config),
        built=whole - 1 if config.boolean("drop_vision_last_layer", False) else whole,
        post_norm=True,
        position_ids=False,
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """MiniCPM-V 4.6 and 4.7 (transformers' processor defaults: slices of 448 pixels, 9 at most, 16 patches a token)."""
    later = config.text("model_type") == "minicpmv4_7" or _LATER in (config.items("architectures") or [])
    return MultimodalFacts(
        "minicpmv4_7" if later else "minicpmv4_6",
        ("image", "video"),
        Slices(
            SliceLayout.MERGED,
            patch_size=files.image.integer("patch_size", 14),
            scale_resolution=files.image.integer("scale_resolution", 448),
            max_slices=files.image.integer("max_slice_nums", 9),
            video_slices=files.video.integer("max_slice_nums", 9),
            dummy_side=config.integer("image_size", 448),
            dummy_slices=9,
            numbered_video=not later,
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    config, tower = wrapper.config, _tower(wrapper.config)
    if config.integer("merger_times", 1) != 1:
        raise UnknownFact("merger_times: the weights of more than one merger are not known", field="merger_times")
    width, inner = tower.width, tower.inner
    tower.build(wrapper.collection, _PLACE)
    window = wrapper.collection.tower("vit_merger", 1, modalities=IMAGE, data_parallel=True)
    window.qkv("self_attn", tower.heads, tower.heads, tower.head_size, width, bias=True)
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


FAMILY: Final = Family(
    name="minicpmv4_6",
    variants=(
        Variant(
            architecture="MiniCPMV4_6ForConditionalGeneration", model_types=("minicpmv4_6",), nested="qwen3_5_text"
        ),
        Variant(architecture=_LATER, model_types=("minicpmv4_7",), nested="qwen3_5_text"),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.SECTION,
)
