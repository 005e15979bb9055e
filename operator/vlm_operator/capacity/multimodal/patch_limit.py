"""Kimi-VL and Kimi-K2.5: native resolution, shrunk only above a number of patches, padded up to whole cells.

Sources: vLLM 0.32 ``model_executor/models/kimi_vl.py: KimiVLProcessingInfo.get_num_image_tokens`` and
``transformers_utils/processors/kimi_k25_vision_fused.py: navit_resize_image``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import PatchLimit


@count_image.register
def _(processor: PatchLimit, image: Image, request: Request) -> ItemTokens:
    request.allow(*(() if processor.side_patches else ("in_token_limit",)))
    width, height = _scaled(processor, image, request.integer("image", "in_token_limit", processor.max_patches))
    cell = processor.patch_size * processor.merge_size
    tokens = processor.fixed_tokens or -(-width // cell) * -(-height // cell)
    return ItemTokens(tokens + processor.wrapper_tokens, tokens, None, (width, height))


def _scaled(processor: PatchLimit, image: Image, limit: int) -> tuple[int, int]:
    """(width, height) within the limits of patches."""
    width, height = image.width, image.height
    columns, rows = width // processor.patch_size, height // processor.patch_size
    if processor.side_patches:
        longest = processor.side_patches * processor.patch_size
        area = max(1.0, columns) * max(1.0, rows)
        scale = min(1.0, math.sqrt(limit / area), longest / width, longest / height)
        return min(max(1, int(width * scale)), longest), min(max(1, int(height * scale)), longest)
    if columns * rows > limit:
        scale = math.sqrt(limit / (columns * rows))
        return int(width * scale), int(height * scale)
    return width, height


@largest_items.register
def _(processor: PatchLimit, request: Request) -> Mapping[str, int]:
    image = dummy_image(request, processor.dummy_side, processor.dummy_side)
    return {"image": count_image(processor, image, request).encoder_tokens}
