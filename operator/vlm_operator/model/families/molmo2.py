"""Molmo 2: pooled crops; crops, pooling and marks stand in the preprocessor files only. Its weights were not read.

Source: vLLM 0.32 ``model_executor/models/molmo2.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import patches_along, text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, PooledCrops
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.unread import UnreadTower


def _tower(config: Config) -> Tower | None:
    if not config.has("vit_config"):
        return None
    output = text_width(config)
    return UnreadTower.read(config.section("vit_config"), {}, output_size=output, merge_size=1)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Molmo 2: crops, pooling and marks stand in the preprocessor files only.

    Raises:
        UnknownFact: one of these files is missing.
    """
    if not files.image.values or not files.processor.values:
        missing = "processor_config" if files.image.values else "preprocessor_config"
        raise UnknownFact(
            f"{missing}.json is missing, and the crops and marks of Molmo 2 have no known default",
            field=missing,
            hint=f"put {missing}.json beside config.json",
        )
    size = files.image.section("size").integer("height", 378)
    patch = files.image.integer("patch_size", 14)
    frame = files.video.section("size").integer("height", size)
    left, right = _pair(files.image, "overlap_margins", (4, 4), least=0)
    if left + right >= patches_along(size, patch, "preprocessor_config.patch_size"):
        raise InputError(
            f"preprocessor_config.overlap_margins: {left} and {right} leave nothing of a crop",
            field="preprocessor_config.overlap_margins",
        )
    columns = files.processor.boolean("image_use_col_tokens", True)
    return MultimodalFacts(
        "molmo2",
        ("image", "video"),
        PooledCrops(
            crop_size=size,
            patch_size=patch,
            left_margin=left,
            right_margin=right,
            max_crops=files.image.integer("max_crops", 8),
            pooling=_pair(files.image, "pooling_size", (2, 2)),
            column_marks=columns,
            view_column_marks=files.processor.boolean("use_single_crop_col_tokens", columns),
            frame_size=frame,
            frame_pooling=_pair(files.video, "pooling_size", (3, 3)),
            frame_column_marks=files.processor.boolean("video_use_col_tokens", False),
            max_video_frames=files.video.integer("num_frames", 384),
        ),
        item_limits=(("video", 1),),
    )


def _pair(file: Config, key: str, default: tuple[int, int], *, least: int = 1) -> tuple[int, int]:
    """Two whole numbers that a file lists."""
    listed = file.items(key)
    if listed is None:
        return default
    if len(listed) != 2:
        raise InputError(f"{file.field(key)}: {str(listed)[:40]} is not a pair", field=file.field(key))
    pair = Config({"first": listed[0], "second": listed[1]}, file.field(key))
    return pair.integer("first", least=least), pair.integer("second", least=least)


def _prefix_item_tokens(config: Config, text: TextConfig) -> int:
    return 0


FAMILY: Final = Family(
    name="molmo2",
    variants=(Variant(architecture="Molmo2ForConditionalGeneration", model_types=("molmo2",), weights_known=False),),
    tower=_tower,
    place=TowerPlace("vision_backbone"),
    tokens=_tokens,
    prefix_item_tokens=_prefix_item_tokens,
)
