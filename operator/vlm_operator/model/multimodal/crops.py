"""Readers of the families that cut images into slices, windows, crops or parts.

Defaults of ``preprocessor_config.json`` are those of the published checkpoints (Hugging Face; named in each reader).
"""

from __future__ import annotations

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import patches_along, reads
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import (
    CoveringPartition,
    DynamicHd,
    HdTransform,
    MultimodalFacts,
    NaflexTiles,
    OverlapCrops,
    PooledCrops,
    SliceLayout,
    Slices,
    WindowPatches,
)


@reads(
    "Step3VLForConditionalGeneration",
    "StepVLForConditionalGeneration",
    "Step3p7ForConditionalGeneration",
    model_types=("step3_vl", "step_robotics", "step3p7"),
)
def read_step3(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Step3, Step3-VL-10B and Step 3.7: vLLM's own processor.

    A view of 728 pixels and 169 tokens, windows of 504 pixels and 81 tokens.
    """
    enabled = config.section("vision_config").boolean("enable_patch", True)
    return MultimodalFacts("step3_vl", ("image",), WindowPatches(169, 81, enabled))


@reads(
    "MiniCPMV4_6ForConditionalGeneration",
    "MiniCPMV4_7ForConditionalGeneration",
    model_types=("minicpmv4_6", "minicpmv4_7"),
)
def read_minicpmv4_6(config: Config, files: Preprocessor) -> MultimodalFacts:
    """MiniCPM-V 4.6 and 4.7 (transformers' processor defaults: slices of 448 pixels, 9 at most, 16 patches a token)."""
    later = config.text("model_type") == "minicpmv4_7" or "MiniCPMV4_7ForConditionalGeneration" in (
        config.items("architectures") or []
    )
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


@reads("Molmo2ForConditionalGeneration", model_types=("molmo2",))
def read_molmo2(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Molmo 2: crops, pooling and marks stand in the preprocessor files only.

    Raises:
        UnknownFact: one of these files is missing.
    """
    if not files.image.values or not files.processor.values:
        missing = "processor_config" if files.image.values else "preprocessor_config"
        raise UnknownFact(
            f"{missing}.json is missing, and the crops and marks of Molmo 2 have no known default",
            field=missing,
            hint=f"put {missing}.json beside config.json",
        )
    size = files.image.section("size").integer("height", 378)
    patch = files.image.integer("patch_size", 14)
    frame = files.video.section("size").integer("height", size)
    left, right = _pair(files.image, "overlap_margins", (4, 4), least=0)
    if left + right >= patches_along(size, patch, "preprocessor_config.patch_size"):
        raise InputError(
            f"preprocessor_config.overlap_margins: {left} and {right} leave nothing of a crop",
            field="preprocessor_config.overlap_margins",
        )
    columns = files.processor.boolean("image_use_col_tokens", True)
    return MultimodalFacts(
        "molmo2",
        ("image", "video"),
        PooledCrops(
            crop_size=size,
            patch_size=patch,
            left_margin=left,
            right_margin=right,
            max_crops=files.image.integer("max_crops", 8),
            pooling=_pair(files.image, "pooling_size", (2, 2)),
            column_marks=columns,
            view_column_marks=files.processor.boolean("use_single_crop_col_tokens", columns),
            frame_size=frame,
            frame_pooling=_pair(files.video, "pooling_size", (3, 3)),
            frame_column_marks=files.processor.boolean("video_use_col_tokens", False),
            max_video_frames=files.video.integer("num_frames", 384),
        ),
        item_limits=(("video", 1),),
    )


def _pair(file: Config, key: str, default: tuple[int, int], *, least: int = 1) -> tuple[int, int]:
    """Two whole numbers that a file lists."""
    listed = file.items(key)
    if listed is None:
        return default
    if len(listed) != 2:
        raise InputError(f"{file.field(key)}: {str(listed)[:40]} is not a pair", field=file.field(key))
    pair = Config({"first": listed[0], "second": listed[1]}, file.field(key))
    return pair.integer("first", least=least), pair.integer("second", least=least)


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
        audio_frames=2 if omni else 0,
    )


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
        audio_opens_with_convolutions=True,
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
