"""Bytes of each logit in the sampler of the profiling run, against published peaks."""

from __future__ import annotations

import pytest

from vlm_operator.capacity.startup.sampler import (
    bytes_per_logit,
    penalty_buffer_bytes,
    program_buffer_bytes,
    sampler_bytes,
)
from vlm_operator.engine.budget_rules import SamplerPath
from vlm_operator.units import GIB


@pytest.mark.parametrize(
    ("path", "rows", "size"),
    [
        pytest.param(SamplerPath.SORT, 1024, 38, id="segmented sort"),
        pytest.param(SamplerPath.SORT, 128, 38, id="segmented sort from 128 rows"),
        pytest.param(SamplerPath.SORT, 127, 50, id="flat sort below"),
        pytest.param(SamplerPath.TRITON, 256, 14, id="no sort"),
        pytest.param(SamplerPath.TRITON, 8, 14, id="no sort from 8 rows"),
        pytest.param(SamplerPath.TRITON, 7, 50, id="a few rows are sorted"),
        pytest.param(SamplerPath.FLOAT32_COPY, 1024, 6, id="V2 runner with a float32 copy"),
        pytest.param(SamplerPath.LOGITS_ONLY, 1024, 2, id="V2 runner without"),
        pytest.param(SamplerPath.FULL_PASS, 1024, 18, id="V2 runner, full pass"),
    ],
)
def test_bytes_per_logit(path: SamplerPath, rows: int, size: int) -> None:
    assert bytes_per_logit(path, rows) == size


@pytest.mark.parametrize(
    ("vocab_size", "hidden_size", "peak_gib"),
    [
        pytest.param(151936, 1024, 5.56, id="Qwen3-0.6B on an H100, 0.11.0"),
        pytest.param(151936, 5120, 5.64, id="Qwen3-32B on two H100, 0.11.0"),
        pytest.param(201088, 2880, 7.38, id="gpt-oss-20b on an H100, 0.11.0"),
        pytest.param(151936, 2048, 5.58, id="Qwen3-30B-A3B on an H100, 0.10.2"),
    ],
)
def test_published_peaks_are_sampler_and_hidden_states(vocab_size: int, hidden_size: int, peak_gib: float) -> None:
    sampler = sampler_bytes(SamplerPath.SORT, max_num_seqs=1024, max_num_batched_tokens=8192, vocab_size=vocab_size)
    hidden = 8192 * hidden_size * 2
    assert (sampler + hidden) / GIB == pytest.approx(peak_gib, abs=0.06)


def test_fewer_tokens_than_requests_bound_the_rows() -> None:
    rows = {
        sampler_bytes(SamplerPath.TRITON, max_num_seqs=sequences, max_num_batched_tokens=512, vocab_size=1000)
        for sequences in (512, 1024)
    }
    assert rows == {512 * 1000 * 14}


def test_penalty_counts_take_four_bytes_and_a_bit() -> None:
    assert penalty_buffer_bytes(1024, 262144) == GIB + 1024 * 262144 // 8


@pytest.mark.parametrize(
    ("path", "size"),
    [
        pytest.param(SamplerPath.SORT, 4 + 32, id="sorted"),
        pytest.param(SamplerPath.TRITON, 4 + 8, id="not sorted"),
        pytest.param(SamplerPath.FLOAT32_COPY, 4, id="V2 runner"),
        pytest.param(SamplerPath.FULL_PASS, 4 + 12, id="V2 runner, full pass"),
    ],
)
def test_logits_of_a_float32_model_are_their_own_copy(path: SamplerPath, size: int) -> None:
    assert bytes_per_logit(path, 1024, 4) == size


@pytest.mark.parametrize(
    ("path", "sequences", "batch", "rows"),
    [
        pytest.param(SamplerPath.TRITON, 256, 2048, 128, id="a row for each multiprocessor, rounded up, at most all"),
        pytest.param(SamplerPath.TRITON, 100, 2048, 128, id="fewer sequences, rounded up to a power of two"),
        pytest.param(SamplerPath.TRITON, 64, 2048, 64, id="a power of two"),
        pytest.param(SamplerPath.TRITON, 65, 2048, 128, id="one more"),
        pytest.param(SamplerPath.TRITON, 1024, 8, 8, id="a smaller batch"),
        pytest.param(SamplerPath.TRITON, 7, 2048, 0, id="a few rows are sorted without the kernel"),
        pytest.param(SamplerPath.SORT, 256, 2048, 0, id="no kernel"),
    ],
)
def test_the_kernels_buffer_has_a_row_for_each_program(
    path: SamplerPath, sequences: int, batch: int, rows: int
) -> None:
    found = program_buffer_bytes(
        path, max_num_seqs=sequences, max_num_batched_tokens=batch, vocab_size=1000, multiprocessors=128
    )
    assert found == rows * 1000 * 4


def test_no_more_programs_run_than_there_are_multiprocessors() -> None:
    found = program_buffer_bytes(
        SamplerPath.TRITON, max_num_seqs=1024, max_num_batched_tokens=8192, vocab_size=1000, multiprocessors=132
    )
    assert found == 132 * 1000 * 4
