"""``--hf-overrides`` in a VLMDeployment: the plan is of the config that the server will see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from builders import QWEN3_VL
from vlm_operator.cli.plan import command as plan_command
from vlm_operator.errors import InputError

FLAG = "--hf-overrides"


def planned(tmp_path: Path, model: dict[str, str], *arguments: str) -> dict[str, Any]:
    """The plan, as JSON, of a VLMDeployment with these further arguments."""
    (tmp_path / "config.json").write_text(json.dumps(QWEN3_VL))
    document = {
        "apiVersion": "vlm-operator.dev/v1alpha1",
        "kind": "VLMDeployment",
        "metadata": {"name": "vision"},
        "spec": {
            "model": model,
            "gpu": {"product": "NVIDIA-H100-80GB-HBM3", "count": 1},
            "engine": {"extraArgs": list(arguments)},
        },
    }
    filename = tmp_path / "vision.yaml"
    filename.write_text(yaml.safe_dump(document))
    command = ("-f", str(filename), "--offline", "-o", "json")
    result = CliRunner().invoke(plan_command, command, standalone_mode=False, catch_exceptions=False)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_context_that_an_override_allows_is_planned_and_certain(tmp_path: Path) -> None:
    folder = {"path": str(tmp_path)}
    longest = planned(tmp_path, folder)["flags"]["max_model_len"]
    replaced = json.dumps({"text_config": {"max_position_embeddings": 4096}})
    found = planned(tmp_path, folder, FLAG, replaced)
    assert (longest > 4096, found["flags"]["max_model_len"]) == (True, 4096)
    assert found["verdict"] == "Fits"
    assert found["command"][-2:] == [FLAG, replaced]


def test_layers_that_an_override_takes_away_are_not_counted(tmp_path: Path) -> None:
    folder = {"path": str(tmp_path)}
    layers = QWEN3_VL["text_config"]["num_hidden_layers"]
    whole = planned(tmp_path, folder)["budget"]["weightsBytes"]
    half = planned(tmp_path, folder, f"{FLAG}.text_config.num_hidden_layers", str(layers // 2))
    assert half["budget"]["weightsBytes"] < 0.75 * whole


def test_where_the_config_cannot_be_read_the_plan_is_not_certain(tmp_path: Path) -> None:
    found = planned(tmp_path, {"id": "Qwen/Qwen3-VL-8B-Instruct"}, FLAG, '{"max_position_embeddings": 4096}')
    assert (found["verdict"], found["reason"]) == ("FitsTight", "UncountedFlags")
    assert "--hf-overrides changes memory in ways that the plan does not count" in found["message"]
    assert "without --hf-overrides, which could not be applied" in found["model"]["source"]


def test_a_value_that_is_no_json_is_refused_by_its_field(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"engine\.extraArgs: --hf-overrides: '\{a: 1\}' is not JSON"):
        planned(tmp_path, {"path": str(tmp_path)}, FLAG, "{a: 1}")
