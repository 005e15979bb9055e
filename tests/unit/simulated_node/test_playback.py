"""A simulated node repeats published figures: its truth is the record, whatever this project would predict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kit.simulated_node import Record, choose, load_records, play
from kit.simulated_node.playback import Server, parse_arguments
from kit.simulated_node.wordings import SCRIPTED, Wordings
from vlm_operator.diagnosis import Outcome as LogOutcome
from vlm_operator.diagnosis import diagnose

RECORDS = load_records()
QWEN = next(record for record in RECORDS if record.name == "qwen3-vl-8b-on-rtx-5090")


def server(record: Record, **flags: Any) -> Server:
    version = tuple(int(part) for part in record.vllm_version.split("."))
    return Server(version, record.model, dict(record.flags) | flags)


@pytest.mark.parametrize("record", [pytest.param(record, id=record.name) for record in RECORDS if record.gpu_count])
def test_the_recorded_flags_give_the_recorded_figures(record: Record) -> None:
    outcome = play(record, server(record))
    assert outcome.serves
    measured = diagnose("\n".join(outcome.log)).observation
    assert measured.kv_gib == record.available_kv_gib
    if record.needed_kv_gib == record.available_kv_gib:
        assert measured.kv_tokens == pytest.approx(record.needed_tokens, abs=16)


def test_another_utilisation_moves_the_container_by_the_difference_times_the_total() -> None:
    assert QWEN.available_bytes(0.9) == round(4.66 * 2**30)
    assert QWEN.available_bytes(0.8) == round((4.66 - 0.1 * 31.36) * 2**30)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        pytest.param({"max_model_len": 33936}, "KVCacheTooSmall", id="one block more than there is"),
        pytest.param({"gpu_memory_utilization": 0.7}, "NoKVCacheMemory", id="as its owner saw at 0.7"),
        pytest.param({"gpu_memory_utilization": 0.99}, "FreeMemoryTooLow", id="more than is free"),
    ],
)
@pytest.mark.parametrize("version", [(0, 11, 0), (0, 13, 0), (0, 18, 0), (0, 22, 0), (0, 28, 0)])
def test_failures_are_said_as_that_release_says_them(
    flags: dict[str, Any], reason: str, version: tuple[int, ...]
) -> None:
    outcome = play(QWEN, replace(server(QWEN, **flags), version=version))
    assert not outcome.serves
    read = diagnose("\n".join(outcome.log))
    assert read.failure is not None
    assert read.failure.reason == reason
    cause = next(number for number, line in enumerate(outcome.log) if "ValueError" in line)
    assert len(outcome.log) - cause > 50, "the cause stands far above the end, as in real logs"


def test_the_longest_context_it_names_is_one_it_serves() -> None:
    refused = play(QWEN, server(QWEN, max_model_len=100_000))
    failure = diagnose("\n".join(refused.log)).failure
    assert failure is not None
    longest = dict(failure.numbers)["estimated_max_len"]
    assert play(QWEN, server(QWEN, max_model_len=longest)).serves
    assert not play(QWEN, server(QWEN, max_model_len=longest + 1)).serves


def test_an_eight_bit_cache_holds_twice_the_tokens() -> None:
    assert not play(QWEN, server(QWEN, max_model_len=60_000)).serves
    assert play(QWEN, server(QWEN, max_model_len=60_000, kv_cache_dtype="fp8")).serves


def test_memory_that_others_use_is_missing() -> None:
    alone = server(QWEN)
    assert play(QWEN, alone).serves
    assert not play(QWEN, replace(alone, used_by_others_gib=4.0)).serves


def test_on_a_cpu_the_container_is_what_was_given() -> None:
    record = next(record for record in RECORDS if record.gpu_product == "CPU")
    given = Server((0, 32, 0), record.model, {"max_model_len": 4096, "block_size": 128}, cpu_kv_cache_gib=1)
    outcome = play(record, given)
    assert outcome.serves
    assert not play(record, replace(given, flags={"max_model_len": 16384})).serves


def test_the_record_with_the_most_like_flags_is_played() -> None:
    for sequences in (64, 256):
        chosen = choose(
            RECORDS, "Qwen/Qwen3-VL-30B-A3B-Instruct", "NVIDIA-H100-80GB-HBM3", 2, {"max_num_seqs": sequences}
        )
        assert chosen is not None
        assert chosen.flags["max_num_seqs"] == sequences


def test_nothing_is_made_up_where_nobody_published_a_start_up() -> None:
    assert choose(RECORDS, "Qwen/Qwen3-VL-8B-Instruct", "Tesla-T4", 1, {}) is None


@pytest.mark.parametrize("name", SCRIPTED)
def test_scripted_failures_are_failures(name: str) -> None:
    words = Wordings((0, 28, 0), "m", "Qwen3VLForConditionalGeneration", {})
    read = diagnose("\n".join((*words.beginning(), *words.scripted(name))))
    assert read.outcome is LogOutcome.FAILED
    assert read.failure is not None
    assert read.failure.reason.startswith(name.split("-", maxsplit=1)[0]) or name == "ArchitectureUnsupported"


def test_flags_are_read_in_both_spellings() -> None:
    arguments = ["m", "--max-model-len", "8192", "--gpu-memory-utilization=0.9", "--enforce-eager", "--port", "8000"]
    model, flags = parse_arguments(arguments)
    assert model == "m"
    assert flags == {"max_model_len": 8192, "gpu_memory_utilization": 0.9, "enforce_eager": True, "port": 8000}
