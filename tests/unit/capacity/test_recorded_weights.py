"""Weights of the models of the catalogue stay what they are, by rank and release (``hack/recorded/record-weights``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings_json import settings_from_json
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import VlmOperatorError
from vlm_operator.model.facts import Component
from vlm_operator.sources import load_model

RECORDED = Path(__file__).resolve().parents[2] / "data" / "weights.jsonl"
HEAD, *ROWS = (json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines())
FLAGS = [settings_from_json({**flags, "max_model_len": 4096}) for flags in HEAD["flags"]]


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row['model']} {row['release']}") for row in ROWS])
def test_weights_are_what_they_were(row: dict[str, Any]) -> None:
    model, version = load_model(row["model"], offline=True), EngineVersion.parse(row["release"])
    for settings, expected in zip(FLAGS, row["bytes"], strict=True):
        if expected is None:
            with pytest.raises(VlmOperatorError):
                weight_bytes(model, settings, version)
            continue
        found = weight_bytes(model, settings, version)
        assert [found.total, found.by_component.get(Component.VISION_TOWER, 0)] == expected, settings
