"""vLLM itself, without a GPU: it loads, groups and profiles as our rules say, and refuses what we say it refuses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kit.engine.model_folder import qwen3_vl, write
from kit.engine.releases import RELEASES, Release
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine_facts import DryRunReport, Ending, outcome, read_report, request_document
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.sources import load_model
from vlm_operator.sources.dry_run_program import write_program

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

FLAGS = EngineSettings(
    max_model_len=32_768,
    gpu_memory_utilization=0.9,
    max_num_seqs=256,
    max_num_batched_tokens=8192,
    limit_mm_per_prompt=(("image", ModalityLimit(1)), ("video", ModalityLimit(0))),
)
PINNED = frozenset(
    {"max_model_len", "gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "limit_mm_per_prompt"}
)
H100 = find_gpu("H100")
IMAGE = {"modality": "image", "width": 1920, "height": 1080}


def dry_run(release: Release, model: Path, work: Path, settings: EngineSettings, product: str = "H100") -> DryRunReport:
    """The report of the program in that release."""
    request = request_document(str(model), find_gpu(product), settings, contexts=[4096], items=[IMAGE])
    program = work / f"program-{release.version}"
    if not program.is_dir():
        program.mkdir()
        write_program(program)
    environment: Mapping[str, str] = {
        **release.environment(),
        "PYTHONPATH": f"{program}:{release.sources}",
        "TMPDIR": str(work),
    }
    done = subprocess.run(
        [str(release.python), "-m", "dryrun", "-"],
        input=json.dumps(request),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return read_report(json.loads(done.stdout))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dry-runs")


@pytest.fixture(scope="module")
def model(work: Path) -> Path:
    return write(work / "model", qwen3_vl())


@pytest.mark.parametrize("version", RELEASES)
def test_vllm_loads_groups_and_profiles_as_our_rules_say(
    version: str, releases: dict[str, Release], model: Path, work: Path
) -> None:
    report = dry_run(releases[version], model, work, FLAGS)
    assert outcome(report).ending is Ending.RAN, report.error
    assert report.vllm_version == version
    release, facts = EngineVersion.parse(version), load_model(str(model))
    intent = Intent(settings=FLAGS, pinned=PINNED, version=release, gpu_count=1, is_prediction=True)
    budget = plan(facts, H100, intent).budget
    assert budget is not None
    assert report.weights_bytes is not None
    assert report.moments is not None
    layout = kv_layout(facts, FLAGS.with_(block_size=16), release, H100.compute_capability)
    assert report.bytes_per_block == layout.bytes_per_block
    assert {need.max_model_len: need.needed_bytes for need in report.needs} == {
        length: layout.needed_bytes(length) for length in (4096, 32_768)
    }
    assert report.max_item_tokens["image"] == 16_384
    assert report.weights_bytes == pytest.approx(budget.weights_bytes, rel=0.01)
    assert report.moments.peak_bytes == pytest.approx(budget.activation_peak_bytes, abs=0.2 * 2**30)
    (item,) = report.document["items"]
    assert item["encoderTokens"] == 60 * 34


@pytest.mark.parametrize(
    ("settings", "product", "reason"),
    [
        pytest.param(FLAGS.with_(tensor_parallel_size=3), "H100", "TensorParallelNotDivisible", id="three GPUs"),
        pytest.param(FLAGS.with_(max_model_len=1_000_000), "H100", "ContextAboveModelMaximum", id="context"),
        pytest.param(
            FLAGS.with_(max_num_batched_tokens=128, max_num_seqs=256), "H100", "BatchedTokensBelowSequences", id="batch"
        ),
        pytest.param(FLAGS.with_(quantization="awq"), "H100", "QuantizationConfigInvalid", id="quantisation"),
        pytest.param(FLAGS.with_(dtype="bfloat16"), "Tesla-T4", "DtypeUnsupportedByGPU", id="element type"),
    ],
)
def test_vllm_refuses_by_the_reason_of_its_log(
    settings: EngineSettings, product: str, reason: str, releases: dict[str, Release], model: Path, work: Path
) -> None:
    ended = outcome(dry_run(releases[RELEASES[-1]], model, work, settings, product))
    assert (ended.ending, ended.reason) == (Ending.REFUSED, reason), ended.message


def test_an_architecture_that_the_release_does_not_serve_is_refused(releases: dict[str, Release], work: Path) -> None:
    config: dict[str, Any] = {**qwen3_vl(), "architectures": ["NobodyServesForConditionalGeneration"]}
    folder = write(work / "unknown", config)
    ended = outcome(dry_run(releases[RELEASES[-1]], folder, work, FLAGS))
    assert (ended.ending, ended.reason) == (Ending.REFUSED, "ArchitectureUnsupported"), ended.message


def test_the_last_rank_of_two_holds_about_half_the_weights(
    releases: dict[str, Release], model: Path, work: Path
) -> None:
    release = releases[RELEASES[-1]]
    report = dry_run(release, model, work, FLAGS.with_(tensor_parallel_size=2))
    assert outcome(report).ending is Ending.RAN, report.error
    assert [rank["rank"] for rank in report.document["ranks"]] == [0, 1]
    budget = plan(
        load_model(str(model)),
        H100,
        Intent(
            settings=FLAGS.with_(tensor_parallel_size=2),
            pinned=PINNED | {"tensor_parallel_size"},
            version=EngineVersion.parse(release.version),
            gpu_count=2,
            is_prediction=True,
        ),
    ).budget
    assert budget is not None
    assert report.weights_bytes == pytest.approx(budget.weights_bytes, rel=0.01)
