"""``--facts FILE``: plans that rest on what vLLM itself said in a dry run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders import QWEN3_VL
from vlm_operator.api.engine_facts import to_yaml
from vlm_operator.cli.main import main
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine_facts import read_report
from vlm_operator.engine_facts.document import facts_of
from vlm_operator.gpu.catalogue import find_gpu

REPORT = Path(__file__).parents[2] / "data" / "dry_runs" / "qwen3-vl-8b-h100-0.32.0.json"
FLAGS = EngineSettings(
    max_model_len=32_768,
    gpu_memory_utilization=0.9,
    max_num_seqs=256,
    max_num_batched_tokens=8192,
    limit_mm_per_prompt=(("image", ModalityLimit(1)), ("video", ModalityLimit(0))),
)
OPTIONS = (
    *("--gpu", "H100", "--gpu-count", "1", "--max-model-len", "32768", "--gpu-memory-utilization", "0.9"),
    *("--max-num-seqs", "256", "--max-num-batched-tokens", "8192", "--limit-mm-per-prompt", '{"image": 1, "video": 0}'),
    *("--vllm-version", "0.32.0"),
)


def facts_about(model: str, folder: Path) -> Path:
    path = folder / "facts.yaml"
    path.write_text(
        to_yaml(facts_of(model, None, find_gpu("H100"), FLAGS, read_report(json.loads(REPORT.read_text()))))
    )
    return path


def run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--offline"])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def model_folder(folder: Path, config: dict[str, Any]) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_known_model_is_planned_with_vllms_own_weights_and_peak(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_folder(tmp_path, QWEN3_VL)
    facts = facts_about(str(model), tmp_path)
    code, out, _ = run("plan", model, *OPTIONS, "--facts", facts, "-o", "json", capsys=capsys)
    answer = json.loads(out)
    assert (code, answer["budget"]["weightsBytes"]) == (0, 18_053_990_400)
    assert any("dry run" in sentence for sentence in answer["explanation"])


def test_an_unknown_model_has_a_verdict_with_facts_and_none_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_folder(tmp_path, {"architectures": ["NobodyKnowsForCausalLM"], "model_type": "new"})
    without, _, _ = run("plan", model, *OPTIONS, "-o", "json", capsys=capsys)
    code, out, _ = run(
        "plan", model, *OPTIONS, "--facts", facts_about(str(model), tmp_path), "-o", "json", capsys=capsys
    )
    answer = json.loads(out)
    assert (without, code, answer["verdict"]) == (4, 0, "Fits")
    assert answer["model"]["source"] == "dry run"
    assert answer["budget"]["kvCacheLowBytes"] < answer["budget"]["kvCacheBytes"] < answer["budget"]["kvCacheHighBytes"]


def test_facts_about_another_model_are_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = model_folder(tmp_path, QWEN3_VL)
    code, _, err = run("plan", model, *OPTIONS, "--facts", facts_about("another/model", tmp_path), capsys=capsys)
    assert (code, "another/model" in err) == (2, True)


def test_manifests_are_rendered_from_the_same_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployment = {
        "apiVersion": "vlm-operator.dev/v1alpha1",
        "kind": "VLMDeployment",
        "metadata": {"name": "m"},
        "spec": {
            "model": {"id": "Qwen/Qwen3-VL-8B-Instruct"},
            "gpu": {"product": "NVIDIA-H100-80GB-HBM3", "count": 1},
            "engine": {"vllmVersion": "0.32.0"},
        },
    }
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump(deployment))
    facts = facts_about("Qwen/Qwen3-VL-8B-Instruct", tmp_path)
    code, out, _ = run("render", "-f", path, "--facts", facts, capsys=capsys)
    assert (code, "kind: Deployment" in out) == (0, True)
    code, _, err = run("render", "-f", path, "--facts", facts_about("another/model", tmp_path), capsys=capsys)
    assert (code, "another/model" in err) == (2, True)
