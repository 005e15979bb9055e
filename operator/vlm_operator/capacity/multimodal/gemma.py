"""Gemma 3 (one view, pan-and-scan crops where switched on) and Gemma 4 (a budget of soft tokens).

Sources: vLLM 0.32 ``model_executor/models/gemma3_mm.py: Gemma3ProcessingInfo`` and ``gemma4_mm.py:
Gemma4ProcessingInfo``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, count_video, dummy_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.capacity.multimodal.timestamps import whole_digits
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import InputError
from vlm_operator.model.processors import PanAndScan, SoftTokenBudget

_CROP_KNOBS = (
    "do_pan_and_scan",
    "pan_and_scan_min_crop_size",
    "pan_and_scan_max_num_crops",
    "pan_and_scan_min_ratio_to_activate",
)
_CROP_TEXT_TOKENS = 16
"""``Here is the original image … and here are some crops to help you see better …``; each crop adds a space."""
_SOFT_TOKEN_CHOICES = (70, 140, 280, 560, 1120)


@count_image.register
def _(processor: PanAndScan, image: Image, request: Request) -> ItemTokens:
    request.allow(*_CROP_KNOBS)
    crops = _crops(processor, image, request)
    tokens = (crops + 1) * processor.tokens_per_view
    text = _CROP_TEXT_TOKENS + crops if crops else 0
    return ItemTokens(tokens + (crops + 1) * processor.wrapper_tokens + text, tokens)


@largest_items.register
def _(processor: PanAndScan, request: Request) -> Mapping[str, int]:
    most = request.integer("image", "pan_and_scan_max_num_crops", processor.max_crops)
    image = dummy_image(request, processor.native_size, processor.native_size * most)
    return {"image": count_image(processor, image, request).encoder_tokens}


def _crops(processor: PanAndScan, image: Image, request: Request) -> int:
    """Crops of an elongated image, 0 where pan-and-scan is off or does not apply."""
    if not request.boolean("image", "do_pan_and_scan", processor.enabled):
        return 0
    smallest = request.integer("image", "pan_and_scan_min_crop_size", processor.min_crop_size)
    most = request.integer("image", "pan_and_scan_max_num_crops", processor.max_crops)
    ratio = request.scoped("image").get("pan_and_scan_min_ratio_to_activate")
    if ratio is None:
        ratio = processor.min_ratio
    if isinstance(ratio, bool) or not isinstance(ratio, int | float):
        field = "mm-processor-kwargs.pan_and_scan_min_ratio_to_activate"
        raise InputError(f"{field}: {str(ratio)[:40]!r} is not a number", field=field)
    longer, shorter = max(image.width, image.height), min(image.width, image.height)
    if longer / shorter < ratio:
        return 0
    crops = min(longer // smallest, math.floor(longer / shorter + 0.5))
    crops = min(most, max(2, crops))
    return crops if min(math.ceil(longer / crops), shorter) >= smallest else 0


@count_image.register
def _(processor: SoftTokenBudget, image: Image, request: Request) -> ItemTokens:
    request.allow("max_soft_tokens")
    tokens, size = _soft_tokens(processor, image, _budget(processor, request))
    return ItemTokens(tokens + 2, tokens, None, size)


@count_video.register
def _(processor: SoftTokenBudget, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    request.allow("max_soft_tokens", modality="video")
    frames = request.sample(source)
    per_frame, size = _soft_tokens(processor, frame, processor.frame_tokens)
    tokens = frames.count * per_frame
    minutes = whole_digits(frames.count, lambda position: max(10, int(frames.second(position) // 60)), 0)
    text = minutes + 5 * frames.count - 1  # "mm:ss " before the first frame, " mm:ss " before the others
    return ItemTokens(tokens + 2 * frames.count + text, tokens, frames.count, size)


@largest_items.register
def _(processor: SoftTokenBudget, request: Request) -> Mapping[str, int]:
    limit = request.limit("video")
    frames = processor.max_frames
    if limit is not None and limit.num_frames is not None:
        frames = min(frames, limit.num_frames)
    return {"image": _budget(processor, request), "video": frames * (processor.frame_tokens + 2 + 6)}


def _budget(processor: SoftTokenBudget, request: Request) -> int:
    """Soft tokens an image may fill: ``max_soft_tokens``, else the model's own."""
    value = request.processor_kwargs.get("max_soft_tokens")  # a flat key wins here
    if value is None:
        value = request.scoped("image").get("max_soft_tokens")
    if value is None:
        return processor.image_tokens
    if isinstance(value, bool) or value not in _SOFT_TOKEN_CHOICES:
        raise InputError(
            f"mm-processor-kwargs.max_soft_tokens: {str(value)[:40]} is not one of"
            f" {', '.join(map(str, _SOFT_TOKEN_CHOICES))}",
            field="mm-processor-kwargs.max_soft_tokens",
            hint="choose one of these",
        )
    return int(value)


def _soft_tokens(processor: SoftTokenBudget, image: Image, budget: int) -> tuple[int, tuple[int, int]]:
    """Soft tokens of one image scaled, up or down, to fill ``budget``, and its (width, height)."""
    cell = processor.patch_size * processor.pooling_size
    patches = (image.height / processor.patch_size) * (image.width / processor.patch_size)
    scale = math.sqrt(budget * processor.pooling_size**2 / patches)
    height = max(cell, math.floor(image.height * scale / cell) * cell)
    width = max(cell, math.floor(image.width * scale / cell) * cell)
    count = (height // processor.patch_size) * (width // processor.patch_size) // processor.pooling_size**2
    return min(count, budget), (width, height)
