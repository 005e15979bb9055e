"""How large is the vision encoder? Its dimensions: the config's, its class's defaults, or those that vLLM fixes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model import registry
from vlm_operator.model.config import Config
from vlm_operator.model.facts import VisionTower
from vlm_operator.model.multimodal.families import LEAST_SHUFFLE_RATIO, square_side, text_config
from vlm_operator.model.multimodal.fixed_towers import FIXED_TOWERS
from vlm_operator.model.multimodal.tower_defaults import filled_tower

_LARGEST_RATIO = 64
"""No published tower is wider inside than some eight times its width."""
_SECTIONS = ("vision_config", "vit_config", "vision_encoder")

_MERGE_OF_MODEL: Final[Mapping[str, int]] = {
    "NVLM_D": 2,
    "chatglm": 2,
    "h2ovl_chat": 2,
    "internvl": 2,
    "internvl_chat": 2,
    "interns1": 2,
    "lfm2_vl": 2,
    "minicpmo": 4,
    "minicpmv": 4,
    "minicpmv4_6": 4,
    "minicpmv4_7": 4,
    "step3_vl": 4,
}
"""Patches per side that become one token where the config does not say, by ``model_type`` of the whole: defaults of
transformers' classes, and what vLLM 0.32 fixes (``EVA2CLIPModel.conv``; ``minicpmv.py`` and ``minicpmv4_6.py``: 64
outputs of a slice of 1,024 patches; ``step3_vl.py``: two convolutions)."""

_SLICE_SIDE: Final = 448
"""Pixels along a slice of MiniCPM-V (``scale_resolution``); a resampler makes ``query_num`` outputs of its patches."""


def read_vision_tower(config: Mapping[str, Any]) -> VisionTower | None:
    """Dimensions of the vision encoder, None for a text model or where neither config nor class says them.

    Field names differ by family; the first that is there counts: ``depth`` and ``num_hidden_layers``, ``embed_dim`` and
    ``hidden_size``, ``num_heads`` and ``num_attention_heads``.

    Raises:
        InputError: a field has a value that it cannot have.
    """
    view = Config(config)
    known = registry.family_of(view)
    if known is not None:
        try:
            tower = known.family.tower(view)
        except UnknownFact:
            return None
        return tower.facts if tower else None
    for architecture in view.items("architectures") or []:
        if architecture in FIXED_TOWERS:
            return FIXED_TOWERS[architecture](view)
    if view.has("thinker_config"):
        view = view.section("thinker_config")
    section = next((key for key in _SECTIONS if view.has(key)), None)
    if section is None:
        return None
    vision = filled_tower(view.section(section), view.text("model_type") or "")
    try:
        width = _first(vision, "embed_dim", "hidden_size")
        return VisionTower(
            layers=_first(vision, "depth", "num_hidden_layers"),
            hidden_size=width,
            intermediate_size=_intermediate(vision, width),
            attention_heads=_first(vision, "num_heads", "num_attention_heads"),
            patch_size=square_side(vision, "patch_size"),
            merge_size=_merge(vision, view),
            output_size=_output(vision, view),
            deepstack_levels=len(vision.items("deepstack_visual_indexes") or []),
        )
    except UnknownFact:
        return None


def _first(section: Config, *keys: str) -> int:
    key = next((key for key in keys if section.has(key)), keys[-1])
    return section.integer(key)


def _intermediate(vision: Config, width: int) -> int:
    if vision.has("intermediate_size"):
        return vision.integer("intermediate_size")
    ratio = vision.number("mlp_ratio")
    if ratio is None:
        raise UnknownFact("vision_config.intermediate_size is missing", field="vision_config.intermediate_size")
    if not 0 < ratio <= _LARGEST_RATIO:
        field = vision.field("mlp_ratio")
        raise InputError(f"{field}: {ratio} is not above 0 and up to {_LARGEST_RATIO}", field=field)
    return int(width * ratio)


def _merge(vision: Config, view: Config) -> int:
    """Patches per side that become one token, under the name that the family gives it.

    Most ``spatial_merge_size``, others ``pooling_kernel_size`` or ``merge_kernel_size``, Idefics3
    ``scale_factor``, Command A ``downsample_factor``, Ovis ``hidden_stride``; Llama 4 ``pixel_shuffle_ratio`` and
    InternVL ``downsample_ratio`` are its inverse; Gemma 3 says how many tokens an image of fixed size becomes,
    MiniCPM-V how many a slice; Step3 strides twice.
    """
    for section, key in (
        (vision, "spatial_merge_size"),
        (view, "spatial_merge_size"),
        (vision, "pooling_kernel_size"),
        (vision, "hidden_stride"),
        (view, "scale_factor"),
        (view, "downsample_factor"),
    ):
        if section.has(key):
            return section.integer(key)
    kernel = vision.items("merge_kernel_size")
    if kernel:
        return Config({"merge_kernel_size": kernel[0]}).integer("merge_kernel_size")
    ratio = vision.number("pixel_shuffle_ratio", view.number("downsample_ratio"))
    if ratio and 0 < ratio <= 1:
        return max(1, round(1 / max(ratio, LEAST_SHUFFLE_RATIO)))
    tokens = view.integer("mm_tokens_per_image", 0, least=0)
    if tokens and vision.has("image_size"):
        side = square_side(vision, "image_size") // square_side(vision, "patch_size")
        return max(1, math.isqrt(side * side // tokens))
    if view.has("query_num"):
        side = max(1, _SLICE_SIDE // square_side(vision, "patch_size"))
        return max(1, math.isqrt(side * side // view.integer("query_num")))
    if view.has("understand_projector_stride"):
        return 2 * view.integer("understand_projector_stride")
    return _MERGE_OF_MODEL.get(view.text("model_type") or "", 1)


def _output(vision: Config, view: Config) -> int:
    """Encoder outputs are as wide as the language model's embeddings (0 where the config leaves those to a default),
    unless the tower says otherwise.
    """
    if vision.has("out_hidden_size"):
        return vision.integer("out_hidden_size")
    if vision.has("embed_dim"):  # Qwen2-VL: hidden_size is the language model's
        return vision.integer("hidden_size")
    return text_config(view).integer("hidden_size", 0, least=0)
