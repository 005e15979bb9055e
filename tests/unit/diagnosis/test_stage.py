"""Tests that the stage is read from earlier lines, and that advice makes memory where it ran out."""

# ruff: noqa: E501 - log lines are quoted as they are printed

from __future__ import annotations

import pytest

from vlm_operator.diagnosis import Diagnosis, OutOfMemory, diagnose

RECORD = "(EngineCore pid=7) INFO 11-23 22:03:13 [a.py:1] {}\n"
LOADING = RECORD.format("Starting to load model a/b...")
SHARDS = "Loading safetensors checkpoint shards:   {}% Completed | {}/30 [00:02<01:00,  2.0s/it]\n"
LOADED = RECORD.format("Model loading took 14.37 GiB memory and 9.0 seconds")
ESTIMATING = RECORD.format("Profiling CUDA graph memory: PIECEWISE=51 (largest=512), FULL=35 (largest=256)")
KV_FOUND = RECORD.format("Available KV cache memory: 8.21 GiB") + RECORD.format("GPU KV cache size: 60,000 tokens")
CAPTURING = "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):   9%|9         | 5/51 [00:01<00:09,  4.9it/s]\n"
CAPTURED = RECORD.format("Graph capturing finished in 9 secs, took 0.31 GiB")
ANSWERS = "INFO:     Application startup complete.\n"
NO_MEMORY = (
    "(EngineCore pid=7) torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {} MiB. GPU {} has a total capacity "
    "of 23.52 GiB of which {} MiB is free. Including non-PyTorch memory, this process has {} GiB memory in use.\n"
)
FULL = NO_MEMORY.format("512.00", 0, "61.00", "23.40")


def flags(answer: Diagnosis) -> list[str | None]:
    return [each.flag for each in answer.advice]


@pytest.mark.parametrize(
    ("before", "after", "stage", "first"),
    [
        pytest.param(LOADING, "", "load", "--tensor-parallel-size", id="the model begins to load"),
        pytest.param(SHARDS.format(3, 1), "", "load", "--tensor-parallel-size", id="3 % of the weights"),
        pytest.param("", SHARDS.format(3, 1), "load", "--tensor-parallel-size", id="the bar is printed after it"),
        pytest.param(LOADING + LOADED, "", "profile", "--max-num-batched-tokens", id="the model is loaded"),
        pytest.param(LOADED + ESTIMATING, "", "graph_estimate", "--max-num-batched-tokens", id="graphs are estimated"),
        pytest.param(LOADED + KV_FOUND, "", "kv_alloc", "--gpu-memory-utilization", id="the KV cache is found"),
        pytest.param(KV_FOUND + CAPTURING, "", "graph", "--gpu-memory-utilization", id="9 % of the graphs"),
        pytest.param(KV_FOUND + CAPTURING + CAPTURED, "", "sampler", "--max-num-seqs", id="all graphs"),
        pytest.param("", "", None, "--max-num-batched-tokens", id="nothing tells it"),
    ],
)
def test_the_stage_is_that_which_the_log_had_reached(before: str, after: str, stage: str | None, first: str) -> None:
    answer = diagnose(before + FULL + after)
    assert isinstance(answer.failure, OutOfMemory)
    assert answer.failure.stage == stage
    assert flags(answer)[0] == first


def test_a_traceback_tells_the_stage_better_than_what_was_printed_before() -> None:
    frame = '(EngineCore pid=7)   File "site-packages/vllm/v1/worker/gpu_worker.py", line 1, in capture_model\n'
    failure = diagnose(LOADING + "(EngineCore pid=7) Traceback (most recent call last):\n" + frame + FULL).failure
    assert failure is not None
    assert failure.stage == "graph"


def test_where_graphs_ran_out_less_utilisation_fewer_sequences_or_none_make_room() -> None:
    assert flags(diagnose(KV_FOUND + CAPTURING + FULL)) == [
        "--gpu-memory-utilization", "--max-num-seqs", "--enforce-eager",
    ]  # fmt: skip


def test_where_loading_ran_out_more_ranks_or_smaller_weights_make_room() -> None:
    answer = diagnose(SHARDS.format(3, 1) + FULL)
    assert flags(answer) == ["--tensor-parallel-size", "--quantization"]


@pytest.mark.parametrize(
    ("log", "ranks"),
    [
        pytest.param(SHARDS.format(3, 1) + FULL.replace("EngineCore", "Worker_TP1"), (None, None), id="a worker's line"),
        pytest.param(
            "INFO 11-23 22:02:53 [a.py:1] non-default args: {'model': 'a/b'}\n"
            + FULL.replace("EngineCore", "Worker_PP0_TP1"),
            (None, None), id="flags without a size, and a worker of rank 1",
        ),
        pytest.param(
            "INFO 11-23 22:02:53 [a.py:1] non-default args: {'model': 'a/b'}\n" + LOADING + FULL, (1, 2), id="flags",
        ),
        pytest.param(
            "INFO 11-23 22:02:53 [core.py:1] Initializing a V1 LLM engine (v0.19.0) with config: model='a/b', "
            "tensor_parallel_size=2, pipeline_parallel_size=1\n" + LOADING + FULL.replace("EngineCore", "Worker_TP1"),
            (2, 4), id="the engine's configuration",
        ),
    ],
)  # fmt: skip
def test_one_workers_line_does_not_tell_how_many_ranks_there_are(log: str, ranks: tuple[int | None, ...]) -> None:
    advice = [each for each in diagnose(log).advice if each.flag == "--tensor-parallel-size"]
    assert [(each.from_, each.to) for each in advice] in ([ranks], [])
    assert advice or ranks == (None, None)


@pytest.mark.parametrize("before", ["", SHARDS.format(3, 1), KV_FOUND + CAPTURING], ids=["unknown", "load", "graph"])
def test_nothing_is_said_about_memory_where_far_more_was_free_than_asked_for(before: str) -> None:
    answer = diagnose(before + NO_MEMORY.format("44.00", 1, "15779.84", "17179869184.00"))
    assert answer.failure is not None
    assert answer.failure.reason == "OutOfMemory"
    assert not answer.failure.retunable
    assert flags(answer) == [None]
    assert "15.41 GiB were free when 0.04 GiB were requested" in answer.advice[0].why


def test_other_processes_on_the_same_gpu_are_named_first() -> None:
    answer = diagnose(SHARDS.format(3, 1) + NO_MEMORY.format("512.00", 0, "61.00", "9.40"))
    assert "Other processes hold 14.06 GiB" in answer.advice[0].why
    assert "Other processes" not in diagnose(SHARDS.format(3, 1) + FULL).advice[0].why


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        pytest.param("", "GPUUnsupportedByImage", id="no kernel ran"),
        pytest.param(LOADED, "GPUUnsupportedByImage", id="the model is loaded"),
        pytest.param(KV_FOUND + CAPTURING, "CompilationFailed", id="5 of 51 graphs were captured"),
    ],
)
def test_an_image_whose_kernels_ran_is_not_the_wrong_one(before: str, reason: str) -> None:
    answer = diagnose(before + "(EngineCore pid=7) RuntimeError: CUDA error: device kernel image is invalid\n")
    assert answer.failure is not None
    assert answer.failure.reason == reason
    assert ("--max-num-seqs" in flags(answer)) == (reason == "CompilationFailed")


def test_a_pinned_kv_cache_is_what_is_raised_or_lowered_not_the_utilisation() -> None:
    pinned = RECORD.format(
        "Initial free memory 31.16 GiB, reserved 4.25 GiB memory for KV Cache as specified by kv_cache_memory_bytes config"
    )
    small = (
        "ValueError: To serve at least one request with the model's max seq len (100000), (4.26 GiB KV cache is needed, "
        "which is larger than the available KV cache memory (4.25 GiB). Try increasing `gpu_memory_utilization`\n"
    )
    advice = diagnose(pinned + small).advice
    assert (advice[0].flag, advice[0].from_) == ("--kv-cache-memory-bytes", 4563402752)
    assert 4.26 * 2**30 < advice[0].to < 4.28 * 2**30
    assert "--gpu-memory-utilization" not in {each.flag for each in advice}
    full = diagnose(pinned + CAPTURING + FULL).advice
    assert full[0].flag == "--kv-cache-memory-bytes"
    assert full[0].to < 4563402752 - 451 * 2**20
