"""Readers of the families that cut images into tiles, slices, windows or crops.

Defaults of ``preprocessor_config.json`` are those of the published checkpoints (Hugging Face; named in each reader).
"""

from __future__ import annotations

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import reads, text_config, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import (
    AnyResolution,
    AspectTiles,
    CandidateCanvases,
    CanvasTiles,
    LongestEdgeTiles,
    MultimodalFacts,
    OverlapCrops,
    SliceLayout,
    Slices,
    UpscaleTiles,
    VideoText,
    WindowPatches,
)


@reads("Llama4ForConditionalGeneration", model_types=("llama4",))
def read_llama4(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Llama 4: tiles of 336 pixels, 16 at most (``meta-llama/Llama-4-Scout-17B-16E-Instruct``)."""
    side, patches = vision_grid(config.section("vision_config"), 336, 14)
    ratio = config.section("vision_config").number("pixel_shuffle_ratio", 0.5) or 0.5
    return MultimodalFacts(
        "llama4",
        ("image",),
        CanvasTiles(
            tile_size=side,
            tokens_per_tile=patches**2 // round(1 / ratio**2),
            max_tiles=files.image.integer("max_patches", 16),
            resize_to_max_canvas=files.image.boolean("resize_to_max_canvas", False),
        ),
    )


@reads("LlavaNextForConditionalGeneration", model_types=("llava_next",))
def read_llava_next(config: Config, files: Preprocessor) -> MultimodalFacts:
    """LLaVA-NeXT (``llava-hf/llava-v1.6-mistral-7b-hf``: CLIP 336, five pinpoints)."""
    side, patches, base = selected_tokens(config, "default")
    pinpoints = _pinpoints(config, ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)))
    return MultimodalFacts("llava_next", ("image",), AnyResolution(side, patches, base, pinpoints))


@reads("LlavaOnevisionForConditionalGeneration", "BeeForConditionalGeneration", model_types=("llava_onevision",))
def read_llava_onevision(config: Config, files: Preprocessor) -> MultimodalFacts:
    """LLaVA-OneVision (``llava-hf/llava-onevision-qwen2-7b-ov-hf``: SigLIP 384, 36 pinpoints, nine tiles at most)."""
    side, patches, base = selected_tokens(config, "full")
    sides = [side * count for count in range(1, 7)]
    pinpoints = _pinpoints(config, tuple((height, width) for height in sides for width in sides))
    pooled = -(-patches // config.integer("spatial_pool_stride", 2))
    return MultimodalFacts(
        "llava_onevision",
        ("image", "video"),
        AnyResolution(
            side,
            patches,
            base,
            pinpoints,
            max_tiles=9,
            frame_tokens=pooled * pooled,
            max_video_frames=16,
            largest_image=(1153, 944),
        ),
    )


def selected_tokens(config: Config, strategy: str) -> tuple[int, int, int]:
    """(side of a view, patches a side, tokens that the model keeps of a view) of a CLIP or SigLIP encoder.

    Raises:
        UnknownFact: another vision encoder.
    """
    vision = config.section("vision_config")
    kind = vision.text("model_type", "clip_vision_model")
    strategy = config.text("vision_feature_select_strategy", strategy) or strategy
    if kind == "clip_vision_model":
        side, patches = vision_grid(vision, 336, 14)
        tokens = patches**2 + 1
    elif kind == "siglip_vision_model":
        side, patches = vision_grid(vision, 384, 14)
        tokens = patches**2
    else:
        raise UnknownFact(
            f"vision_config.model_type: the token count of {kind!r} in {config.text('model_type')} is not known",
            field="vision_config.model_type",
        )
    kept = {"class": 1, "default": tokens - 1, "full": tokens}.get(strategy)
    if kept is None:
        raise InputError(
            f"vision_feature_select_strategy: {strategy[:40]!r} is none of class, default, full",
            field="vision_feature_select_strategy",
        )
    return side, patches, kept


def _pinpoints(config: Config, default: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    listed = config.items("image_grid_pinpoints")
    if listed is None:
        return default
    pinpoints = []
    for pair in listed:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InputError(
                f"image_grid_pinpoints: {str(pair)[:40]!r} is not a pair (height, width)", field="image_grid_pinpoints"
            )
        point = Config({"height": pair[0], "width": pair[1]}, "image_grid_pinpoints")
        pinpoints.append((point.integer("height"), point.integer("width")))
    if not 1 <= len(pinpoints) <= 1024:
        raise InputError(
            f"image_grid_pinpoints: {len(pinpoints)} resolutions are not between 1 and 1024",
            field="image_grid_pinpoints",
        )
    return tuple(pinpoints)


_VIDEO_TEXT_MODELS = ("qwen2", "qwen3", "qwen3_moe", "gpt_oss")
"""Language models for which vLLM's InternVL knows a video token (``models/internvl.py: ctx_video_token``)."""

_QWEN2_5_VOCABULARY = 151_665
"""Tokens of Qwen2.5's tokenizer, the first with ``<|video_pad|>``; Qwen2's has 151,646."""


@reads("InternVLChatModel", model_types=("internvl_chat",))
def read_internvl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """InternVL 1.5 to 3.5 in OpenGVLab's format: all values are in ``config.json``."""
    text = text_config(config)
    video = text.text("model_type") in _VIDEO_TEXT_MODELS and (
        text.text("model_type") != "qwen2" or text.integer("vocab_size", _QWEN2_5_VOCABULARY) >= _QWEN2_5_VOCABULARY
    )
    return MultimodalFacts(
        "internvl",
        ("image", "video") if video else ("image",),
        aspect_tiles(config, tiles_knob=None if video else "max_dynamic_patch"),
    )


def aspect_tiles(config: Config, *, tiles_knob: str | None) -> AspectTiles:
    """Tiles as InternVL's config describes them."""
    side, patches = vision_grid(config.section("vision_config"), 448, 14)
    ratio = config.number("downsample_ratio", 0.5) or 0.5
    dynamic = config.boolean("dynamic_image_size", True)
    return AspectTiles(
        tile_size=side,
        tokens_per_tile=int(patches**2 * ratio**2),
        min_tiles=config.integer("min_dynamic_patch", 1) if dynamic else 1,
        max_tiles=config.integer("max_dynamic_patch", 12) if dynamic else 1,
        use_thumbnail=config.boolean("use_thumbnail", True),
        tiles_knob=tiles_knob,
        video_text=VideoText.FRAME,
    )


@reads("NemotronH_Nano_VL_V2", model_types=("NemotronH_Nano_VL_V2",))
def read_nemotron_nano_vl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Nemotron Nano VL 12B v2 (``nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16``: tiles of 512 pixels, 12 at most)."""
    arguments = config.section("vision_config").section("args")
    if arguments.has("min_num_patches") or config.has("sound_config"):
        raise UnknownFact(
            "vision_config.args.min_num_patches: the token count of this model's dynamic resolution is not known",
            field="vision_config.args.min_num_patches",
        )
    side = config.integer("force_image_size", 512)
    ratio = config.number("downsample_ratio", 0.5) or 0.5
    patches = side // config.integer("patch_size", 16)
    return MultimodalFacts(
        "nemotron_nano_vl",
        ("image", "video"),
        AspectTiles(
            tile_size=side,
            tokens_per_tile=int(patches**2 * ratio**2),
            min_tiles=1,
            max_tiles=12,
            use_thumbnail=config.boolean("use_thumbnail", True),
            tiles_knob="max_num_tiles",
            video_text=VideoText.SAMPLED,
            video_fills_context=True,
        ),
    )


@reads("Idefics3ForConditionalGeneration", model_types=("idefics3",))
def read_idefics3(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Idefics3 (``HuggingFaceM4/Idefics3-8B-Llama3``: longest edge 1456, tiles of 364 pixels, 169 tokens each)."""
    return MultimodalFacts("idefics3", ("image",), longest_edge_tiles(files, edge=1456, tile=364, tokens=169))


def longest_edge_tiles(files: Preprocessor, *, edge: int, tile: int, tokens: int) -> LongestEdgeTiles:
    """Tiles as the preprocessor files describe them, over the published defaults of a checkpoint."""
    return LongestEdgeTiles(
        longest_edge=files.longest_edge(edge),
        tile_size=files.longest_edge(tile, "max_image_size"),
        tokens_per_tile=files.processor.integer("image_seq_len", tokens),
        split=files.image.boolean("do_image_splitting", True),
    )


@reads("Cohere2VisionForConditionalGeneration", model_types=("cohere2_vision",))
def read_cohere2_vision(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Command A Vision (``CohereLabs/command-a-vision-07-2025``: tiles of 512 pixels, 12 at most)."""
    side = files.image.section("size").integer("height", 512)
    vision = config.section("vision_config")
    patches = vision.integer("image_size", 512) // vision.integer("patch_size", 16)
    per_side = files.processor.integer("patch_size", patches // config.integer("downsample_factor", 2))
    return MultimodalFacts(
        "cohere2_vision",
        ("image",),
        UpscaleTiles(
            tile_size=side,
            tokens_per_tile=per_side**2,
            max_tiles=files.image.integer("max_patches", 12),
            crop_to_tiles=files.image.boolean("crop_to_patches", True),
        ),
    )


@reads("DeepseekVLV2ForCausalLM", model_types=("deepseek_vl_v2",))
def read_deepseek_vl2(config: Config, files: Preprocessor) -> MultimodalFacts:
    """DeepSeek-VL2: canvases of 384-pixel tiles listed in config and processor config."""
    listed = files.processor.items("candidate_resolutions") or config.items("candidate_resolutions")
    if listed is None:
        raise UnknownFact(
            "candidate_resolutions is missing from the config and has no known default",
            field="candidate_resolutions",
            hint="give the model's complete config.json",
        )
    patch = files.processor.integer("patch_size", 14)
    side = config.section("vision_config").integer("image_size", 384)
    ratio = files.processor.integer("downsample_ratio", 2)
    canvases = []
    for pair in listed[:1024]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InputError(f"candidate_resolutions: {str(pair)[:40]!r} is not a pair", field="candidate_resolutions")
        entry = Config({"width": pair[0], "height": pair[1]}, "candidate_resolutions")
        canvases.append((entry.integer("width"), entry.integer("height")))
    return MultimodalFacts(
        "deepseek_vl2", ("image",), CandidateCanvases(side, -(-(side // patch) // ratio), tuple(canvases))
    )


@reads("Step3VLForConditionalGeneration", model_types=("step3_vl",))
def read_step3(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Step3: vLLM's own processor (a view of 728 pixels and 169 tokens, windows of 504 pixels and 81 tokens)."""
    enabled = config.section("vision_config").boolean("enable_patch", True)
    return MultimodalFacts("step3_vl", ("image",), WindowPatches(169, 81, enabled))


@reads("MiniCPMV4_6ForConditionalGeneration", model_types=("minicpmv4_6",))
def read_minicpmv4_6(config: Config, files: Preprocessor) -> MultimodalFacts:
    """MiniCPM-V 4.6 (transformers' processor defaults: slices of 448 pixels, 9 at most, 16 patches a token)."""
    return MultimodalFacts(
        "minicpmv4_6",
        ("image", "video"),
        Slices(
            SliceLayout.MERGED,
            patch_size=files.image.integer("patch_size", 14),
            scale_resolution=files.image.integer("scale_resolution", 448),
            max_slices=files.image.integer("max_slice_nums", 9),
            video_slices=files.video.integer("max_slice_nums", 9),
            dummy_side=config.integer("image_size", 448),
            dummy_slices=9,
        ),
    )


@reads("MolmoForCausalLM", model_types=("molmo",))
def read_molmo(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Molmo (``allenai/Molmo-7B-D-0924``: crops of 336 pixels overlapping by 4 patches on each side, 12 at most)."""
    margins = files.image.items("overlap_margins") or [4, 4]
    overlap = Config({"left": margins[0], "right": margins[-1]}, "preprocessor_config.overlap_margins")
    return MultimodalFacts(
        "molmo",
        ("image",),
        OverlapCrops(
            crop_size=336,
            patch_size=files.image.integer("image_patch_size", 14),
            left_margin=overlap.integer("left", least=0),
            right_margin=overlap.integer("right", least=0),
            max_crops=files.image.integer("max_crops", 12),
            view_side_tokens=files.image.integer("image_token_length_w", 12),
        ),
    )
