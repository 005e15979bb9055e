"""Numbers that cannot be meant are refused by the flag's name; the bounds themselves are taken."""

from __future__ import annotations

import math
from typing import Any

import pytest

from builders import qwen3
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.validation import tensor_parallel_problem, validate

MOST = 2**40


def intent(flags: dict[str, Any], **more: Any) -> Intent:
    return Intent(settings=EngineSettings(**flags), pinned=frozenset(flags), **more)


COUNTS = (
    "max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_size", "tensor_parallel_size",
    "pipeline_parallel_size", "data_parallel_size", "kv_cache_memory_bytes",
)  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1, MOST + 1])
def test_a_count_out_of_range_is_refused_by_its_flag(name: str, value: int) -> None:
    with pytest.raises(InputError) as refusal:
        validate(intent({name: value}))
    assert refusal.value.field == name.replace("_", "-")
    assert str(value) in refusal.value.message


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [1, MOST])
def test_the_bounds_of_a_count_are_taken(name: str, value: int) -> None:
    validate(intent({name: value}))


@pytest.mark.parametrize("value", [0.0, -0.1, 1.0001, math.nan, math.inf])
def test_a_utilization_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(InputError) as refusal:
        validate(intent({"gpu_memory_utilization": value}))
    assert refusal.value.field == "gpu-memory-utilization"


@pytest.mark.parametrize("value", [0.0001, 1.0])
def test_the_bounds_of_the_utilization_are_taken(value: float) -> None:
    validate(intent({"gpu_memory_utilization": value}))


def test_a_cache_type_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match="kv-cache-dtype") as refusal:
        validate(intent({"kv_cache_dtype": "fp9"}))
    assert "fp8_e5m2" in str(refusal.value.hint)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        pytest.param(intent({}, minimum_context=0), "min-context", id="floor of nothing"),
        pytest.param(intent({}, minimum_context=MOST + 1), "min-context", id="floor past all bounds"),
        pytest.param(intent({}, maximum_context=0), "max-context", id="cap of nothing"),
        pytest.param(intent({}, minimum_context=101, maximum_context=100), "min-context", id="floor above cap"),
        pytest.param(intent({"max_model_len": 99}, minimum_context=100), "max-model-len", id="below the floor"),
        pytest.param(intent({"max_model_len": 101}, maximum_context=100), "max-model-len", id="above the cap"),
        pytest.param(intent({}, gpu_count=0), "gpu-count", id="no GPU"),
        pytest.param(intent({}, gpu_count=4097), "gpu-count", id="more GPUs than there are"),
        pytest.param(
            intent({"tensor_parallel_size": 3}, gpu_count=2), "tensor-parallel-size", id="more ranks than GPUs"
        ),
        pytest.param(
            intent({"tensor_parallel_size": 2, "pipeline_parallel_size": 2, "data_parallel_size": 2}, gpu_count=7),
            "tensor-parallel-size",
            id="ranks x stages x replicas",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(given: Intent, field: str) -> None:
    with pytest.raises(InputError) as refusal:
        validate(given)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(intent({}, minimum_context=1, maximum_context=1), id="floor and cap of one token"),
        pytest.param(intent({}, minimum_context=100, maximum_context=100), id="floor at the cap"),
        pytest.param(intent({"max_model_len": 100}, minimum_context=100, maximum_context=100), id="pinned at both"),
        pytest.param(intent({}, gpu_count=1), id="one GPU"),
        pytest.param(intent({}, gpu_count=4096), id="as many GPUs as may be"),
        pytest.param(
            intent({"tensor_parallel_size": 2, "pipeline_parallel_size": 2, "data_parallel_size": 2}, gpu_count=8),
            id="a GPU for each rank",
        ),
        pytest.param(
            Intent(settings=EngineSettings(tensor_parallel_size=3), gpu_count=2), id="ranks that are not pinned"
        ),
    ],
)
def test_what_just_holds_is_taken(given: Intent) -> None:
    validate(given)


@pytest.mark.parametrize(("size", "refused"), [(1, False), (2, False), (3, True), (5, True), (32, False), (64, True)])
def test_ranks_divide_the_attention_heads(size: int, refused: bool) -> None:
    assert (tensor_parallel_problem(qwen3(), size) is not None) is refused
