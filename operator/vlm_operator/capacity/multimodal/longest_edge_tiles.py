"""Idefics3 and SmolVLM: longest edge scaled to a size, whole tiles, and a global view.

Sources: vLLM 0.32 ``model_executor/models/idefics3.py: Idefics3ProcessingInfo.get_image_repl``; transformers
``models/idefics3/image_processing_idefics3.py: get_number_of_image_patches``.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request, whole_number
from vlm_operator.errors import InputError
from vlm_operator.model.processors import LongestEdgeTiles

_KNOBS = ("size", "max_image_size", "do_image_splitting")
_LARGEST_EDGE = 4096


@count_image.register
def _(processor: LongestEdgeTiles, image: Image, request: Request) -> ItemTokens:
    request.allow(*_KNOBS)
    request.refuse_scoped(*_KNOBS)
    rows, columns = _grid(processor, image, request)
    if not rows:
        return ItemTokens(processor.tokens_per_tile + 3, processor.tokens_per_tile)
    tiles = rows * columns
    tokens = (tiles + 1) * processor.tokens_per_tile
    # two tokens before each tile, a newline a row (a blank line after the last), three around the global view
    return ItemTokens(tokens + 2 * tiles + rows + 3, tokens)


@largest_items.register
def _(processor: LongestEdgeTiles, request: Request) -> Mapping[str, int]:
    tile = _edge(request, "max_image_size", processor.tile_size)
    return {"image": count_image(processor, dummy_image(request, tile, tile), request).encoder_tokens}


def _grid(processor: LongestEdgeTiles, image: Image, request: Request) -> tuple[int, int]:
    """(rows, columns) of tiles; (0, 0) where the image is one view."""
    if not request.boolean("image", "do_image_splitting", processor.split):
        return 0, 0
    tile = _edge(request, "max_image_size", processor.tile_size)
    width, height = _scaled(image.width, image.height, _edge(request, "size", processor.longest_edge))
    rows, columns = -(-height // tile), -(-width // tile)
    return (rows, columns) if rows > 1 or columns > 1 else (0, 0)


def _edge(request: Request, key: str, default: int) -> int:
    size = request.scoped("image").get(key)
    if size is None:
        return default
    if not isinstance(size, Mapping) or "longest_edge" not in size:
        raise InputError(
            f"mm-processor-kwargs.{key}: {str(size)[:40]!r} lacks longest_edge",
            field=f"mm-processor-kwargs.{key}",
            hint=f'for instance {{"{key}": {{"longest_edge": {default}}}}}',
        )
    return whole_number(f"mm-processor-kwargs.{key}.longest_edge", size["longest_edge"])


def _scaled(width: int, height: int, edge: int) -> tuple[int, int]:
    """Longest edge to ``edge``, up or down, the other side even; then below 4096."""
    aspect = width / height
    if width >= height:
        width, height = edge, int(edge / aspect)
        height += height % 2
    else:
        width, height = int(edge * aspect), edge
        width += width % 2
    width, height = max(width, 1), max(height, 1)
    if max(width, height) > _LARGEST_EDGE:
        aspect = width / height
        if width >= height:
            width, height = _LARGEST_EDGE, int(_LARGEST_EDGE / aspect)
        else:
            width, height = int(_LARGEST_EDGE * aspect), _LARGEST_EDGE
    return max(width, 1), max(height, 1)
