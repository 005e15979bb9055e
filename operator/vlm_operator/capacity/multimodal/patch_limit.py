"""Kimi-VL: native resolution, shrunk only above a number of patches, padded up to whole cells.

Source: vLLM 0.32 ``model_executor/models/kimi_vl.py: KimiVLProcessingInfo.get_num_image_tokens``.
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
    request.allow("in_token_limit")
    limit = request.integer("image", "in_token_limit", processor.max_patches)
    width, height = image.width, image.height
    patches = (width // processor.patch_size) * (height // processor.patch_size)
    if patches > limit:
        scale = math.sqrt(limit / patches)
        width, height = int(width * scale), int(height * scale)
    cell = processor.patch_size * processor.merge_size
    tokens = -(-width // cell) * -(-height // cell)
    return ItemTokens(tokens + processor.wrapper_tokens, tokens, None, (width, height))


@largest_items.register
def _(processor: PatchLimit, request: Request) -> Mapping[str, int]:
    image = dummy_image(request, processor.dummy_side, processor.dummy_side)
    return {"image": count_image(processor, image, request).encoder_tokens}
