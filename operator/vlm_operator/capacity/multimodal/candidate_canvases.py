"""Tiles of the listed canvas that keeps most pixels, and the whole image beside them.

Source: vLLM 0.32 ``model_executor/models/deepseek_vl2.py: get_num_image_tokens``.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlm_operator.capacity.multimodal.any_resolution import best_resolution
from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import CandidateCanvases


@count_image.register
def _(processor: CandidateCanvases, image: Image, request: Request) -> ItemTokens:
    request.allow()
    tokens = _tokens(processor, image)
    return ItemTokens(tokens, tokens)


@largest_items.register
def _(processor: CandidateCanvases, request: Request) -> Mapping[str, int]:
    # start-up reads each listed pair as (height, width)
    height, width = max(processor.canvases, key=lambda canvas: _tokens(processor, Image(canvas[1], canvas[0])))
    return {"image": _tokens(processor, dummy_image(request, width, height))}


def _tokens(processor: CandidateCanvases, image: Image) -> int:
    height, width = best_resolution(image, tuple((height, width) for width, height in processor.canvases))
    side = processor.side_tokens
    rows, columns = height // processor.tile_size, width // processor.tile_size
    return side * (side + 1) + rows * side * (columns * side + 1) + 1
