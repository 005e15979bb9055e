"""Whole logs that real vLLM 0.32 printed (hack/recorded/record-vllm-logs) give their cause and their figures."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from kit.log_forms import prefixed
from vlm_operator.diagnosis import Diagnosis, LogReader, Outcome, diagnose, document

DIRECTORY = Path(__file__).parents[2] / "data" / "vllm_logs"
EXPECTED: list[tuple[str, str, str | None, dict[str, Any]]] = [
    ("started", "Started", None, {}),
    ("auto_fit", "Started", None, {}),
    ("request_refused", "Started", None, {}),
    (
        "kv_cache_too_small", "Failed", "KVCacheTooSmall",
        {"max_model_len": 65536, "needed_gib": 2.0, "available_gib": 1.0, "estimated_max_len": 32640},
    ),
    (
        "kv_cache_too_small_json_lines", "Failed", "KVCacheTooSmall",
        {"max_model_len": 65536, "needed_gib": 2.0, "available_gib": 1.0, "estimated_max_len": 32640},
    ),
    (
        "kv_cache_too_small_colour", "Failed", "KVCacheTooSmall",
        {"max_model_len": 65536, "needed_gib": 2.0, "available_gib": 1.0, "estimated_max_len": 32640},
    ),
    (
        "context_above_model_maximum", "Failed", "ContextAboveModelMaximum",
        {"max_model_len": 65536, "derived_max_len": 8192.0, "model_max_length": "None"},
    ),
    (
        "free_memory_too_low", "Failed", "FreeMemoryTooLow",
        {"free_gib": 11.7, "total_gib": 14.96, "utilization": 0.99, "requested_gib": 14.81},
    ),
    ("model_not_found", "Failed", "ModelNotFound", {}),
    ("weights_missing", "Failed", "ModelNotFound", {"model": "/models/model"}),
    ("unknown_argument", "Failed", "UnknownArgument", {"args": "--swap-space 4"}),
    ("invalid_choice", "Failed", "UnknownArgument", {"arg": "--kv-cache-dtype"}),
    ("architecture_unsupported", "Failed", "ArchitectureUnsupported", {"archs": "['NobodyForCausalLM']"}),
    ("model_type_unknown", "Failed", "ArchitectureUnsupported", {"model_type": "nobody9"}),
    (
        "tensor_parallel_not_divisible", "Failed", "TensorParallelNotDivisible",
        {"num_heads": 8, "tensor_parallel_size": 3},
    ),
    (
        "batched_tokens_below_context", "Failed", "BatchedTokensBelowContext",
        {"max_num_batched_tokens": 512, "max_model_len": 4096},
    ),
    (
        "batched_tokens_below_sequences", "Failed", "BatchedTokensBelowSequences",
        {"max_num_batched_tokens": 64, "max_num_seqs": 128},
    ),
    ("quantization_unknown", "Failed", "QuantizationConfigInvalid", {"method": "fp7"}),
    ("unknown_numa_nodes", "Failed", "Unknown", {}),
]  # fmt: skip


def log(name: str) -> bytes:
    return gzip.decompress((DIRECTORY / f"{name}.log.gz").read_bytes())


@pytest.mark.parametrize(("name", "outcome", "reason", "numbers"), EXPECTED, ids=[each[0] for each in EXPECTED])
def test_a_real_log_tells_its_cause(name: str, outcome: str, reason: str | None, numbers: dict[str, Any]) -> None:
    answer = diagnose(log(name))
    assert answer.outcome == outcome
    assert (answer.failure and answer.failure.reason) == reason
    if answer.failure is not None:
        assert {key: answer.failure.numbers.get(key) for key in numbers} == numbers
        printed = log(name).split(b"\n")[answer.failure.line - 1].decode()
        assert answer.failure.message[:60] in printed


def test_every_recorded_log_is_looked_at() -> None:
    assert {path.name.removesuffix(".log.gz") for path in DIRECTORY.glob("*.log.gz")} == {each[0] for each in EXPECTED}


def test_a_start_tells_what_it_measured() -> None:
    answer = diagnose(log("auto_fit"))
    seen = answer.observation
    assert answer.vllm_version == "0.32.0"
    assert (seen.kv_gib, seen.kv_tokens, seen.concurrency, seen.max_model_len) == (1.0, 32768, 1.0, 32640)
    assert (seen.auto_fit_from, seen.auto_fit_to) == (131072, 32640)
    assert (seen.architecture, seen.device, seen.runner) == ("LlamaForCausalLM", "CPU", "V1")
    assert seen.bytes_of("kv") == 2**30
    assert seen.flags["load_format"] == "dummy"


def test_a_failed_start_tells_what_it_measured_and_the_flags_it_had() -> None:
    seen = diagnose(log("kv_cache_too_small")).observation
    assert (seen.kv_gib, seen.max_model_len, seen.flags["max_model_len"]) == (1.0, 65536, 65536)


def test_an_unknown_failure_tells_the_deepest_exception_and_not_the_wrapper() -> None:
    failure = diagnose(log("unknown_numa_nodes")).failure
    assert failure is not None
    assert failure.message.startswith("AssertionError: Not enough allowed NUMA nodes to bind threads of 4 local")


@pytest.mark.parametrize("name", [each[0] for each in EXPECTED])
@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("2025-11-23T22:03:13.123456789Z stderr F ", id="containerd"),
        pytest.param("vllm-1  | ", id="Docker Compose"),
        pytest.param("[pod/qwen-7f9c/vllm] ", id="kubectl --prefix"),
        pytest.param("2025-11-23T22:03:13.123456789Z ", id="kubectl --timestamps"),
        pytest.param("Nov 23 22:03:13 node-1 vllm[4242]: ", id="journald"),
        pytest.param("2025-11-23T22:03:13+0000 node-1 vllm[4242]: ", id="journald short-iso"),
    ],
)
def test_the_same_answer_behind_any_prefix(name: str, prefix: str) -> None:
    text = log(name).decode()
    assert summary(diagnose(prefixed(text, prefix))) == summary(diagnose(text))


@pytest.mark.parametrize("name", [each[0] for each in EXPECTED])
def test_the_filter_of_ordinary_lines_loses_nothing(name: str) -> None:
    assert document(LogReader().read([log(name)])) == document(LogReader(every_line=True).read([log(name)]))


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_chunks_may_be_cut_anywhere(size: int) -> None:
    text = log("kv_cache_too_small")
    chunks = (text[start : start + size] for start in range(0, len(text), size))
    assert document(diagnose(chunks)) == document(diagnose(text))


ARGPARSE = ("unknown_argument", "invalid_choice")
"""Refused before vLLM says that it starts."""


@pytest.mark.parametrize("name", [each[0] for each in EXPECTED if each[1] == "Failed" and each[0] not in ARGPARSE])
def test_a_failure_in_the_newest_start_counts_and_one_before_it_does_not(name: str) -> None:
    failed, started = log(name), log("started")
    assert diagnose(started + b"\n" + failed).outcome is Outcome.FAILED
    assert diagnose(failed + b"\n" + started).outcome is Outcome.STARTED


def summary(answer: Diagnosis) -> dict[str, Any]:
    """The answer without what a prefix may change in a message."""
    told = document(answer)
    if told["failure"] is not None:
        told["failure"].pop("message")
    return told
