"""Images scaled up or down to fill a budget of soft tokens; frames of a video with a smaller budget and their time.

Source: vLLM 0.32, ``…ProcessingInfo`` of the class whose processor takes ``max_soft_tokens``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, count_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.capacity.multimodal.timestamps import whole_digits
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import InputError
from vlm_operator.model.processors import SoftTokenBudget

_SOFT_TOKEN_CHOICES = (70, 140, 280, 560, 1120)


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
