"""``vlmctl gpus``: the catalogue, for people and for programs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from vlm_operator.cli.gpus import command
from vlm_operator.errors import UnknownFact
from vlm_operator.gpu.catalogue import all_gpus
from vlm_operator.units import MIB


def test_the_table_has_one_line_a_product() -> None:
    lines = CliRunner().invoke(command, []).stdout.splitlines()
    assert len(lines) == 1 + len(all_gpus())
    assert lines[0].split()[:3] == ["PRODUCT", "CUDA", "TOTAL"]


def test_json_gives_bytes_as_integers() -> None:
    answer = json.loads(CliRunner().invoke(command, ["H100", "-o", "json"]).stdout)
    (gpu,) = answer["gpus"]
    assert gpu["product"] == "NVIDIA-H100-80GB-HBM3"
    assert gpu["totalBytes"] == 81082 * MIB
    assert gpu["nvmlTotalBytes"] == 81559 * MIB
    assert gpu["computeCapability"] == "9.0"
    assert {"profile": "1g.10gb", "totalBytes": 9984 * MIB} in gpu["migProfiles"]


def test_a_slice_can_be_asked_for() -> None:
    answer = json.loads(CliRunner().invoke(command, ["A100-MIG-1g.10gb", "-o", "json"]).stdout)
    assert answer["gpus"][0]["product"] == "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"


def test_an_unknown_product_is_said_to_be_unknown() -> None:
    result = CliRunner().invoke(command, ["RTX-5099"])
    assert isinstance(result.exception, UnknownFact)


@pytest.mark.parametrize("output", ["json", "yaml", "table"])
def test_equal_questions_print_equal_bytes(output: str) -> None:
    first, second = (CliRunner().invoke(command, ["-o", output]).stdout for _ in range(2))
    assert first == second
