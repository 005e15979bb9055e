"""Tokens of images and videos by each kind of processor stay what they are (``hack/recorded/record-item-tokens``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.capacity.multimodal import Image, Video, image_tokens, max_item_tokens, video_tokens
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import VlmOperatorError
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.planning.workload import family_of
from vlm_operator.sources import load_model

RECORDED = Path(__file__).resolve().parents[3] / "data" / "item_tokens.jsonl"
ITEMS, *ROWS = (json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines())
FLAGS = EngineSettings(max_model_len=ITEMS["context"])


def named(row: dict[str, Any]) -> str:
    return f"{row.get('model') or row['config']['architectures'][0]} {row['release']}"


def family(row: dict[str, Any]) -> MultimodalFacts:
    """Token rules of a model of the catalogue, or of a class whose config says nothing else."""
    if "model" in row:
        found = family_of(load_model(row["model"], offline=True))
    else:
        found = read_multimodal(row["config"], row["preprocessor"])
    assert found is not None
    return found


@pytest.mark.parametrize("row", [pytest.param(row, id=named(row)) for row in ROWS])
def test_items_cost_what_they_did(row: dict[str, Any]) -> None:
    facts, version = family(row), EngineVersion.parse(row["release"])
    for (width, height), expected in zip(ITEMS["images"], row["images"], strict=True):
        if expected is None:
            with pytest.raises(VlmOperatorError):
                image_tokens(facts, Image(width, height), FLAGS, version)
            continue
        image = image_tokens(facts, Image(width, height), FLAGS, version)
        assert [image.prompt_tokens, image.encoder_tokens] == expected, (width, height)
    for item, expected in zip(ITEMS["videos"], row["videos"], strict=True):
        if expected is None:
            with pytest.raises(VlmOperatorError):
                video_tokens(facts, Video(*item), FLAGS, version)
            continue
        video = video_tokens(facts, Video(*item), FLAGS, version)
        assert [video.prompt_tokens, video.encoder_tokens, video.frames_sampled or 0] == expected, item
    if row["largest"] is not None:
        assert dict(max_item_tokens(facts, FLAGS, version)) == row["largest"]
