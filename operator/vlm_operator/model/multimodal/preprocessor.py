"""Values of ``preprocessor_config.json`` and its two companions, over published defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_operator.model.config import Config


class Preprocessor:
    """The parsed preprocessor files of one model; every one may be missing.

    Args:
        image: ``preprocessor_config.json``.
        video: ``video_preprocessor_config.json``; the video processor reads ``image`` where it is missing.
        processor: ``processor_config.json``.
    """

    def __init__(
        self,
        image: Mapping[str, Any] | None = None,
        video: Mapping[str, Any] | None = None,
        processor: Mapping[str, Any] | None = None,
    ) -> None:
        nested = processor or {}
        if image is None and isinstance(nested.get("image_processor"), Mapping):
            image = nested["image_processor"]
        if video is None and isinstance(nested.get("video_processor"), Mapping):
            video = nested["video_processor"]
        self.image = Config(image or {}, "preprocessor_config")
        self.video = Config(video or image or {}, "video_preprocessor_config")
        sound = nested.get("feature_extractor")
        sound = sound if isinstance(sound, Mapping) else nested.get("audio_processor")
        self.audio = Config(sound if isinstance(sound, Mapping) else image or {}, "preprocessor_config")
        self.processor = Config(nested, "processor_config")

    def image_bounds(self, least: int, most: int) -> tuple[int, int]:
        """(min, max) pixels of an image: the file's, else the family's published ones."""
        return _bounds(self.image, least, most)

    def video_bounds(self, least: int, most: int) -> tuple[int, int]:
        """(min, max) pixels of a video: the file's, else the family's published ones."""
        return _bounds(self.video, least, most)

    def longest_edge(self, default: int, key: str = "size") -> int:
        """``longest_edge`` of ``size`` or of another size entry."""
        if not self.image.has(key):
            return default
        return self.image.section(key).integer("longest_edge", default)


def _bounds(file: Config, least: int, most: int) -> tuple[int, int]:
    if isinstance(file.values.get("size"), Mapping):
        size = file.section("size")
        least, most = size.integer("shortest_edge", least), size.integer("longest_edge", most)
    return file.integer("min_pixels", least), file.integer("max_pixels", most)
