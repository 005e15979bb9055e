"""Nemotron 3 Nano Omni: native resolution in patches, within a range and within what the context leaves.

Source: vLLM 0.32 ``transformers_utils/processors/nano_nemotron_vl.py: DynamicResolutionImageTiler`` and
``model_executor/models/nano_nemotron_vl.py: NanoNemotronVLProcessingInfo``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, count_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens, RefusedItem
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.capacity.multimodal.timestamps import numbering_digits, whole_digits
from vlm_operator.engine.video_sampling import SampledFrames, VideoSource
from vlm_operator.model.processors import NativePatches

_RESERVED_TOKENS = 4
"""Tokens of the context that the tiler leaves to text (``max_num_tokens_available``)."""


@count_image.register
def _(processor: NativePatches, image: Image, request: Request) -> ItemTokens:
    request.allow()
    columns, rows = _grid(processor, image, request.settings.max_model_len)
    tokens = columns * rows // processor.downsample**2
    size = columns * processor.patch_size, rows * processor.patch_size
    return ItemTokens(tokens + processor.wrapper_tokens, tokens, None, size)


@count_video.register
def _(processor: NativePatches, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    request.allow(modality="video")
    frames = request.sample(source)
    columns, rows = _frame_grid(processor, frame)
    per_patch = (columns // processor.downsample) * (rows // processor.downsample)
    patches = -(-frames.count // processor.frames_per_patch)
    tokens = patches * (per_patch + processor.wrapper_tokens) + _text_tokens(frames, patches)
    size = columns * processor.patch_size, rows * processor.patch_size
    return ItemTokens(tokens, tokens, frames.count, size)


@largest_items.register
def _(processor: NativePatches, request: Request) -> Mapping[str, int]:
    # start-up takes the largest square within the context, whatever the range of patches
    length = request.max_model_len()
    largest = {name: length for name in ("video",) if request.counted(name)}
    if request.counted("image"):
        side = math.isqrt(max(0, length - 1 - _RESERVED_TOKENS))
        largest["image"] = side * side
    return largest


def _grid(processor: NativePatches, image: Image, length: int | None) -> tuple[int, int]:
    """(columns, rows) of patches, both divisible by the downsampling.

    A context that is not chosen yet (``length`` is None) is taken to hold the image, as the one chosen for it will.

    Raises:
        RefusedItem: so elongated that a side shrinks to nothing, where the processor divides by zero.
    """
    least, divisor = processor.min_patches, processor.downsample
    rows, columns = round(image.height / processor.patch_size + 0.5), round(image.width / processor.patch_size + 0.5)
    held = max(rows * columns, least) if length is None else (length - _RESERVED_TOKENS) * divisor**2
    available = max(held, least)
    most = max(min(available, processor.max_patches or available), least)
    shrink = min(math.sqrt(most / (rows * columns)), 1.0)
    rows, columns = math.floor(shrink * rows), math.floor(shrink * columns)
    if most > least and rows * columns < least:
        if not rows * columns:
            raise RefusedItem(
                f"image: {image.width}x{image.height} scaled to {most} patches leaves no row or no column",
                field="image",
                hint="crop it, or add a margin to its short side",
            )
        grow = math.sqrt(least / (rows * columns))
        rows, columns = math.ceil(grow * rows), math.ceil(grow * columns)
    rows = _even(rows, divisor, columns, most)
    return _even(columns, divisor, rows, most), rows


def _frame_grid(processor: NativePatches, frame: Image) -> tuple[int, int]:
    """(columns, rows) of a video frame's patches (``get_video_target_size_and_feature_size``)."""
    target, divisor = processor.frame_patches, processor.downsample
    if not processor.frame_keeps_aspect:
        side = max(divisor, int(math.sqrt(target)) // divisor * divisor)
        return side, side
    aspect = frame.width / frame.height
    rows, columns = max(1, round(math.sqrt(target / aspect))), max(1, round(math.sqrt(target * aspect)))
    raised = tuple(-(-side // divisor) * divisor for side in (columns, rows))
    if raised[0] * raised[1] <= target:
        return raised[0], raised[1]
    return max(divisor, columns // divisor * divisor), max(divisor, rows // divisor * divisor)


def _text_tokens(frames: SampledFrames, patches: int) -> int:
    """``Frame 1 sampled at 0.00 seconds and frame 2 sampled at 0.50 seconds: `` before each temporal patch, a newline
    between them; all of it counts as encoder output.
    """
    count = frames.count
    milliseconds = int(1000 / frames.source.frames_per_second)

    def moment(position: int) -> float:
        return frames.index(position) * milliseconds / 1000.0

    joints, ends, newlines = count - patches, 2 * patches, patches - 1
    return 9 * count + joints + ends + newlines + numbering_digits(count) + whole_digits(count, moment, 2)


def _even(side: int, divisor: int, other: int, most: int) -> int:
    """The side up to a whole multiple, or down where the grid would exceed ``most`` patches."""
    rest = side % divisor
    if not rest:
        return side
    if (side + divisor - rest) * other <= most:
        return side + divisor - rest
    return max(divisor, side - rest)
