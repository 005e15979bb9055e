"""HunyuanVL and HunyuanOCR: whole cells within bounds of area, a newline behind each row, marks around the image.

Sources: vLLM 0.33 ``model_executor/models/transformers/multimodal.py: MultiModalProcessingInfo``; transformers 5
``models/hunyuan_vl``: ``HunYuanVLProcessor._get_num_multimodal_tokens``, ``HunYuanVLImageProcessor``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.capacity.multimodal.resize import smart_resize
from vlm_operator.model.processors import NewlineCells

_LARGE_SIDE = 10_000
"""``_MAX_DUMMY_SIDE``: the other candidate for the image with most tokens."""


@count_image.register
def _(processor: NewlineCells, image: Image, request: Request) -> ItemTokens:
    request.allow()
    cell = processor.patch_size * processor.merge_size
    width, height = smart_resize(
        image.width, image.height, cell, min_pixels=processor.min_pixels, max_pixels=processor.max_pixels
    )
    tokens = height // cell * (width // cell + 1) + processor.marks
    return ItemTokens(tokens + processor.wrapper_tokens, tokens, None, (width, height))


@largest_items.register
def _(processor: NewlineCells, request: Request) -> Mapping[str, int]:
    """The better of a square of the largest area and a large one: not what a narrow image may take."""
    sides = (math.isqrt(processor.max_pixels), _LARGE_SIDE)
    counts = [count_image(processor, dummy_image(request, side, side), request).encoder_tokens for side in sides]
    return {"image": max(counts)}
