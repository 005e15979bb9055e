"""What the program is asked, and what it refuses to understand."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vlm_operator.dryrun as program
from vlm_operator.dryrun.gpu import GPU
from vlm_operator.dryrun.model_files import LONGEST_FILE_BYTES, reported_files
from vlm_operator.dryrun.operator_rules import is_random, sort_workspace_bytes
from vlm_operator.dryrun.ranks import combined, simulated_ranks
from vlm_operator.dryrun.request import BadRequest, Request
from vlm_operator.engine_facts.transport import report_in

FOLDER = Path(program.__file__).parent
H100 = {"name": "NVIDIA H100 80GB HBM3", "totalBytes": 85_028_634_624, "capability": [9, 0], "multiprocessors": 132}


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text("{}")
    return str(tmp_path)


def test_a_request_names_model_gpu_flags_contexts_and_items(model: str) -> None:
    items = [{"modality": "image", "width": 640, "height": 480}]
    document = {"model": model, "gpu": H100, "engine": {"tensor_parallel_size": 2}, "contexts": [4096], "items": items}
    request = Request.read(document)
    assert request.gpu == GPU("NVIDIA H100 80GB HBM3", 85_028_634_624, (9, 0), 132, 232_448)
    assert (request.tensor_parallel_size, request.contexts, list(request.items)) == (2, (4096,), items)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"gpu": None}, "gpu|NoneType", id="no GPU"),
        pytest.param({"gpu": {**H100, "capability": 9}}, "int", id="a capability that is no pair"),
        pytest.param({"contexts": ["long"]}, "long", id="a context that is no number"),
        pytest.param({"model": "/nowhere"}, "model: /nowhere has no config.json", id="a folder without a config"),
    ],
)
def test_a_request_that_cannot_be_understood_is_refused_by_name(model: str, change: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        Request.read({"model": model, "gpu": H100, **change})


def test_the_program_runs_from_its_folder_and_refuses_a_bad_request_with_exit_code_2(tmp_path: Path) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps({"model": str(tmp_path), "gpu": H100}))
    command = [sys.executable, "-m", "dryrun", str(request)]
    done = subprocess.run(command, env={"PYTHONPATH": str(FOLDER.parent)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no config.json" in done.stderr


def test_without_vllm_the_report_says_what_could_not_be_imported(model: str, tmp_path: Path) -> None:
    request, report = tmp_path / "request.json", tmp_path / "report.json"
    request.write_text(json.dumps({"model": model, "gpu": H100}))
    blocked = tmp_path / "torch.py"
    blocked.write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    command = [sys.executable, "-m", "dryrun", str(request), "--output", str(report)]
    path = f"{tmp_path}:{FOLDER.parent}"
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    error = json.loads(report.read_text())["error"]
    assert (error["stage"], error["type"], error["simulationLimit"]) == ("import", "ModuleNotFoundError", True)


def test_the_first_and_the_last_rank_are_simulated_and_the_larger_figure_counts() -> None:
    first = {"rank": 0, "weightsBytes": 10, "moments": {"textBytes": 5, "encoderBytes": None}, "error": None}
    last = {"rank": 3, "weightsBytes": 12, "moments": {"textBytes": 4, "encoderBytes": None}, "error": None}
    report = combined([first, last])
    assert simulated_ranks(4) == (0, 3)
    assert (report["weightsBytes"], report["moments"]) == (12, {"textBytes": 5, "encoderBytes": None})
    assert [rank["weightsBytes"] for rank in report["ranks"]] == [10, 12]


def test_an_error_of_any_rank_is_the_error_of_the_run() -> None:
    failed = {"rank": 1, "error": {"message": "12 is not divisible by 8"}}
    assert combined([{"rank": 0, "weightsBytes": 10, "error": None}, failed])["error"] == failed["error"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [pytest.param(256, 24, id="many rows: a double buffer"), pytest.param(64, 36, id="few rows: segment pairs")],
)
def test_sorting_takes_a_workspace_that_grows_with_its_keys(rows: int, expected: int) -> None:
    assert sort_workspace_bytes(rows, 1000, 8) == rows * 1000 * expected


@pytest.mark.parametrize("name", ["uniform_", "normal_", "exponential_", "rand", "bernoulli_"])
def test_random_numbers_have_no_known_values(name: str) -> None:
    assert is_random(name)
    assert not is_random("arange")


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).partition(".")[0])
    return found


def test_the_program_imports_only_what_a_vllm_environment_has() -> None:
    found = set().union(*(_imports(path) for path in FOLDER.glob("*.py")))
    assert found - sys.stdlib_module_names <= {"torch", "vllm", "triton", "PIL", "huggingface_hub"}


def test_the_program_is_flat_and_fits_a_config_map() -> None:
    """A ConfigMap holds 1 MiB and its keys know no folders; 900 KiB leave room for the request."""
    files = [path for path in FOLDER.rglob("*") if "__pycache__" not in path.parts]
    assert all(path.parent == FOLDER and path.suffix == ".py" for path in files)
    assert sum(path.stat().st_size for path in files) < 900 * 1024


def test_the_program_is_written_for_python_3_10() -> None:
    for path in FOLDER.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 10))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        pytest.param({"model": "/models/nowhere"}, "/models/nowhere has no config.json", id="an empty volume"),
        pytest.param({"repository": "example/nowhere"}, "LocalEntryNotFound|OfflineMode", id="no network"),
    ],
)
def test_in_a_container_a_model_that_is_not_there_is_the_report(
    tmp_path: Path, question: dict[str, Any], words: str
) -> None:
    request, message = tmp_path / "request.json", tmp_path / "message"
    request.write_text(json.dumps({"gpu": H100, **question}))
    command = [sys.executable, "-m", "dryrun", str(request), "--termination-message", str(message)]
    surroundings = {"PYTHONPATH": str(FOLDER.parent), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = report_in(message.read_text())
    assert report is not None
    assert report.error is not None
    assert report.error.stage == "model"
    assert re.search(words, report.error.message)


def test_a_repository_in_the_cache_is_used_without_a_network(tmp_path: Path) -> None:
    commit = "0" * 40
    folder = tmp_path / "models--example--model"
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "snapshots" / commit / "config.json").write_text('{"model_type": "x"}')
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    script = (
        "from dryrun.model_files import *; f = repository_folder('example/model', None); print(f, reported_files(f))"
    )
    surroundings = {"PYTHONPATH": str(FOLDER.parent), "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=surroundings, capture_output=True, text=True, check=False)
    assert done.stdout == f"{folder / 'snapshots' / commit} {{'config.json': {{'model_type': 'x'}}}}\n", done.stderr


def test_files_that_are_too_long_or_no_json_are_not_reported(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"x": "y" * LONGEST_FILE_BYTES}))
    (tmp_path / "preprocessor_config.json").write_text("{")
    (tmp_path / "modules.json").write_text("[]")
    assert reported_files(str(tmp_path)) == {"modules.json": []}
