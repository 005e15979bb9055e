"""Generations of GPUs that have kernels for sparse attention."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import gpu
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility import InfeasibleReason, refusals
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources.model_files import ModelFiles

CONFIG = next(
    row["config"]
    for row in map(
        json.loads, (Path(__file__).resolve().parents[2] / "data/architectures.jsonl").read_text().splitlines()
    )
    if row["id"] == "DeepseekV32ForCausalLM"
)
MODEL = ModelFiles(CONFIG, {}).facts(model="sparse", source="test")
DENSE = ModelFiles(
    {**CONFIG, "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "index_topk": None}, {}
).facts(model="dense", source="test")


@pytest.mark.parametrize(
    ("product", "refused"),
    [
        pytest.param("A100", True, id="ampere"),
        pytest.param("L40S", True, id="ada"),
        pytest.param("H100", False, id="hopper"),
        pytest.param("B200", False, id="data-centre-blackwell"),
        pytest.param("RTX-5090", False, id="consumer-blackwell-is-not-known"),
    ],
)
def test_sparse_attention_needs_hopper_or_blackwell(product: str, refused: bool) -> None:
    found = refusals(MODEL, EngineSettings(), gpu(product), EngineVersion(0, 33))
    assert [each.reason for each in found] == [InfeasibleReason.COMPUTE_CAPABILITY_TOO_LOW] * refused
    assert not refusals(DENSE, EngineSettings(), gpu(product), EngineVersion(0, 33))


@pytest.mark.parametrize(
    ("product", "verdict"),
    [
        pytest.param("A100", Verdict.UNSUPPORTED, id="ampere"),
        pytest.param("RTX-5090", Verdict.UNKNOWN, id="consumer-blackwell"),
        pytest.param("H100", Verdict.FITS, id="hopper"),
    ],
)
def test_a_plan_says_whether_the_gpu_serves_it(product: str, verdict: Verdict) -> None:
    assert plan(MODEL, gpu(product), Intent(version=EngineVersion(0, 33))).verdict is verdict
