"""A log says the same whatever stands around its lines: collectors, orchestrators, terminals."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kit.log_forms import FORMS
from vlm_operator.diagnosis import Diagnosis, Outcome, diagnose

LOGS = sorted((Path(__file__).parents[2] / "data/vllm_logs").glob("*.log.gz"))
LINE_BY_LINE = (
    "containerd", "Docker Compose", "kubectl", "journald", "Fluent Bit", "Vector", "Google Cloud",
    "Google Cloud export", "logcli", "tabs",
)  # fmt: skip


def said(answer: Diagnosis) -> tuple[object, ...]:
    failure = answer.failure
    cause = (failure.reason, failure.line, failure.stage, dict(failure.numbers)) if failure is not None else None
    return answer.outcome, answer.vllm_version, cause, answer.observation, answer.advice


@pytest.mark.parametrize("form", LINE_BY_LINE)
@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name.partition(".")[0])
def test_a_whole_log_says_the_same_in_every_form(path: Path, form: str) -> None:
    plain = gzip.decompress(path.read_bytes()).decode()
    assert said(diagnose(FORMS[form](plain))) == said(diagnose(plain))


def test_a_web_servers_lines_count_whatever_level_their_wrapper_gives_them() -> None:
    log = (
        "2026-01-02 03:04:05 | ERROR | stderr | INFO 01-02 03:04:05 [utils.py:9] GPU KV cache size: 8,192 tokens\n"
        "2026-01-02 03:04:06 | ERROR | stderr | INFO:     Application startup complete.\n"
    )
    answer = diagnose(log)
    assert (answer.outcome, answer.observation.kv_tokens) == (Outcome.STARTED, 8192)


def test_a_wrapper_of_level_info_does_not_hide_the_servers_own_errors() -> None:
    log = (
        "2026-01-02 03:04:05 | INFO | runner:9 - ERROR 01-02 03:04:05 [engine.py:400] "
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
        "initializing the engine.\n"
    )
    failure = diagnose(log).failure
    assert failure is not None
    assert failure.reason == "NoKVCacheMemory"


SENTENCE = (
    "ValueError: To serve at least one request with the model's max seq len (131072), (16.25 GiB KV cache is needed, "
    "which is larger than the available KV cache memory (4.22 GiB). Based on the available memory, the estimated "
    "maximum model length is 34560. Try increasing `gpu_memory_utilization` or decreasing `max_model_len`."
)
FIGURES = {"max_model_len": 131072, "needed_gib": 16.25, "available_gib": 4.22, "estimated_max_len": 34560}


@pytest.mark.parametrize("prefix", ["", "(EngineCore_DP0 pid=270) ERROR 11-19 12:16:36 [core.py:842] "], ids=repr)
@pytest.mark.parametrize("width", range(80, 240))
def test_a_terminal_that_wraps_lines_hides_no_cause_and_invents_no_number(width: int, prefix: str) -> None:
    line = prefix + SENTENCE
    log = "\n".join(line[start : start + width] for start in range(0, len(line), width)) + "\n"
    failure = diagnose(log).failure
    assert failure is not None
    assert failure.reason == "KVCacheTooSmall"
    numbers = {name: value for name, value in failure.numbers.items() if name in FIGURES}
    assert numbers.items() <= FIGURES.items()
