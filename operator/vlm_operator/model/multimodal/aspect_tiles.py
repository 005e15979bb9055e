"""Tiles of an aspect ratio as InternVL's config describes them: all values are in ``config.json``."""

from __future__ import annotations

from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import shuffled_tokens, vision_grid
from vlm_operator.model.processors import AspectTiles, VideoText


def aspect_tiles(config: Config, *, tiles_knob: str | None) -> AspectTiles:
    """Tiles as InternVL's config describes them."""
    side, patches = vision_grid(config.section("vision_config"), 448, 14)
    dynamic = config.boolean("dynamic_image_size", True)
    return AspectTiles(
        tile_size=side,
        tokens_per_tile=shuffled_tokens(patches, config),
        min_tiles=config.integer("min_dynamic_patch", 1) if dynamic else 1,
        max_tiles=config.integer("max_dynamic_patch", 12) if dynamic else 1,
        use_thumbnail=config.boolean("use_thumbnail", True),
        tiles_knob=tiles_knob,
        dynamic_knobs=tiles_knob is not None,
        video_text=VideoText.FRAME,
    )
