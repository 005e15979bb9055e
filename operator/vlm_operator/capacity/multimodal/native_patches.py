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
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import UnknownFact
from vlm_operator.model.processors import NativePatches

_RESERVED_TOKENS = 4
"""Tokens of the context that the tiler leaves to text (``max_num_tokens_available``)."""


@count_image.register
def _(processor: NativePatches, image: Image, request: Request) -> ItemTokens:
    request.allow()
    columns, rows = _grid(processor, image, request.max_model_len() - _RESERVED_TOKENS)
    tokens = columns * rows // processor.downsample**2
    size = columns * processor.patch_size, rows * processor.patch_size
    return ItemTokens(tokens + processor.wrapper_tokens, tokens, None, size)


@count_video.register
def _(processor: NativePatches, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    raise UnknownFact(
        f"video: the tokens of a video of {request.facts.family} are not known",
        field="video",
        hint="state the tokens a video takes, measured on a running server",
    )


@largest_items.register
def _(processor: NativePatches, request: Request) -> Mapping[str, int]:
    # start-up takes the largest square within the context, whatever the range of patches
    length = request.max_model_len()
    largest = {name: length for name in ("video", "audio") if request.counted(name)}
    if request.counted("image"):
        side = math.isqrt(max(0, length - 1 - _RESERVED_TOKENS))
        largest["image"] = side * side
    return largest


def _grid(processor: NativePatches, image: Image, room: int) -> tuple[int, int]:
    """(columns, rows) of patches, both divisible by the downsampling.

    Raises:
        RefusedItem: so elongated that a side shrinks to nothing, where the processor divides by zero.
    """
    least, divisor = processor.min_patches, processor.downsample
    available = max(room * divisor**2, least)
    most = max(min(available, processor.max_patches or available), least)
    rows, columns = round(image.height / processor.patch_size + 0.5), round(image.width / processor.patch_size + 0.5)
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


def _even(side: int, divisor: int, other: int, most: int) -> int:
    """The side up to a whole multiple, or down where the grid would exceed ``most`` patches."""
    rest = side % divisor
    if not rest:
        return side
    if (side + divisor - rest) * other <= most:
        return side + divisor - rest
    return max(divisor, side - rest)
