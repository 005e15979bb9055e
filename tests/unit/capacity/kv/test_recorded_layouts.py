"""Layouts of small models of every cache kind are those that vLLM itself plans.

``tests/data/kv_cache/vllm_0_32.jsonl`` holds one model a line: its ``config.json``, flags, and what vLLM 0.32.0's own
``get_kv_cache_spec``, ``get_kv_cache_groups``, ``_max_memory_usage_bytes_from_groups``,
``_estimate_max_model_len_from_groups`` and ``get_kv_cache_capacity`` answered for it with CUDA's block sizes, the model
built on the meta device. ``vllm_0_33.jsonl`` holds what 0.33.0 answered for the same models, on a GPU of compute
capability 9.0 (``hack/oracle/record_kv.py``).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.capacity.kv import KVLayout, kv_layout
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.reader import read_model_facts
from vlm_operator.units import GIB

FOLDER = Path(__file__).resolve().parents[3] / "data/kv_cache"


def recorded(minor: int) -> list[dict[str, Any]]:
    lines = (FOLDER / f"vllm_0_{minor}.jsonl").read_text().splitlines()
    return [{**json.loads(line), "minor": minor} for line in lines]


MODELS: dict[str, dict[str, Any]] = {case["id"]: case for case in recorded(32)}
CASES: list[dict[str, Any]] = [*MODELS.values(), *({**MODELS[case["id"]], **case} for case in recorded(33))]
KINDS = {"FullAttention", "SlidingWindow", "ChunkedLocalAttention", "MLAAttention", "Mamba"}

every_case = pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case['id']}-0.{case['minor']}") for case in CASES]
)


def facts_of(case: dict[str, Any]) -> ModelFacts:
    return read_model_facts(case["config"], model=case["id"], source="test", hf_overrides=case.get("hf_overrides"))


def settings_of(case: dict[str, Any]) -> EngineSettings:
    return EngineSettings(**{"max_num_batched_tokens": 2048, **case.get("flags", {})})


def layout_of(case: dict[str, Any]) -> KVLayout:
    capability = case.get("compute_capability")
    version = EngineVersion(0, case["minor"])
    return kv_layout(facts_of(case), settings_of(case), version, tuple(capability) if capability else None)


@pytest.mark.parametrize(("minor", "least"), [pytest.param(32, 2, id="0.32"), pytest.param(33, 1, id="0.33")])
def test_every_cache_kind_is_recorded(minor: int, least: int) -> None:
    cases = [case for case in CASES if case["minor"] == minor]
    kinds = Counter(kind for case in cases for kind in {group[0] for group in case["expected"]["groups"]})
    assert set(kinds) == KINDS
    assert min(kinds.values()) >= least
    assert len(cases) >= 40


@every_case
def test_element_type_and_context_length(case: dict[str, Any]) -> None:
    model = facts_of(case)
    assert str(model.dtype) == case["expected"]["dtype"]
    assert layout_of(case).derived_max_model_len == case["expected"]["max_model_len"]


@every_case
def test_groups_and_bytes_per_block(case: dict[str, Any]) -> None:
    layout = layout_of(case)
    groups = [[group.kind, group.layers, group.block_size, group.page_size_bytes] for group in layout.groups]
    assert groups == case["expected"]["groups"]
    assert layout.bytes_per_block == case["expected"]["bytes_per_block"]


@every_case
def test_needed_bytes(case: dict[str, Any]) -> None:
    layout = layout_of(case)
    needed = {length: layout.needed_bytes(int(length)) for length in case["expected"]["needed_bytes"]}
    assert needed == case["expected"]["needed_bytes"]


@every_case
def test_blocks_longest_context_and_capacity(case: dict[str, Any]) -> None:
    layout = layout_of(case)
    for gib, (blocks, longest, capacity) in case["expected"]["by_gib"].items():
        available = int(float(gib) * GIB)
        assert layout.num_blocks(available) == blocks
        assert layout.longest_context(available, layout.derived_max_model_len) == longest
        if longest:
            assert layout.capacity_tokens(available, longest) == capacity
