"""``vlmctl dry-run`` on reports that vLLM's own environment wrote: exit codes, comparison, what is saved."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from builders import QWEN3_VL
from vlm_operator.cli.dry_run_comparison import differs
from vlm_operator.cli.main import main

REPORTS = Path(__file__).parents[2] / "data" / "dry_runs"

STAND_IN = """#!{python}
import importlib.util, json, sys
if sys.argv[1] == "-c":
    print("{version}")
elif sys.argv[1:] == ["-m", "dryrun", "-"]:
    assert importlib.util.find_spec("dryrun"), "the program is not on the path"
    request = json.load(sys.stdin)
    open("{asked}", "w").write(json.dumps(request))
    print(open("{report}").read())
"""
"""In place of a Python that has vLLM: prints its version, and a recorded report when it is asked for a dry run."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(QWEN3_VL))
    return folder


def python_with_vllm(folder: Path, report: str, version: str = "0.32.0") -> Path:
    path = folder / "python"
    text = STAND_IN.format(
        python=sys.executable, version=version, asked=folder / "asked.json", report=REPORTS / f"{report}.json"
    )
    path.write_text(text)
    path.chmod(0o755)
    return path


def dry_run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["dry-run", *map(str, arguments), "--offline"])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


FLAGS = (
    *("--gpu", "H100", "--gpu-count", "1", "--max-model-len", "32768", "--gpu-memory-utilization", "0.9"),
    *("--max-num-seqs", "256", "--max-num-batched-tokens", "8192", "--limit-mm-per-prompt", '{"image": 1, "video": 0}'),
)


@pytest.mark.parametrize(
    ("report", "code", "outcome", "reason"),
    [
        pytest.param("qwen3-vl-8b-h100-0.32.0", 0, "Ran", None, id="it ran"),
        pytest.param("refused-context-0.33.0", 3, "Refused", "ContextAboveModelMaximum", id="vLLM refused"),
        pytest.param("cannot-tell-0.33.0", 4, "CannotTell", "SimulationCannotTell", id="the simulation cannot tell"),
    ],
)
def test_the_exit_code_says_how_the_run_ended(
    report: str,
    code: int,
    outcome: str,
    reason: str | None,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    python = python_with_vllm(tmp_path, report)
    ended, out, _ = dry_run(model, *FLAGS, "--python", python, "-o", "json", capsys=capsys)
    answer = json.loads(out)
    assert (ended, answer["outcome"], (answer["error"] or {}).get("reason")) == (code, outcome, reason)


def test_the_program_is_asked_for_the_plans_flags_on_that_gpu(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = python_with_vllm(tmp_path, "qwen3-vl-8b-h100-0.32.0")
    dry_run(model, *FLAGS, "--python", python, "--images", "1@640x480", capsys=capsys)
    asked: dict[str, Any] = json.loads((tmp_path / "asked.json").read_text())
    assert asked["model"] == str(model)
    assert asked["gpu"]["name"] == "NVIDIA H100 80GB HBM3"
    assert asked["engine"]["limit_mm_per_prompt"] == {"image": 1, "video": 0}
    assert asked["items"] == [{"modality": "image", "width": 640, "height": 480}]


def test_plan_and_dry_run_stand_beside_each_other_term_by_term(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = python_with_vllm(tmp_path, "qwen3-vl-8b-h100-0.32.0")
    _, out, _ = dry_run(model, *FLAGS, "--python", python, "-o", "json", capsys=capsys)
    terms = {term["term"]: term for term in json.loads(out)["terms"]}
    assert list(terms) == [
        "weights",
        "start-up peak",
        "KV cache block",
        "KV cache of one request",
        "non-torch",
        "CUDA graphs",
    ]
    assert terms["KV cache block"]["dryRunBytes"] == 36 * 65_536
    assert terms["start-up peak"]["dryRunBytes"] == 2_358_247_936 + 15 * 2**20
    assert (terms["non-torch"]["dryRunBytes"], terms["non-torch"]["differs"]) == (None, None)
    assert terms["non-torch"]["planBytes"] > 0


def test_the_table_names_what_is_not_simulated(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = python_with_vllm(tmp_path, "qwen3-vl-8b-h100-0.32.0")
    _, out, _ = dry_run(model, *FLAGS, "--python", python, capsys=capsys)
    assert "vLLM 0.32.0: vLLM loads and profiles it" in out
    assert "largest image: 16,384 tokens" in out
    assert "not simulated: cudaGraphs" in out
    assert "non-torch" in out


def test_a_model_that_our_own_code_does_not_know_is_run_with_the_flags_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"architectures": ["NobodyKnowsForCausalLM"], "model_type": "new"})
    )
    python = python_with_vllm(tmp_path, "qwen3-vl-8b-h100-0.32.0")
    code, out, _ = dry_run(tmp_path, *FLAGS, "--python", python, "-o", "json", capsys=capsys)
    answer = json.loads(out)
    assert (code, answer["plan"]["verdict"]) == (0, "Unknown")
    assert answer["plan"]["message"]
    assert answer["terms"][0]["planBytes"] is None
    asked = json.loads((tmp_path / "asked.json").read_text())
    assert asked["engine"]["max_num_seqs"] == 256


def test_flags_that_our_own_plan_refuses_are_put_to_vllm_all_the_same(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ("--gpu", "H100", "--max-num-seqs", "2048", "--max-num-batched-tokens", "1024")
    python = python_with_vllm(tmp_path, "refused-sequences-0.33.0")
    code, out, _ = dry_run(model, *flags, "--python", python, "-o", "json", capsys=capsys)
    answer = json.loads(out)
    assert (code, answer["error"]["reason"]) == (3, "BatchedTokensBelowSequences")
    assert answer["simulatedPlan"] is None
    asked = json.loads((tmp_path / "asked.json").read_text())["engine"]
    assert (asked["max_num_seqs"], asked["max_num_batched_tokens"]) == (2048, 1024)


def test_a_run_that_ended_has_a_verdict_with_vllms_own_figures(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = python_with_vllm(tmp_path, "qwen3-vl-8b-h100-0.32.0")
    _, out, _ = dry_run(model, *FLAGS, "--python", python, "-o", "json", capsys=capsys)
    found = json.loads(out)["simulatedPlan"]
    assert (found["verdict"], found["budget"]["weightsBytes"]) == ("Fits", 18_053_990_400)
    assert found["cup"] == {"maxModelLen": 32_768, "neededBytes": 4_831_838_208 + 36 * 65_536}


def test_options_override_the_file(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"model": {"path": str(model)}, "gpu": {"product": "NVIDIA-L4", "count": 1}}
    metadata = {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment", "metadata": {"name": "m"}}
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump({**metadata, "spec": spec}))
    python = python_with_vllm(tmp_path, "qwen3-vl-8b-h100-0.32.0")
    dry_run("-f", path, "--gpu", "H100", "--max-num-seqs", "7", "--python", python, capsys=capsys)
    asked = json.loads((tmp_path / "asked.json").read_text())
    assert (asked["model"], asked["gpu"]["name"]) == (str(model), "NVIDIA H100 80GB HBM3")
    assert asked["engine"]["max_num_seqs"] == 7


def test_facts_are_saved_only_of_a_run_that_ended(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = tmp_path / "facts.yaml"
    python = python_with_vllm(tmp_path, "refused-context-0.33.0")
    _, _, err = dry_run(model, *FLAGS, "--python", python, "--save", facts, capsys=capsys)
    assert (facts.exists(), "nothing is saved" in err) == (False, True)
    python = python_with_vllm(tmp_path, "qwen3-vl-8b-h100-0.32.0")
    dry_run(model, *FLAGS, "--python", python, "--save", facts, capsys=capsys)
    saved = yaml.safe_load(facts.read_text())
    assert (saved["kind"], saved["spec"]["gpuProduct"]) == ("EngineFacts", "NVIDIA-H100-80GB-HBM3")
    assert saved["spec"]["found"]["weightsBytes"] == 18_053_990_400


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        pytest.param(["--python", "/nowhere/python"], 2, "/nowhere/python is no program", id="no such Python"),
        pytest.param(["--python", "/bin/sh", "--image", "vllm"], 2, "exclude each other", id="a Python and an image"),
        pytest.param(["--python", sys.executable], 4, "has no vLLM", id="a Python without vLLM"),
        pytest.param(["--vllm-version", "0.30.0"], 2, "0.30.0 is asked for", id="another release than is installed"),
    ],
)
def test_an_environment_that_cannot_answer_is_named(
    options: list[str], code: int, words: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = options if "--python" in options else [*options, "--python", python_with_vllm(tmp_path, "none")]
    ended, _, err = dry_run(model, *FLAGS, *given, capsys=capsys)
    assert (ended, words in err) == (code, True), err


def test_a_model_of_the_catalogue_alone_lacks_the_files_a_processor_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = python_with_vllm(tmp_path, "qwen3-vl-8b-h100-0.32.0")
    code, _, err = dry_run("Qwen/Qwen3-VL-8B-Instruct", *FLAGS, "--python", python, capsys=capsys)
    assert code == 4
    assert "processor and tokenizer files" in err


def test_an_image_is_run_without_network_and_with_the_model_mounted(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "docker"
    report = REPORTS / "qwen3-vl-8b-h100-0.32.0.json"
    tool.write_text(
        f"#!{sys.executable}\nimport sys\nopen('{tmp_path}/commands', 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
        f"print(open('{report}').read() if 'dryrun' in sys.argv else '0.32.0')\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, _ = dry_run(model, *FLAGS, "--image", "vllm/vllm-openai:v0.32.0", capsys=capsys)
    asked, ran = (tmp_path / "commands").read_text().splitlines()
    assert code == 0
    assert "--network none" in asked
    assert f"-v {model}:/model:ro" in ran
    assert ran.endswith("--entrypoint python3 vllm/vllm-openai:v0.32.0 -m dryrun -")


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param(2**30, 2**30 + 2**25, False, id="large terms may be 64 MiB apart"),
        pytest.param(2**30, 2**30 + 2**27, True, id="128 MiB are a difference"),
        pytest.param(65_536, 131_072, True, id="a block's size is exact"),
        pytest.param(None, 1, None, id="one has no figure"),
    ],
)
def test_what_counts_as_a_difference(ours: int | None, theirs: int | None, expected: bool | None) -> None:
    assert differs(ours, theirs) is expected
