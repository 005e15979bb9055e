"""What to change: the exact next value, and the arithmetic behind it."""

# ruff: noqa: E501 - log lines are quoted as they are printed

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered_wordings import render

from vlm_operator.diagnosis import Advice, diagnose
from vlm_operator.diagnosis.advice.start import utilization_limit
from vlm_operator.engine.log_wordings import KINDS, FailureKind

ENGINE = "(EngineCore pid=2) INFO 11-23 22:03:02 [core.py:133] Initializing a V1 LLM engine (v{}) with config: x\n"
FLAGS = "(APIServer pid=1) INFO 11-23 22:02:53 [api_utils.py:286] non-default args: {}\n"
BUDGET = (
    "INFO 08-16 03:38:41 [gpu_worker.py:918] Free memory on device (30.9/31.4 GiB) on startup. Desired GPU memory "
    "utilization is ({}, 28.88 GiB). Actual usage is 18.19 GiB for weight, 1.78 GiB for peak activation\n"
)


NAMES_NO_FLAG = {"TensorParallelNotDivisible", "ConfigurationRejected", "UnknownArgument"}
"""Flags can mend these, but the sentence alone need not tell which."""


def too_small(length: int, needed: str, available: str, estimate: int | None = None) -> str:
    sentence = (
        f"ValueError: To serve at least one request with the models's max seq len ({length}), ({needed} GiB KV cache is "
        f"needed, which is larger than the available KV cache memory ({available} GiB). "
    )
    if estimate is not None:
        sentence += f"Based on the available memory, the estimated maximum model length is {estimate}. "
    return sentence + "Try increasing `gpu_memory_utilization`\n"


def advised(log: str) -> dict[str | None, Advice]:
    """Advice by flag."""
    return {each.flag: each for each in diagnose(log).advice}


@pytest.mark.parametrize(
    ("version", "flags", "estimate", "target"),
    [
        pytest.param("0.32.0", {}, 32752, 32752, id="the estimate leaves out the null block from 0.29 on"),
        pytest.param("0.32.0", {}, 32759, 32752, id="whole blocks only"),
        pytest.param("0.28.0", {}, 32752, 32736, id="one block less before 0.29"),
        pytest.param("0.12.0", {"block_size": 64}, 53040, 52928, id="blocks as they were set"),
        pytest.param(
            "0.1.dev1+g4d2a68d64", {}, 32752, 32736, id="a development build tells no version: one block less"
        ),
        pytest.param(None, {}, 32752, 32736, id="no version: one block less"),
        pytest.param("0.28.0", {}, 16, None, id="less than a block is left: no length helps"),
    ],
)
def test_the_next_length_is_the_estimate_in_whole_blocks(
    version: str | None, flags: dict[str, Any], estimate: int, target: int | None
) -> None:
    log = FLAGS.format(flags) + (ENGINE.format(version) if version else "") + too_small(65536, "4.0", "2.0", estimate)
    advice = advised(log).get("--max-model-len")
    assert (advice and advice.to) == target
    if advice is not None:
        assert (advice.from_, advice.exact) == (65536, True)


def test_without_an_estimate_the_length_is_a_bound_in_proportion_and_says_so() -> None:
    advice = advised(too_small(32768, "2.00", "0.78"))["--max-model-len"]
    assert (advice.to, advice.exact) == (12752, False)
    assert "upper bound" in advice.why


@given(st.integers(1, 2**20), st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 2**20))
def test_no_length_is_advised_above_the_estimate(length: int, needed: int, available: int, estimate: int) -> None:
    log = too_small(length, f"{needed / 100:.2f}", f"{available / 100:.2f}", estimate)
    advice = advised(log).get("--max-model-len")
    assert advice is None or 0 < advice.to < estimate
    assert advice is None or advice.to % 16 == 0


@pytest.mark.parametrize(
    ("utilization", "needed", "available", "target"),
    [
        pytest.param("0.85", "4.00", "2.00", 0.92, id="0.85 + 2.01 / 31.4"),
        pytest.param("0.92", "4.00", "2.00", 0.99, id="may not be free"),
        pytest.param("0.85", "9.00", "2.00", None, id="more than is free"),
    ],
)
def test_utilisation_rises_by_what_is_missing_within_what_is_free(
    utilization: str, needed: str, available: str, target: float | None
) -> None:
    log = BUDGET.format(utilization) + too_small(65536, needed, available, 4096)
    advice = advised(log).get("--gpu-memory-utilization")
    limit = utilization_limit(30.9, 31.4)
    assert limit == 0.98
    assert (advice and advice.to) == (target if target is None or target <= limit else None)


@given(st.floats(0.2, 200), st.floats(0.1, 1.0))
def test_the_limit_of_utilisation_always_passes_vllms_check(total: float, share: float) -> None:
    free = total * share
    limit = utilization_limit(free, total)
    assert 0 <= limit <= 1
    assert limit == 0 or total * limit <= free


@pytest.mark.parametrize(
    ("sentence", "flag", "before", "after"),
    [
        ("Free memory on device cuda:0 (70.41/79.15 GiB) on startup is less than desired GPU memory utilization (0.92, "
         "72.82 GiB).", "--gpu-memory-utilization", 0.92, 0.88),
        ("max_num_seqs (1024) exceeds available Mamba cache blocks (361).", "--max-num-seqs", 1024, 361),
        ("User-specified max_model_len (65536) is greater than the derived max_model_len (max_position_embeddings=8192.0 "
         "or model_max_length=None in model's config.json).", "--max-model-len", 65536, 8192),
        ("max_num_batched_tokens (2048) is smaller than max_model_len (32768).", "--max-num-batched-tokens", 2048, 32768),
        ("max_num_batched_tokens (128) must be greater than or equal to max_num_seqs (256).", "--max-num-seqs", 256, 128),
        ("Chunked MM input disabled but max_tokens_per_mm_item (16384) is larger than max_num_batched_tokens (8192).",
         "--max-num-batched-tokens", 8192, 16384),
        ("In Mamba cache align mode, block_size (2096) must be <= max_num_batched_tokens (2048).",
         "--max-num-batched-tokens", 2048, 2096),
        ("Total number of attention heads (28) must be divisible by tensor parallel size (8).",
         "--tensor-parallel-size", 8, 7),
        ("World size (4) is larger than the number of available GPUs (3) in this node.", "--tensor-parallel-size", 4, 2),
        ("You set image=4 (or defaulted to 1) in `--limit-mm-per-prompt`, but this model only supports at most 1 image "
         "items.", "--limit-mm-per-prompt", {"image": 4}, {"image": 1}),
        ("torch.bfloat16 is not supported for quantization method awq. Supported dtypes: [torch.float16]",
         "--dtype", "bfloat16", "float16"),
        ("Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU has compute "
         "capability 7.5. You can", "--dtype", "bfloat16", "half"),
        ("The model's max seq len (131072) is larger than the maximum number of tokens that can be stored in KV cache "
         "(41376). Try increasing `gpu_memory_utilization`", "--max-model-len", 131072, 41376),
        ("Timed out waiting for engine core processes to start. This is often caused by slow weight loading. Waited 600s "
         "(configured", "VLLM_ENGINE_READY_TIMEOUT_S", 600, 1200),
        ("The decoder prompt (length 9312) is longer than the maximum model length of 8192. Make", "--max-model-len",
         8192, 9328),
        ("The decoder prompt contains a(n) video item with 24000 embedding tokens, which exceeds the pre-allocated "
         "encoder cache size 16384. Please", "--max-num-batched-tokens", 16384, 24000),
    ],
)  # fmt: skip
def test_the_next_value_follows_from_the_sentence(sentence: str, flag: str, before: Any, after: Any) -> None:
    advice = advised(f"ValueError: {sentence}\n")[flag]
    assert (advice.from_, advice.to) == (before, after)


@pytest.mark.parametrize(
    ("stage", "function", "first"),
    [
        ("load", "load_model", ("--tensor-parallel-size", 2, 4)),
        ("profile", "profile_run", ("--max-num-batched-tokens", 8192, 4096)),
        ("graph", "capture_model", ("--gpu-memory-utilization", 0.9, 0.86)),
        ("kv_alloc", "initialize_kv_cache", ("--gpu-memory-utilization", 0.9, 0.86)),
        ("sampler", "_dummy_sampler_run", ("--max-num-seqs", 256, 128)),
    ],
)
def test_an_out_of_memory_is_mended_where_its_stage_takes_memory(
    stage: str, function: str, first: tuple[str, Any, Any]
) -> None:
    flags = {
        "tensor_parallel_size": 2,
        "max_num_batched_tokens": 8192,
        "max_num_seqs": 256,
        "gpu_memory_utilization": 0.9,
    }
    log = FLAGS.format(flags) + (
        f'Traceback (most recent call last):\n  File "site-packages/vllm/x.py", line 1, in {function}\n'
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB "
        "of which 448.00 MiB is free.\n"
    )
    answer = diagnose(log)
    assert answer.failure is not None
    assert answer.failure.stage == stage
    assert (answer.advice[0].flag, answer.advice[0].from_, answer.advice[0].to) == first


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_failure_has_advice_and_only_a_retunable_one_may_be_left_to_flags(kind: FailureKind) -> None:
    answer = diagnose(f"ValueError: {render(kind.wordings[0])[0]}\n")
    assert answer.advice
    assert all(advice.why for advice in answer.advice)
    if kind.retunable:
        assert any(advice.flag for advice in answer.advice) or kind.reason in NAMES_NO_FLAG
