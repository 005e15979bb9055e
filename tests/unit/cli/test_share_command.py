"""``vlmctl share`` on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from vlm_operator.cli.main import vlmctl

DEPLOYMENT = """
apiVersion: vlm-operator.dev/v1alpha1
kind: VLMDeployment
metadata: {{name: {name}}}
spec:
  model: {{id: {model}}}
  workload: {{images: {{count: 1, width: 1280, height: 720}}, promptTokens: 1024, outputTokens: 1024}}
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    arguments: list[str] = []
    for name, model in (("tiny", "Qwen/Qwen3-VL-2B-Instruct"), ("reader", "Qwen/Qwen2.5-VL-3B-Instruct")):
        path = tmp_path / f"{name}.yaml"
        path.write_text(DEPLOYMENT.format(name=name, model=model))
        arguments += ["-f", str(path)]
    return arguments


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(vlmctl, ["share", *arguments], standalone_mode=False)
    code = done.return_value if done.exception is None else -1
    return code, done.stdout


def test_two_files_on_a_desktop_card(files: list[str]) -> None:
    code, out = run(*files, "--gpu", "RTX-4090", "--reserve", "4GiB")
    assert code == 0
    assert out.startswith("Fits: ")
    assert "4.00 GiB kept for others" in out
    assert out.count("vllm serve ") == 2


def test_json_has_the_sum_and_the_order(files: list[str]) -> None:
    code, out = run(*files, "--gpu", "RTX-4090", "--reserve", "4GiB", "-o", "json")
    answer = json.loads(out)
    assert code == 0
    assert answer["sumBytes"] == sum(server["takesBytes"] for server in answer["servers"]) <= answer["availableBytes"]
    assert [server["name"] for server in answer["servers"]] == ["reader", "tiny"]
    assert answer["servers"][1]["leftAtStartBytes"] < answer["servers"][0]["leftAtStartBytes"]
    assert "--gpu-memory-utilization" in answer["servers"][0]["command"]


def test_the_figures_of_aibrix_are_what_each_takes_and_its_smallest_cache(files: list[str]) -> None:
    _, out = run(*files, "--gpu", "RTX-4090", "-o", "json")
    for server in json.loads(out)["servers"]:
        figures = {name: int(size.removesuffix("Mi")) for name, size in server["aibrix"]["perGPU"].items()}
        assert figures["maximumFootprint"] == -(-server["takesBytes"] // 2**20)
        assert figures["kvFloor"] == -(-server["kvFloorBytes"] // 2**20)
        assert 0 < figures["kvFloor"] < figures["maximumFootprint"]
    _, words = run(*files, "--gpu", "RTX-4090")
    assert words.count("maximumFootprint: ") == 2


def test_what_does_not_fit_is_refused_with_the_sum(files: list[str]) -> None:
    code, out = run(*files, "--gpu", "RTX-4070")
    assert code == 3
    assert "is missing" in out
    assert "vllm serve" not in out


def test_a_gpu_has_to_be_named(files: list[str]) -> None:
    done = CliRunner().invoke(vlmctl, ["share", *files], standalone_mode=False)
    assert "one of --gpu and --gpu-memory" in str(done.exception)
