"""Families whose images, and video frames, cost the same whatever their size.

Sources: vLLM 0.32 ``model_executor/models/llava.py``, ``paligemma.py``, ``llava_next_video.py``, ``blip2.py``,
``gemma3n_mm.py`` and others: ``get_num_image_tokens`` without a use of width and height.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, count_video, dummy_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import InputError
from vlm_operator.model.processors import FixedTokens


@count_image.register
def _(processor: FixedTokens, image: Image, request: Request) -> ItemTokens:
    if "image" not in request.facts.modalities:
        raise InputError(f"image: {request.facts.family} does not support images", field="image", hint="send videos")
    request.allow()
    return ItemTokens(processor.tokens + processor.wrapper_tokens, processor.tokens)


@count_video.register
def _(processor: FixedTokens, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    if not processor.video_frame_tokens:
        raise InputError(f"video: {request.facts.family} does not support videos", field="video", hint="send images")
    request.allow(modality="video")
    frames = request.sample(source).count
    tokens = _video_tokens(processor, frames)
    return ItemTokens(tokens, tokens, frames)


@largest_items.register
def _(processor: FixedTokens, request: Request) -> Mapping[str, int]:
    largest = {}
    if request.counted("image"):
        largest["image"] = processor.tokens
    if request.counted("video"):
        room = request.max_model_len() - processor.video_extra_tokens
        frames = max(1, room // processor.video_frame_tokens)
        if processor.max_video_frames:
            frames = min(frames, processor.max_video_frames)
        _, frames = dummy_video(request, 1, 1, frames)
        largest["video"] = _video_tokens(processor, frames)
    return largest


def _video_tokens(processor: FixedTokens, frames: int) -> int:
    return frames * processor.video_frame_tokens + processor.video_extra_tokens
