"""Smart resize with bounds that flags do not reach; marks around an item count as encoder output.

Sources: vLLM 0.32 ``model_executor/models/ovis2_5.py``; ``transformers_utils/processors/ovis2_5.py: smart_resize,
construct_visual_placeholders``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, count_video, dummy_image, dummy_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.model.processors import OvisResize

_MARKERS = 2


@count_image.register
def _(processor: OvisResize, image: Image, request: Request) -> ItemTokens:
    request.allow("max_pixels", "min_pixels")
    return _item(processor, image, 1, None)


@count_video.register
def _(processor: OvisResize, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    request.allow("max_pixels", "min_pixels", modality="video")
    frames = request.sample(source).count
    return _item(processor, frame, frames, frames)


@largest_items.register
def _(processor: OvisResize, request: Request) -> Mapping[str, int]:
    side = processor.dummy_side
    largest = {}
    if request.counted("image"):
        largest["image"] = _item(processor, dummy_image(request, side, side), 1, None).encoder_tokens
    if request.counted("video"):
        # start-up counts unmerged patches here, and so takes a video of fewer frames than the context holds
        patches = (side // processor.patch_size) ** 2
        room = request.max_model_len() - patches * request.counted("image")
        held = max(0, room // patches) * processor.temporal_patch_size
        frame, frames = dummy_video(request, side, side, max(1, held))
        largest["video"] = _item(processor, frame, frames, frames).encoder_tokens
    return largest


def _item(processor: OvisResize, frame: Image, frames: int, sampled: int | None) -> ItemTokens:
    width, height = _resize(processor, frame.width, frame.height)
    depth = -(-frames // processor.temporal_patch_size)
    patches = depth * (height // processor.patch_size) * (width // processor.patch_size)
    tokens = patches // processor.hidden_stride**2 // processor.temporal_patch_size + _MARKERS
    return ItemTokens(tokens, tokens, sampled, (width, height))


def _resize(processor: OvisResize, width: int, height: int) -> tuple[int, int]:
    """Smart resize that enlarges thin and clips elongated items instead of refusing them."""
    cell = processor.patch_size * processor.hidden_stride
    if height < cell or width < cell:
        if height < width:
            width, height = round(cell / height * width), cell
        else:
            width, height = cell, round(cell / width * height)
    elif max(height, width) / min(height, width) > 200:
        width, height = min(width, 200 * height), min(height, 200 * width)
    columns, rows = round(width / cell) * cell, round(height / cell) * cell
    if columns * rows > processor.max_pixels:
        shrink = math.sqrt(height * width / processor.max_pixels)
        columns, rows = math.floor(width / shrink / cell) * cell, math.floor(height / shrink / cell) * cell
    elif columns * rows < processor.min_pixels:
        grow = math.sqrt(processor.min_pixels / (height * width))
        columns, rows = math.ceil(width * grow / cell) * cell, math.ceil(height * grow / cell) * cell
    return columns, rows
