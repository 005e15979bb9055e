"""What vLLM 0.33 itself builds and caches: a small model of architectures that came late, to the byte.

``tests/data/architectures.jsonl``: a config a line, of this project's own making or what the config class of vLLM or
transformers fills in with few layers. ``figures`` are the bytes of parameters and buffers of the model that vLLM
built on tensors without memory, ``cache`` what its planner answered on a GPU of compute capability 9.0
(``hack/oracle/record_architectures.py``). A line without figures is there for ``hack/generators/model-coverage``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.capacity.kv import kv_layout
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources.model_files import ModelFiles

ROWS = [
    json.loads(line)
    for line in (Path(__file__).resolve().parents[3] / "data/architectures.jsonl").read_text().splitlines()
]
VERSION = EngineVersion(0, 33)
HOPPER = (9, 0)


def facts(row: dict[str, Any]) -> ModelFacts:
    return ModelFiles(row["config"], row.get("files", {})).facts(model=row["id"], source="test")


@pytest.mark.parametrize(
    ("row", "figure"),
    [
        pytest.param(row, figure, id=f"{row['id']}-tp{figure.get('tensor_parallel_size', 1)}")
        for row in ROWS
        for figure in row["figures"]
    ],
)
def test_the_weights_are_to_the_byte_what_vllm_builds(row: dict[str, Any], figure: dict[str, Any]) -> None:
    flags = {name: value for name, value in figure.items() if name != "bytes"}
    assert weight_bytes(facts(row), EngineSettings(**flags), VERSION).total == figure["bytes"]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS if "cache" in row])
def test_the_cache_is_what_vllm_plans(row: dict[str, Any]) -> None:
    layout = kv_layout(facts(row), EngineSettings(max_num_batched_tokens=2048), VERSION, HOPPER)
    groups = [[group.kind, group.layers, group.block_size, group.page_size_bytes] for group in layout.groups]
    cache = row["cache"]
    assert groups == cache["groups"]
    assert layout.bytes_per_block == cache["bytes_per_block"]
    assert layout.derived_max_model_len == cache["max_model_len"]
    assert {length: layout.needed_bytes(int(length)) for length in cache["needed_bytes"]} == cache["needed_bytes"]


def test_many_architectures_are_recorded() -> None:
    assert len({row["config"]["architectures"][0] for row in ROWS if row["figures"]}) >= 40
    assert sum("cache" in row for row in ROWS) >= 40
