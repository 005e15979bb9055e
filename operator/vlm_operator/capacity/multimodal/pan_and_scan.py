"""One view of fixed cost, and crops of an elongated image where pan-and-scan is switched on.

Source: vLLM 0.32 ``model_executor/models/gemma3_mm.py: Gemma3ProcessingInfo``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.errors import InputError
from vlm_operator.model.processors import PanAndScan

_CROP_KNOBS = (
    "do_pan_and_scan",
    "pan_and_scan_min_crop_size",
    "pan_and_scan_max_num_crops",
    "pan_and_scan_min_ratio_to_activate",
)
_CROP_TEXT_TOKENS = 16
"""``Here is the original image … and here are some crops to help you see better …``; each crop adds a space."""


@count_image.register
def _(processor: PanAndScan, image: Image, request: Request) -> ItemTokens:
    request.allow(*_CROP_KNOBS)
    crops = _crops(processor, image, request)
    tokens = (crops + 1) * processor.tokens_per_view
    text = _CROP_TEXT_TOKENS + crops if crops else 0
    return ItemTokens(tokens + (crops + 1) * processor.wrapper_tokens + text, tokens)


@largest_items.register
def _(processor: PanAndScan, request: Request) -> Mapping[str, int]:
    most = request.integer("image", "pan_and_scan_max_num_crops", processor.max_crops)
    image = dummy_image(request, processor.native_size, processor.native_size * most)
    return {"image": count_image(processor, image, request).encoder_tokens}


def _crops(processor: PanAndScan, image: Image, request: Request) -> int:
    """Crops of an elongated image, 0 where pan-and-scan is off or does not apply."""
    if not request.boolean("image", "do_pan_and_scan", processor.enabled):
        return 0
    smallest = request.integer("image", "pan_and_scan_min_crop_size", processor.min_crop_size)
    most = request.integer("image", "pan_and_scan_max_num_crops", processor.max_crops)
    ratio = request.scoped("image").get("pan_and_scan_min_ratio_to_activate")
    if ratio is None:
        ratio = processor.min_ratio
    if isinstance(ratio, bool) or not isinstance(ratio, int | float):
        field = "mm-processor-kwargs.pan_and_scan_min_ratio_to_activate"
        raise InputError(f"{field}: {str(ratio)[:40]!r} is not a number", field=field)
    longer, shorter = max(image.width, image.height), min(image.width, image.height)
    if longer / shorter < ratio:
        return 0
    crops = min(longer // smallest, math.floor(longer / shorter + 0.5))
    crops = min(most, max(2, crops))
    return crops if min(math.ceil(longer / crops), shorter) >= smallest else 0
