"""Step3: one view and sliding windows of a fixed size.

Source: vLLM 0.32 ``transformers_utils/processors/step3_vl.py: ImagePatcher, Step3VLImageProcessor``.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import WindowPatches

_THIN_SIDE = 32
_ROUND_UP_FROM = 0.2


@count_image.register
def _(processor: WindowPatches, image: Image, request: Request) -> ItemTokens:
    request.allow("enable_patch")
    columns, rows = _windows(processor, image)
    windows = columns * rows
    tokens = processor.view_tokens + windows * processor.window_tokens
    return ItemTokens(tokens + 2 + 2 * windows + max(0, rows - 1), tokens)


@largest_items.register
def _(processor: WindowPatches, request: Request) -> Mapping[str, int]:
    side = processor.longest_edge
    return {"image": count_image(processor, Image(side, side), request).prompt_tokens}


def _windows(processor: WindowPatches, image: Image) -> tuple[int, int]:
    """(columns, rows) of windows; (0, 0) where the view alone is enough."""
    width, height = image.width, image.height
    if min(width, height) < _THIN_SIDE and (width / height > 4 or width / height < 1 / 4):
        width = height = max(width, height)
    if max(width, height) > processor.longest_edge:
        scale = processor.longest_edge / max(width, height)
        width, height = int(width * scale), int(height * scale)
    side = _window_side(processor, max(width, height), min(width, height))
    if side == 0 or not processor.enable_windows:
        return 0, 0
    return _places(_cropped(width, side), side), _places(_cropped(height, side), side)


def _window_side(processor: WindowPatches, longer: int, shorter: int) -> int:
    if longer < processor.view_size:
        return shorter if longer / shorter > 1.5 else 0
    return min(shorter, processor.window_size) if longer / shorter > 4 else processor.window_size


def _cropped(length: int, side: int) -> int:
    """Whole windows; a last one is added where more than a fifth of it would hold pixels."""
    ratio = length / side
    if ratio < 1:
        return length
    whole = int(ratio)
    return side * (whole + 1 if ratio - length // side > _ROUND_UP_FROM else whole)


def _places(length: int, side: int) -> int:
    return 1 if length <= side else -(-(length - side) // side) + 1
