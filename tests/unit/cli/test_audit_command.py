"""What scripts see of ``vlmctl audit``: exit codes, JSON on stdout, words on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from claim_world import gpu_device, resource_slice
from kit.audit_manifests import listed, node, pod
from vlm_operator.cli.main import main

VLM = "Qwen/Qwen3-VL-8B-Instruct"
NODES = [node("h100", "NVIDIA-H100-80GB-HBM3", 8), node("l4", "NVIDIA-L4", 1)]
FLAGS = [VLM, "--max-model-len", "32768", "--limit-mm-per-prompt", '{"image": 4, "video": 0}']
HEALTHY = pod("good", "h100", args=FLAGS)
WASTEFUL = pod("wasteful", "h100", args=FLAGS, gpus=4)
DOOMED = pod("doomed", "l4", args=[VLM, "--max-model-len", "262144"])
UNTAGGED = pod("untagged", "h100", args=FLAGS, image="vllm/vllm-openai:latest")


def run(folder: Path, pods: list[dict[str, Any]], *options: str, suffix: str = "json") -> int:
    """The exit code of an offline audit."""
    for kind, items in (("nodes", NODES), ("pods", pods)):
        document = listed("Node" if kind == "nodes" else "Pod", items)
        text = json.dumps(document) if suffix == "json" else yaml.safe_dump(document)
        (folder / f"{kind}.{suffix}").write_text(text)
    files = ["--nodes", str(folder / f"nodes.{suffix}"), "--pods", str(folder / f"pods.{suffix}")]
    with pytest.raises(SystemExit) as ended:
        main(["audit", *files, "--offline", *options])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("pods", "options", "code"),
    [
        pytest.param([HEALTHY], [], 0, id="nothing found"),
        pytest.param([WASTEFUL], [], 1, id="a warning"),
        pytest.param([WASTEFUL], ["--fail-on", "error"], 0, id="a warning, errors fail"),
        pytest.param([DOOMED], ["--fail-on", "error"], 1, id="an error"),
        pytest.param([UNTAGGED], [], 0, id="an info"),
        pytest.param([UNTAGGED], ["--fail-on", "info"], 1, id="an info, infos fail"),
        pytest.param([DOOMED], ["--fail-on", "never"], 0, id="an error, nothing fails"),
        pytest.param([], [], 0, id="no servers"),
    ],
)
def test_the_exit_code_says_whether_something_was_found(
    pods: list[dict[str, Any]], options: list[str], code: int, tmp_path: Path
) -> None:
    assert run(tmp_path, pods, *options) == code


def test_json_follows_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [DOOMED, WASTEFUL], "-o", "json") == 1
    answer = json.loads(capsys.readouterr().out)
    fits = {fit["nodeGroup"]: fit for fit in answer["fits"]}
    assert {"model", "nodeGroup", "verdict", "gpus", "maxModelLen", "reason"} <= fits["1x NVIDIA-L4"].keys()
    assert fits["8x NVIDIA-H100-80GB-HBM3"]["verdict"] == "Fits"
    assert fits["8x NVIDIA-H100-80GB-HBM3"]["startable"] == 4
    first = answer["findings"][0]
    assert first["kind"] == "WouldNotFit"
    assert first["object"] == {"kind": "Pod", "namespace": "models", "name": "doomed"}
    assert first["figures"]["maxModelLen"] == 262144
    assert {"id", "severity", "message", "remedy"} <= first.keys()
    assert answer["summary"]["findings"] == {"error": 1, "warning": 1, "info": 0}


def test_yaml_in_and_yaml_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [WASTEFUL], "-o", "yaml", suffix="yaml") == 1
    assert yaml.safe_load(capsys.readouterr().out)["findings"][0]["kind"] == "GPUsIdle"


def test_a_baseline_accepts_what_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, [WASTEFUL], "-o", "json")
    baseline = tmp_path / "baseline.json"
    baseline.write_text(capsys.readouterr().out)
    assert run(tmp_path, [WASTEFUL], "--baseline", str(baseline)) == 0
    assert "1 known" in capsys.readouterr().out
    assert run(tmp_path, [WASTEFUL, DOOMED], "--baseline", str(baseline)) == 1


def test_the_table_fits_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for width in (80, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        run(tmp_path, [DOOMED, WASTEFUL])
        said = capsys.readouterr().out
        assert max(map(len, said.splitlines())) <= width
        assert "WouldNotFit" in said
        assert "8x NVIDIA-H100-80GB-HBM3" in said


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        pytest.param("- Qwen/Qwen3-8B\n- id: Qwen/Qwen3-4B\n", ["Qwen/Qwen3-8B", "Qwen/Qwen3-4B"], id="a list"),
        pytest.param("Qwen/Qwen3-8B\nQwen/Qwen3-4B\n", ["Qwen/Qwen3-8B", "Qwen/Qwen3-4B"], id="one id a line"),
        pytest.param(
            "kind: VLMDeployment\nmetadata: {name: mine}\nspec: {model: {id: Qwen/Qwen3-8B}, goal: SingleUser}\n",
            ["mine (Qwen/Qwen3-8B)"],
            id="a VLMDeployment",
        ),
    ],
)
def test_models_to_place(models: str, expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "models.yaml").write_text(models)
    run(tmp_path, [], "--models", str(tmp_path / "models.yaml"), "-o", "json")
    fits = json.loads(capsys.readouterr().out)["fits"]
    assert list(dict.fromkeys(fit["model"] for fit in fits)) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--nodes", "{nodes}"], "an offline audit needs --nodes and --pods", id="one file of two"),
        pytest.param(["--nodes", "{nodes}", "--pods", "{nodes}"], "holds no Pod", id="nodes in the place of pods"),
        pytest.param(["--nodes", "{none}", "--pods", "{none}"], "No such file", id="no such file"),
        pytest.param(["--nodes", "{pods}", "--pods", "{pods}"], "holds no Node", id="pods in the place of nodes"),
        pytest.param(["--nodes", "{text}", "--pods", "{text}"], "holds no Kubernetes objects", id="a text"),
        pytest.param(["--nodes", "{broken}", "--pods", "{broken}"], "neither JSON nor YAML", id="broken JSON"),
        pytest.param(["--to", "next"], "'next' is not a vLLM version", id="no version"),
        pytest.param(["--to", "9.9.9"], "to: the rules of vLLM 9.9.9 are not known", id="an unknown release"),
        pytest.param(["--metrics", "x"], "they go with --nodes and --pods", id="metrics without files"),
    ],
)
def test_wrong_input_ends_with_2(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: tmp_path / name for name in ("nodes", "pods", "none", "text", "broken")}
    files["nodes"].write_text(yaml.safe_dump(NODES[0]))
    files["pods"].write_text(yaml.safe_dump({"kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "p"}}]}))
    files["text"].write_text("- a\n- b\n")
    files["broken"].write_text("{")
    with pytest.raises(SystemExit) as ended:
        main(["audit", *(argument.format(**files) for argument in arguments)])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_cluster_that_does_not_answer_ends_with_5(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    config = {
        "clusters": [cluster],
        "contexts": [context],
        "users": [{"name": "u", "user": {}}],
        "current-context": "c",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    with pytest.raises(SystemExit) as ended:
        main(["audit"])
    assert ended.value.code == 5
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "start"),
    [
        pytest.param("sarif", "{", id="sarif"),
        pytest.param("junit", "<?xml", id="junit"),
        pytest.param("markdown", "# Audit", id="markdown"),
        pytest.param("html", "<!doctype html>", id="html"),
    ],
)
def test_every_form_names_the_findings(
    form: str, start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, [DOOMED], "-o", form) == 1
    said = capsys.readouterr().out
    assert said.startswith(start)
    assert "WouldNotFit" in said


def test_a_plan_has_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", VLM, "--gpu", "T4", "--gpu-count", "1", "--max-model-len", "262144", "-o", "html"])
    assert ended.value.code == 3
    assert "DoesNotFit" in capsys.readouterr().out


def test_nodes_may_have_slices_claims_and_measurements_beside_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = {"kind": "Node", "metadata": {"name": "dra"}, "status": {"allocatable": {"cpu": "4"}}}
    slices = resource_slice("dra", gpu_device(0, "NVIDIA A40", "46068Mi", "8.6.0"))
    (tmp_path / "nodes.json").write_text(json.dumps({"kind": "List", "items": [bare, slices]}))
    (tmp_path / "pods.json").write_text(json.dumps(listed("Pod", [])))
    files = ["--nodes", str(tmp_path / "nodes.json"), "--pods", str(tmp_path / "pods.json")]
    with pytest.raises(SystemExit):
        main(["audit", *files, "--models", _models(tmp_path), "--offline", "-o", "json"])
    (fit,) = json.loads(capsys.readouterr().out)["fits"]
    assert (fit["nodeGroup"], fit["verdict"]) == ("1x NVIDIA-A40", "Fits")


def _models(folder: Path) -> str:
    (folder / "models.yaml").write_text(yaml.safe_dump([VLM]))
    return str(folder / "models.yaml")
