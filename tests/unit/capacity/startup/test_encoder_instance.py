"""What an instance takes that encodes alone, and what the parts of a budget add up to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3, qwen3_vl
from vlm_operator.capacity.startup import startup_budget
from vlm_operator.capacity.startup.encoder_instance import encoder_instance, encoder_token_bytes
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError

VERSION = EngineVersion(0, 33)
FLAGS = EngineSettings(
    max_model_len=16_384,
    max_num_batched_tokens=8192,
    max_num_seqs=64,
    gpu_memory_utilization=0.9,
    limit_mm_per_prompt=(("image", ModalityLimit(4)), ("video", ModalityLimit(0))),
    runner="V2",
)
TOWER_BYTES = 1_153_366_520
"""Of Qwen3-VL-8B's tower and merger, as vLLM 0.32 loaded them in a dry run (``tests/data/dry_runs``)."""


def test_an_encoder_token_is_as_wide_as_the_language_model_once_for_each_level() -> None:
    assert encoder_token_bytes(qwen3_vl()) == 4096 * 2 * (1 + 3)
    with pytest.raises(InputError, match="no vision encoder"):
        encoder_token_bytes(qwen3())


def test_an_instance_takes_tower_step_cache_and_what_lies_outside() -> None:
    found = encoder_instance(qwen3_vl(), gpu("H100"), FLAGS, VERSION)
    assert found.weights_bytes == pytest.approx(TOWER_BYTES, abs=64)
    assert (found.modality, found.items, found.item_tokens, found.cache_tokens) == ("image", 1, 16_384, 16_384)
    assert (found.token_bytes, found.cache_bytes) == (32_768, 16_384 * 32_768)
    assert found.total_bytes == found.weights_bytes + found.step_bytes + found.cache_bytes + found.outside_bytes
    assert min(found.step_bytes, found.outside_bytes) > 0


def test_a_larger_batch_encodes_more_at_once() -> None:
    small = encoder_instance(qwen3_vl(), gpu("H100"), FLAGS, VERSION)
    large = encoder_instance(qwen3_vl(), gpu("H100"), FLAGS.with_(max_num_batched_tokens=32_768), VERSION)
    assert (large.items, large.cache_tokens) == (2, 32_768)
    assert large.step_bytes > small.step_bytes
    assert large.weights_bytes == small.weights_bytes


def test_without_any_modality_there_is_nothing_to_encode() -> None:
    off = (("image", ModalityLimit(0)), ("video", ModalityLimit(0)))
    with pytest.raises(InputError, match="every modality is switched off"):
        encoder_instance(qwen3_vl(), gpu("H100"), FLAGS.with_(limit_mm_per_prompt=off), VERSION)


def test_what_must_be_free_is_weights_and_peak_or_everything_beside_a_pinned_cache() -> None:
    budget = replace(
        startup_budget(qwen3_vl(), gpu("H100"), FLAGS.with_(runner=None), VERSION),
        weights_bytes=100, activation_peak_bytes=20, non_torch_bytes=3, cuda_graph_bytes=4, kv_cache_bytes=50,
        compile_bytes=7,
    )  # fmt: skip
    assert budget.fixed_bytes == 127
    assert budget.in_use_bytes(None) == 120
    assert budget.in_use_bytes(0) == 127
    assert budget.in_use_bytes(1000) == 1127
    assert budget.kv_cache_warm_bytes == 57


@pytest.mark.parametrize("largest", ["encoder_bytes", "text_bytes", "sampler_bytes", "compilation_bytes"])
def test_the_peak_is_that_of_the_largest_moment(largest: str) -> None:
    moments = startup_budget(qwen3_vl(), gpu("H100"), FLAGS.with_(runner=None), VERSION).moments
    assert moments is not None
    assert replace(moments, **{largest: 10**12}).peak_bytes == 10**12  # type: ignore[arg-type]
    assert replace(moments, kept_bytes=10**12).peak_bytes == moments.peak_bytes
