"""Smart resize where an image counts as one temporal patch and bounds hold for frames x area.

Sources: vLLM 0.32 and transformers 5: ``…ProcessingInfo``, image and video processors of the family whose record names
them.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, count_video, dummy_image, dummy_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request, whole_number
from vlm_operator.capacity.multimodal.resize import smart_resize_video
from vlm_operator.capacity.multimodal.timestamps import whole_digits
from vlm_operator.engine.item_rules import VOLUME_ITEMS_SINCE
from vlm_operator.engine.video_sampling import SampledFrames, VideoSource, dynamic_frames, tiered_frames
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.processors import VolumeResize

_KNOBS = ("size", "fps", "max_pixels")
"""``max_pixels`` reaches no item: start-up alone reads it."""
_DUMMY_SIDE = 9_999_999
_DUMMY_MIN_PIXELS = 112 * 112
_LARGEST_VIDEO_FRAMES = 640
_LONGEST_TIME_TOKENS = 6
"""``299.0 seconds``: the longest of the times that start-up tries."""
_MOST_DUMMY_FRAMES = 600


@count_image.register
def _(processor: VolumeResize, image: Image, request: Request) -> ItemTokens:
    request.allow(*_KNOBS)
    least, most = _bounds(processor, "image", request)
    width, height = _image_size(processor, image, least, most)
    cell = processor.patch_size * processor.merge_size
    tokens = (width // cell) * (height // cell)
    return ItemTokens(tokens + processor.image_wrapper_tokens, tokens, None, (width, height))


@count_video.register
def _(processor: VolumeResize, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    request.allow(*_KNOBS, modality="video")
    frames = request.sample(source)
    if frames.complete:  # the processor samples once more where the loader kept every frame
        frames = tiered_frames(source) if processor.fractional_timestamps else dynamic_frames(source, 2)
    return _video(processor, frames, frame, request)


@largest_items.register
def _(processor: VolumeResize, request: Request) -> Mapping[str, int]:
    if request.version < VOLUME_ITEMS_SINCE:
        raise UnknownFact(
            f"the largest items that vLLM {request.version} assumes for {request.facts.family} are not known",
            field="vllm-version",
            hint="known from 0.25",
        )
    if not processor.fractional_timestamps:
        return _largest_processed(processor, request)
    largest = {}
    cell = processor.patch_size * processor.merge_size
    if request.counted("image"):
        largest["image"] = _largest_image(processor, request)[1]
    if request.counted("video"):
        most = _assumed_most(processor, "video", request)
        per_patch = processor.temporal_patch_size
        times = _LARGEST_VIDEO_FRAMES // per_patch
        largest["video"] = most // (per_patch * cell * cell) + times * (2 + _LONGEST_TIME_TOKENS) + 2
    return largest


def _default_bounds(processor: VolumeResize, modality: str) -> tuple[int, int]:
    if modality == "image":
        return processor.image_min_pixels, processor.image_max_pixels
    return processor.video_min_pixels, processor.video_max_pixels


def _assumed_most(processor: VolumeResize, modality: str, request: Request) -> int:
    """The bound that start-up assumes (``_get_image_max_pixels``): flat keys only, ``max_pixels`` before ``size``."""
    options = request.processor_kwargs
    if options.get("max_pixels") is not None:
        return whole_number("mm-processor-kwargs.max_pixels", options["max_pixels"])
    size = options.get("size")
    edge = size.get("longest_edge") if isinstance(size, Mapping) else None
    if edge is None:
        return _default_bounds(processor, modality)[1]
    return whole_number("mm-processor-kwargs.size.longest_edge", edge)


def _bounds(processor: VolumeResize, modality: str, request: Request) -> tuple[int, int]:
    size = request.scoped(modality).get("size")
    if size is None:
        return _default_bounds(processor, modality)
    if not isinstance(size, Mapping) or not {"shortest_edge", "longest_edge"} <= size.keys():
        raise InputError(
            f"mm-processor-kwargs.size: {str(size)[:60]!r} lacks shortest_edge or longest_edge, and the processor"
            " asks for both",
            field="mm-processor-kwargs.size",
            hint='for instance {"size": {"shortest_edge": 12544, "longest_edge": 2007040}}',
        )
    return (
        whole_number("mm-processor-kwargs.size.shortest_edge", size["shortest_edge"]),
        whole_number("mm-processor-kwargs.size.longest_edge", size["longest_edge"]),
    )


def _image_size(processor: VolumeResize, image: Image, least: int, most: int) -> tuple[int, int]:
    cell = processor.patch_size * processor.merge_size
    per_patch = processor.temporal_patch_size
    return smart_resize_video(
        image, per_patch, cell, frames_per_patch=per_patch, min_pixels=least, max_pixels=most, field="image"
    )


def _video(processor: VolumeResize, frames: SampledFrames, frame: Image, request: Request) -> ItemTokens:
    cell = processor.patch_size * processor.merge_size
    per_patch = processor.temporal_patch_size
    least, most = _bounds(processor, "video", request)
    width, height = smart_resize_video(
        frame, frames.count, cell, frames_per_patch=per_patch, min_pixels=least, max_pixels=most, field="video"
    )
    patches = -(-frames.count // per_patch)
    tokens = patches * (width // cell) * (height // cell)
    digits = whole_digits(patches, lambda patch: int(frames.second(patch * per_patch)), 0)
    text = digits + (3 * patches if processor.fractional_timestamps else 0)
    return ItemTokens(tokens + 2 * patches + text + 2, tokens, frames.count, (width, height))


def _largest_image(processor: VolumeResize, request: Request) -> tuple[tuple[int, int], int]:
    """Size and tokens of the image that start-up takes for the largest."""
    most = _assumed_most(processor, "image", request)
    cell = processor.patch_size * processor.merge_size
    size = _image_size(processor, Image(_DUMMY_SIDE, _DUMMY_SIDE), _DUMMY_MIN_PIXELS, most)
    width, height = _image_size(processor, Image(*size), _DUMMY_MIN_PIXELS, most)
    return size, (width // cell) * (height // cell)


def _largest_processed(processor: VolumeResize, request: Request) -> Mapping[str, int]:
    """Times in whole seconds: the dummies are processed, the video with as many frames as fill the context best."""
    (width, height), image_tokens = _largest_image(processor, request)
    largest = {}
    if request.counted("image"):
        image = dummy_image(request, width, height)
        largest["image"] = count_image(processor, image, request).encoder_tokens
    if request.counted("video"):
        room = request.max_model_len() - image_tokens * request.counted("image")
        frame, frames = dummy_video(
            request, width, height, max(2, _fullest_frames(processor, Image(width, height), room, request))
        )
        source = VideoSource(max(2, frames), 2.0)
        sampled = SampledFrames(source.total_frames, lambda position: position, source, False)
        largest["video"] = _video(processor, sampled, frame, request).encoder_tokens
    return largest


def _fullest_frames(processor: VolumeResize, frame: Image, room: int, request: Request) -> int:
    """The number of frames, up to 600, whose tokens come closest to ``room`` from below."""
    most = _assumed_most(processor, "video", request)
    cell = processor.patch_size * processor.merge_size
    per_patch = processor.temporal_patch_size
    best, best_tokens = 1, 0
    for frames in range(1, _MOST_DUMMY_FRAMES + 1):
        columns, rows = smart_resize_video(
            frame,
            max(frames, per_patch),
            cell,
            frames_per_patch=per_patch,
            min_pixels=_DUMMY_MIN_PIXELS,
            max_pixels=most,
            field="video",
        )
        tokens = -(-frames // per_patch) * (columns // cell) * (rows // cell)
        if best_tokens < tokens <= room:
            best, best_tokens = frames, tokens
    return best
