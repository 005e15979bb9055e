"""Reports that the program wrote inside vLLM 0.32 and 0.33: read, typed, kept as EngineFacts."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from vlm_operator.api.engine_facts import manifest_of, to_yaml
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine_facts import Ending, outcome, read_report, request_document
from vlm_operator.engine_facts.document import facts_of, from_document
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import all_gpus, find_gpu
from vlm_operator.gpu.facts import custom_gpu
from vlm_operator.gpu.multiprocessors import multiprocessors

REPORTS = Path(__file__).parents[2] / "data" / "dry_runs"


def recorded(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((REPORTS / f"{name}.json").read_text())
    return document


def failed(stage: str, type_: str, message: str, raised_in: str, *, limit: bool = False) -> dict[str, Any]:
    error = {
        "stage": stage,
        "type": type_,
        "message": message,
        "raisedIn": raised_in,
        "simulationLimit": limit,
        "trace": f"Traceback (most recent call last):\n{type_}: {message}\n",
    }
    return {"vllmVersion": "0.32.0", "error": error}


def test_a_report_says_what_vllm_loaded_grouped_and_profiled() -> None:
    report = read_report(recorded("qwen3-vl-8b-h100-0.32.0"))
    assert (report.architecture, report.dtype) == ("Qwen3VLForConditionalGeneration", "bfloat16")
    assert report.weights_bytes == 18_053_990_400
    assert [(group.kind, group.layers, group.page_size_bytes) for group in report.groups] == [
        ("FullAttention", 36, 65_536)
    ]
    assert (report.bytes_per_block, report.max_item_tokens) == (36 * 65_536, {"image": 16_384})
    assert [(need.max_model_len, need.needed_bytes) for need in report.needs] == [
        (4096, 603_979_776),
        (32_768, 4_831_838_208),
    ]
    assert report.moments is not None
    assert report.moments.peak_bytes == report.moments.encoder_bytes == 2_358_247_936
    assert outcome(report).ending is Ending.RAN


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        pytest.param(
            "refused-context-0.33.0", "ContextAboveModelMaximum", "1000000", id="a context above the model's maximum"
        ),
        pytest.param(
            "refused-tensor-parallel-0.33.0",
            "TensorParallelNotDivisible",
            r"heads \(32\) must be divisible by tensor parallel size \(3\)",
            id="heads that three GPUs do not divide",
        ),
        pytest.param(
            "refused-quantization-0.33.0",
            "QuantizationConfigInvalid",
            "Cannot find the config file for awq",
            id="a quantisation that the checkpoint does not have",
        ),
        pytest.param(
            "refused-sequences-0.33.0",
            "BatchedTokensBelowSequences",
            r"max_num_batched_tokens \(1024\) must be greater than or equal to max_num_seqs \(2048\)",
            id="contradicting flags",
        ),
    ],
)
def test_what_vllm_refuses_is_refused_by_its_own_reason(name: str, reason: str, words: str) -> None:
    ended = outcome(read_report(recorded(name)))
    assert (ended.ending, ended.reason) == (Ending.REFUSED, reason)
    assert ended.message is not None
    assert "[type=" not in ended.message
    assert re.search(words, ended.message)


@pytest.mark.parametrize(
    ("document", "ending", "reason"),
    [
        pytest.param(
            failed("load", "AssertionError", "12 is not divisible by 8", "vllm.distributed.utils"),
            Ending.REFUSED,
            "TensorParallelNotDivisible",
            id="an assertion while loading that diagnosis knows",
        ),
        pytest.param(
            failed("configure", "ValueError", "flag A excludes flag B", "vllm.config.vllm"),
            Ending.REFUSED,
            "ConfigurationRejected",
            id="a check whose wording nobody knows",
        ),
        pytest.param(
            failed("profile", "ValueError", "shapes do not match", "vllm.model_executor.layers.linear"),
            Ending.CANNOT_TELL,
            "SimulationCannotTell",
            id="an error of the profiling run is no refusal",
        ),
        pytest.param(
            failed("load", "AttributeError", "'NoneType' object has no attribute 'shape'", "vllm.model_executor.x"),
            Ending.CANNOT_TELL,
            "SimulationCannotTell",
            id="an accident while loading is no refusal",
        ),
        pytest.param(
            failed("load", "ValueError", "flag A excludes flag B", "torch._ops", limit=True),
            Ending.CANNOT_TELL,
            "SimulationCannotTell",
            id="a limit of the simulation is no refusal",
        ),
        pytest.param(
            failed("import", "ModuleNotFoundError", "No module named 'vllm'", "dryrun.simulation", limit=True),
            Ending.CANNOT_TELL,
            "SimulationCannotTell",
            id="no vLLM",
        ),
    ],
)
def test_only_checks_of_vllm_are_refusals(document: dict[str, Any], ending: Ending, reason: str) -> None:
    ended = outcome(read_report(document))
    assert (ended.ending, ended.reason) == (ending, reason)


def test_a_run_that_reached_the_simulations_limit_keeps_what_was_found_before() -> None:
    report = read_report(recorded("cannot-tell-0.33.0"))
    assert outcome(report).ending is Ending.CANNOT_TELL
    assert report.weights_bytes is not None
    assert report.bytes_per_block == 28 * 65_536


@pytest.mark.parametrize(
    "document",
    [
        pytest.param([], id="no object"),
        pytest.param({"kvGroups": [{"kind": "FullAttention"}]}, id="a group without layers"),
        pytest.param({"error": {"stage": "load"}}, id="an error without its text"),
    ],
)
def test_what_is_no_report_is_refused(document: Any) -> None:
    with pytest.raises(InputError, match="dry run"):
        read_report(document)


def test_facts_are_the_same_bytes_for_the_same_run_and_can_be_read_back() -> None:
    settings = EngineSettings(max_model_len=32768, limit_mm_per_prompt=(("image", ModalityLimit(1)),))
    gpu = find_gpu("H100")
    first, second = recorded("qwen3-vl-8b-h100-0.32.0"), recorded("qwen3-vl-8b-h100-0.32.0")
    second["seconds"], second["ranks"] = 99.0, [{"peakResidentBytes": 1}]
    written = [
        to_yaml(facts_of("Qwen/Qwen3-VL-8B-Instruct", None, gpu, settings, read_report(each)))
        for each in (first, second)
    ]
    assert written[0] == written[1]
    facts = from_document(yaml.safe_load(written[0]))
    assert (facts.model, facts.gpu_product, facts.vllm_version) == (
        "Qwen/Qwen3-VL-8B-Instruct",
        "NVIDIA-H100-80GB-HBM3",
        "0.32.0",
    )
    assert facts.settings == settings
    assert facts.report.moments == read_report(first).moments
    assert to_yaml(facts) == written[0]


def test_a_run_that_failed_has_no_facts() -> None:
    with pytest.raises(InputError, match="did not end"):
        facts_of("m", None, find_gpu("H100"), EngineSettings(), read_report(recorded("refused-context-0.33.0")))


@pytest.mark.parametrize("document", [None, {"kind": "VLMDeployment"}, {"kind": "EngineFacts", "spec": {}}])
def test_what_is_no_engine_facts_document_is_refused(document: Any) -> None:
    with pytest.raises(InputError, match="facts"):
        from_document(document)


def test_the_request_holds_the_gpu_and_the_flags_that_are_set() -> None:
    settings = EngineSettings(
        max_model_len=8192, mm_processor_kwargs='{"max_pixels":1003520}', load_format="runai_streamer", runner="V1"
    )
    document = request_document("/model", find_gpu("H100"), settings, contexts=[8192, 4096, 8192])
    assert document["engine"] == {"max_model_len": 8192, "mm_processor_kwargs": {"max_pixels": 1_003_520}}
    assert document["contexts"] == [4096, 8192]
    assert (document["gpu"]["capability"], document["gpu"]["multiprocessors"]) == ([9, 0], 132)
    assert document["gpu"]["totalBytes"] == find_gpu("H100").total_bytes


def test_a_gpu_of_unknown_capability_cannot_be_simulated() -> None:
    with pytest.raises(UnknownFact, match="compute capability"):
        request_document("/model", custom_gpu(24 * 2**30), EngineSettings())


def test_multiprocessors_are_known_for_the_products_people_serve_on() -> None:
    known = {gpu.product for gpu in all_gpus() if multiprocessors(gpu.product)}
    assert {"NVIDIA-L4", "Tesla-T4", "NVIDIA-A10G", "NVIDIA-GeForce-RTX-5090", "NVIDIA-H200"} <= known


def test_facts_of_a_namespace_have_another_name_than_those_for_everybody() -> None:
    report, gpu = read_report(recorded("qwen3-vl-8b-h100-0.32.0")), find_gpu("H100")
    everybody = facts_of("org/model", None, gpu, EngineSettings(), report)
    ours = facts_of("org/model", None, gpu, EngineSettings(), report, image="vllm:v0.32.0", namespace="vision")
    names = {manifest_of(each)["metadata"]["name"] for each in (everybody, ours)}
    assert len(names) == 2
    assert all(re.fullmatch(r"org-model-[0-9a-f]{16}", name) for name in names)
    assert from_document(manifest_of(ours)).subject == ours.subject
    assert manifest_of(ours)["metadata"]["labels"] == {"vlm-operator.dev/model": "org.model"}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param("GatedRepoError: 403 Client Error", "accept the model's conditions", id="gated"),
        pytest.param("RepositoryNotFoundError: 401 Client Error", "correct the model's id", id="not there, or private"),
        pytest.param("RevisionNotFoundError: 404", "correct the revision", id="no such revision"),
        pytest.param("model: /models/x has no config.json", "mount the volume", id="nothing in the volume"),
        pytest.param("LocalEntryNotFoundError: no connection", "reach the Hugging Face Hub", id="no network"),
    ],
)
def test_model_files_that_could_not_be_had_are_no_refusal_of_vllm(message: str, words: str) -> None:
    found = outcome(read_report(failed("model", "NoModel", message, "dryrun.__main__")))
    assert (found.ending, found.reason) == (Ending.NO_MODEL, "ModelUnreadable")
    assert words in (found.hint or "")


def test_numbers_that_json_does_not_have_are_kept_as_transformers_writes_them() -> None:
    config = {"time_step_limit": [0.0, math.inf], "low": -math.inf, "none": math.nan, "model_type": "mamba2"}
    report = read_report({**recorded("qwen3-vl-8b-h100-0.32.0"), "modelFiles": {"c": config}})
    ours = facts_of("org/m", None, find_gpu("L4"), EngineSettings(), report)
    kept = json.loads(json.dumps(manifest_of(ours), allow_nan=False))["spec"]["found"]["modelFiles"]["c"]
    assert kept == {
        "time_step_limit": [0.0, {"__float__": "Infinity"}],
        "low": {"__float__": "-Infinity"},
        "none": {"__float__": "NaN"},
        "model_type": "mamba2",
    }
