"""Readers of the families that cut images into tiles, slices, windows or crops.

Defaults of ``preprocessor_config.json`` are those of the published checkpoints (Hugging Face; named in each reader).
"""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import reads, text_config, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import (
    AnyResolution,
    AspectTiles,
    CandidateCanvases,
    CanvasTiles,
    CoveringPartition,
    DynamicHd,
    GridChoice,
    HdTransform,
    LongestEdgeTiles,
    MultimodalFacts,
    NaflexTiles,
    OcrViews,
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


@reads("Idefics3ForConditionalGeneration", "SmolVLMForConditionalGeneration", model_types=("idefics3", "smolvlm"))
def read_idefics3(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Idefics3 and SmolVLM: tiles as large as the encoder's image, the longest edge four of them.

    So it is in the published preprocessor files of ``HuggingFaceM4/Idefics3-8B-Llama3`` (364 and 1456 pixels),
    ``HuggingFaceTB/SmolVLM-Instruct`` (384 and 1536) and ``SmolVLM-256M-Instruct`` (512 and 2048).
    """
    side, patches = vision_grid(config.section("vision_config"), 364, 14)
    tile = files.longest_edge(side, "max_image_size")
    tokens = (patches // config.integer("scale_factor", 2)) ** 2
    return MultimodalFacts(
        "smolvlm" if config.text("model_type") == "smolvlm" else "idefics3",
        ("image",),
        LongestEdgeTiles(
            longest_edge=files.longest_edge(4 * tile),
            tile_size=tile,
            tokens_per_tile=files.processor.integer("image_seq_len", tokens),
            split=files.image.boolean("do_image_splitting", True),
        ),
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


_MINICPM_VIDEO_VERSIONS = ("2.6", "4.0", "4.5")


@reads("MiniCPMV", "MiniCPMO", model_types=("minicpmv", "minicpmo"))
def read_minicpmv(config: Config, files: Preprocessor) -> MultimodalFacts:
    """MiniCPM-V 2.6, 4.0 and 4.5 and MiniCPM-o (``openbmb/MiniCPM-V-2_6``: slices of 448 pixels, 64 tokens each).

    Raises:
        UnknownFact: MiniCPM-V 2.0 and 2.5, which write slices differently.
    """
    version = str(config.values.get("version", ""))
    if version not in _MINICPM_VIDEO_VERSIONS:
        raise UnknownFact(
            f"version: the token count of MiniCPM-V {version or 'before 2.6'} is not known",
            field="version",
            hint=f"known: {', '.join(_MINICPM_VIDEO_VERSIONS)} and 4.6",
        )
    omni = "MiniCPMO" in (config.items("architectures") or ["MiniCPMV"])
    pool_step = config.integer("audio_pool_step", 2)
    return MultimodalFacts(
        "minicpmo" if omni else "minicpmv",
        ("image", "video", "audio") if omni else ("image", "video"),
        Slices(
            SliceLayout.RESAMPLED,
            patch_size=files.image.integer("patch_size", 14),
            scale_resolution=files.image.integer("scale_resolution", 448),
            max_slices=files.image.integer("max_slice_nums", 9),
            tokens_per_slice=files.image.integer("image_feature_size", config.integer("query_num", 64)),
            video_slices=1,
            dummy_side=config.integer("image_size", 448),
            dummy_slices=config.integer("max_slice_num", 9),
        ),
        audio_tokens=30 * ((50 - pool_step) // pool_step + 1) if omni else 0,
    )


@reads("H2OVLChatModel", model_types=("h2ovl_chat",))
def read_h2ovl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """H2OVL-Mississippi: InternVL's tiles, twice over where ``use_msac`` is set."""
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    two_passes = config.boolean("use_msac", False)
    return MultimodalFacts("h2ovl", ("image",), replace(processor, two_passes=two_passes))


@reads("NVLM_D", model_types=("NVLM_D",))
def read_nvlm(config: Config, files: Preprocessor) -> MultimodalFacts:
    """NVLM-D: InternVL's tiles, a tag before each, a newline after the image."""
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    return MultimodalFacts("nvlm", ("image",), replace(processor, tile_tags=True, wrapper_tokens=3))


@reads("SkyworkR1VChatModel", "QianfanOCRForConditionalGeneration", "Eagle2_5_VLForConditionalGeneration")
def read_internvl_image_only(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Skywork-R1V, Qianfan-OCR and Eagle 2.5: InternVL's tiles, images only in vLLM."""
    architecture = (config.items("architectures") or [""])[0]
    family = {
        "SkyworkR1VChatModel": "skyworkr1v",
        "QianfanOCRForConditionalGeneration": "qianfan_ocr",
        "Eagle2_5_VLForConditionalGeneration": "eagle2_5_vl",
    }[architecture]
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    if family == "eagle2_5_vl" and config.has("force_image_size"):
        side = config.integer("force_image_size")
        ratio = config.number("downsample_ratio", 0.5) or 0.5
        patches = side // config.section("vision_config").integer("patch_size", 14)
        processor = replace(processor, tile_size=side, tokens_per_tile=int(patches**2 * ratio**2))
    return MultimodalFacts(family, ("image",), processor)


@reads("Llama_Nemotron_Nano_VL", model_types=("Llama_Nemotron_Nano_VL",))
def read_llama_nemotron_vl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Llama Nemotron Nano VL 8B v1 (``nvidia/Llama-3.1-Nemotron-Nano-VL-8B-V1``: tiles of 512 pixels, 12 at most)."""
    side = files.image.integer("image_size", config.integer("force_image_size", 512))
    vision = config.section("vision_config")
    patches = side // vision.integer("patch_size", 16)
    ratio = config.number("downsample_ratio", 0.5) or 0.5
    return MultimodalFacts(
        "nemotron_vl",
        ("image",),
        AspectTiles(
            tile_size=side,
            tokens_per_tile=int(patches**2 * ratio**2),
            min_tiles=1,
            max_tiles=files.image.integer("max_num_tiles", 12),
            use_thumbnail=files.image.boolean("use_thumbnail", True),
            tiles_knob="max_num_tiles",
            grid_choice=GridChoice.COVERED_AREA,
        ),
    )


@reads(
    "InternVLForConditionalGeneration",
    "InternS1ForConditionalGeneration",
    model_types=("internvl", "interns1"),
)
def read_internvl_hf(config: Config, files: Preprocessor) -> MultimodalFacts:
    """InternVL 3 and Intern-S1 in Hugging Face's format (``OpenGVLab/InternVL3-8B-hf``: 448 pixels, 12 tiles at most).

    The published preprocessor files switch cropping off and the processor switches it on: start-up then takes one tile
    for the largest image, while requests are cut into tiles.
    """
    side, patch = (
        _pair(config.section("vision_config"), "image_size", 448),
        _pair(config.section("vision_config"), "patch_size", 14),
    )
    ratio = config.number("downsample_ratio", 0.5) or 0.5
    cropped = files.image.boolean("crop_to_patches", False)
    return MultimodalFacts(
        "internvl_hf",
        ("image", "video"),
        AspectTiles(
            tile_size=side,
            tokens_per_tile=files.processor.integer(
                "image_seq_length", config.integer("image_seq_length", int((side // patch) ** 2 * ratio**2))
            ),
            min_tiles=files.image.integer("min_patches", 1),
            max_tiles=files.image.integer("max_patches", 12),
            use_thumbnail=True,
            tiles_knob="max_patches",
            video_text=VideoText.FRAME_LINES,
            largest_image=None if cropped else (side, side),
        ),
    )


def _pair(section: Config, key: str, default: int) -> int:
    """A side that the config writes once or as a pair."""
    value = section.values.get(key)
    if isinstance(value, list | tuple) and value:
        return Config({key: value[0]}, section.path).integer(key)
    return section.integer(key, default)


@reads("DeepseekOCRForCausalLM", model_types=("deepseek_ocr",))
def read_deepseek_ocr(config: Config, files: Preprocessor) -> MultimodalFacts:
    """DeepSeek-OCR: vLLM's fixed mode (a view of 1024 pixels, 2 to 6 tiles of 640, newline tokens)."""
    return MultimodalFacts("deepseek_ocr", ("image",), OcrViews(1024, 16, 640, 10, 2, 6, newlines=True))


@reads("DeepseekOCR2ForCausalLM", model_types=("deepseek_ocr2",))
def read_deepseek_ocr2(config: Config, files: Preprocessor) -> MultimodalFacts:
    """DeepSeek-OCR 2: vLLM's fixed mode (a view of 1024 pixels, 2 to 6 tiles of 768)."""
    return MultimodalFacts("deepseek_ocr2", ("image",), OcrViews(1024, 16, 768, 12, 2, 6, newlines=False))


@reads("Phi3VForCausalLM", model_types=("phi3_v",))
def read_phi3v(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Phi-3-vision and Phi-3.5-vision: crops of 336 pixels, 12x12 tokens each.

    Raises:
        UnknownFact: the number of crops, which differs by checkpoint and stands in ``preprocessor_config.json`` only.
    """
    crops = files.image.integer("num_crops", 0, least=0) or _PHI3_CROPS.get(
        (config.text("_name_or_path") or "").rpartition("/")[2], 0
    )
    if not crops:
        raise UnknownFact(
            "num_crops is missing from preprocessor_config.json and differs between Phi-3-vision checkpoints",
            field="preprocessor_config.num_crops",
            hint="put preprocessor_config.json beside config.json",
        )
    return MultimodalFacts("phi3_v", ("image",), HdTransform(336, 12, crops))


_PHI3_CROPS = {"Phi-3-vision-128k-instruct": 16, "Phi-3.5-vision-instruct": 4}
"""``num_crops`` of the published checkpoints, by the name that their configs carry."""


@reads("Phi4MMForCausalLM", model_types=("phi4mm",))
def read_phi4mm(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Phi-4-multimodal (``microsoft/Phi-4-multimodal-instruct``: crops of 448 pixels, 36 at most)."""
    return MultimodalFacts(
        "phi4mm",
        ("image", "audio"),
        DynamicHd(crop_size=448, patch_size=14, compression=2, max_crops=files.image.integer("dynamic_hd", 36)),
        audio_tokens=188,
    )


@reads("Lfm2VlForConditionalGeneration", model_types=("lfm2_vl",))
def read_lfm2_vl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """LFM2-VL (``LiquidAI/LFM2-VL-1.6B``: 64 to 256 tokens, tiles of 512 pixels, 2 to 10)."""
    image = files.image
    split = image.boolean("do_image_splitting", True)
    return MultimodalFacts(
        "lfm2_vl",
        ("image",),
        NaflexTiles(
            patch_size=image.integer("encoder_patch_size", 16),
            downsample=image.integer("downsample_factor", 2),
            min_tokens=image.integer("min_image_tokens", 64),
            max_tokens=image.integer("max_image_tokens", 256),
            tile_size=image.integer("tile_size", 512),
            min_tiles=image.integer("min_tiles", 2) if split else 1,
            max_tiles=image.integer("max_tiles", 10) if split else 1,
            tolerance=image.number("max_pixels_tolerance", 2.0) or 2.0,
        ),
    )


@reads("Ovis", model_types=("ovis",))
def read_ovis(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Ovis 1.6 and 2: parts of the encoder's image size, nine at most."""
    visual = config.section("visual_tokenizer_config")
    backbone = visual.section("backbone_config")
    side = backbone.integer("image_size", 448)
    stride = visual.integer("hidden_stride", 2)
    patches = -(-side // backbone.integer("patch_size", 14))
    return MultimodalFacts(
        "ovis",
        ("image",),
        CoveringPartition(side, (patches // stride) ** 2, dummy_side=side * stride * 9),
    )
