"""Releases that need an environment variable on some GPUs, and where it ends up."""

from __future__ import annotations

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.known_faults import KNOWN_FAULTS, environment
from vlm_operator.engine.version import EngineVersion
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.report import plan_to_json

WITHOUT_DEEP_GEMM = {"VLLM_USE_DEEP_GEMM": "0"}


@pytest.mark.parametrize(
    ("version", "capability", "needed"),
    [
        pytest.param(EngineVersion(0, 24), (12, 0), WITHOUT_DEEP_GEMM, id="0.24 on workstation Blackwell"),
        pytest.param(EngineVersion(0, 24), (12, 1), WITHOUT_DEEP_GEMM, id="0.24 on GB10"),
        pytest.param(EngineVersion(0, 24), (9, 0), {}, id="0.24 on Hopper"),
        pytest.param(EngineVersion(0, 23), (12, 0), {}, id="0.23"),
        pytest.param(EngineVersion(0, 25), (12, 0), {}, id="0.25"),
        pytest.param(EngineVersion(0, 24), None, {}, id="GPU not known"),
    ],
)
def test_a_known_fault_holds_for_its_releases_and_gpus(
    version: EngineVersion, capability: tuple[int, int] | None, needed: dict[str, str]
) -> None:
    assert environment(version, capability) == needed


@pytest.mark.parametrize("fault", KNOWN_FAULTS, ids=lambda fault: str(fault.variable))
def test_every_fault_has_a_source(fault: object) -> None:
    assert "vllm-project/vllm#" in str(getattr(fault, "source", ""))


def test_a_plan_says_which_variables_its_command_needs() -> None:
    found = plan(qwen3_vl(), gpu("RTX-PRO-6000"), Intent(version=EngineVersion(0, 24)))
    assert plan_to_json(found)["environment"] == WITHOUT_DEEP_GEMM
