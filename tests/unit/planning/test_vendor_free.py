"""On GPUs whose start-up memory is not known, a plan says what is known: weights, one request, the room beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vlm_operator.capacity.kv import kv_layout
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.report import plan_to_json
from vlm_operator.planning.vendor_free import VendorFree
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model

MODEL = load_model("Qwen/Qwen3-VL-8B-Instruct", offline=True)
PINNED = Intent(
    settings=EngineSettings(max_model_len=32768, gpu_memory_utilization=0.9),
    pinned=frozenset({"max_model_len", "gpu_memory_utilization"}),
)


def known(found: Plan) -> VendorFree:
    assert found.vendor_free is not None
    return found.vendor_free


@pytest.mark.parametrize("product", ["MI300X", "MI325X", "MI350X", "MI355X"])
def test_the_terms_are_those_of_the_model(product: str) -> None:
    gpu = find_gpu(product)
    found = plan(MODEL, gpu, PINNED)
    terms = known(found)
    assert found.verdict is Verdict.UNKNOWN
    assert terms.weights_bytes >= weight_bytes(MODEL, terms.settings, PINNED.version, None).total
    layout = kv_layout(MODEL, terms.settings, PINNED.version, None)
    assert terms.cup.needed_bytes == layout.least_bytes_that_start(32768)
    assert terms.room_bytes == terms.requested_bytes - terms.weights_bytes - terms.cup.needed_bytes > 0
    assert terms.requested_bytes == pytest.approx(0.9 * gpu.total_bytes, abs=1)


def test_the_terms_are_as_on_an_nvidia_gpu() -> None:
    batch = replace(PINNED, settings=PINNED.settings.with_(max_num_batched_tokens=8192))
    amd, nvidia = (plan(MODEL, find_gpu(name), batch) for name in ("MI300X", "H200"))
    assert nvidia.budget is not None
    assert known(amd).weights_bytes == nvidia.budget.weights_bytes
    assert amd.cup is not None
    assert nvidia.cup is not None
    assert amd.cup.max_model_len == nvidia.cup.max_model_len


def test_the_message_says_what_is_known_and_what_to_do() -> None:
    found = plan(MODEL, find_gpu("MI300X"), PINNED)
    assert "start-up on AMD_Instinct_MI300X_OAM is not known" in found.message
    assert "32,768 tokens" in found.message
    assert "is left for the start-up peak" in found.message
    assert "Available KV cache memory" in (found.hint or "")


def test_json_has_the_terms() -> None:
    found = plan(MODEL, find_gpu("MI300X"), PINNED)
    answer = plan_to_json(found)
    assert answer["verdict"] == "Unknown"
    assert answer["budget"] is None
    assert answer["known"]["roomBytes"] == known(found).room_bytes
    assert answer["cup"]["neededBytes"] == known(found).cup.needed_bytes
    assert "known" not in plan_to_json(plan(MODEL, find_gpu("H200"), PINNED))


def test_as_many_gpus_as_weights_and_one_request_take() -> None:
    large = load_model("Qwen/Qwen3-VL-235B-A22B-Instruct", offline=True)
    found = plan(large, find_gpu("MI300X"), Intent())
    assert found.gpu_count > 1
    assert found.verdict is Verdict.UNKNOWN


def test_weights_that_are_too_much_alone_do_not_fit_whatever_the_start_up_takes() -> None:
    large = load_model("Qwen/Qwen3-VL-235B-A22B-Instruct", offline=True)
    found = plan(large, find_gpu("MI300X"), Intent(gpu_count=1))
    assert found.verdict is Verdict.DOES_NOT_FIT
    assert "too much, whatever the start-up takes" in found.message
    assert known(found).room_bytes < 0


def test_a_pipeline_is_unknown_because_its_stages_depend_on_the_start_up() -> None:
    stages = Intent(settings=EngineSettings(pipeline_parallel_size=2), pinned=frozenset({"pipeline_parallel_size"}))
    found = plan(MODEL, find_gpu("MI300X"), stages)
    assert (found.verdict, found.vendor_free, found.budget) == (Verdict.UNKNOWN, None, None)
    assert found.message == f"gpu: the start-up memory of {find_gpu('MI300X').product} is not known"
    assert found.hint == "only NVIDIA GPUs can be planned"


def test_no_more_gpus_are_taken_than_weights_and_one_request_need() -> None:
    large = load_model("Qwen/Qwen3-VL-235B-A22B-Instruct", offline=True)
    found = plan(large, find_gpu("MI300X"), Intent())
    fewer = plan(large, find_gpu("MI300X"), Intent(gpu_count=found.gpu_count // 2))
    assert known(found).room_bytes >= 0 > known(fewer).room_bytes
    assert (fewer.verdict, str(fewer.reason)) == (Verdict.DOES_NOT_FIT, "OutOfMemory")
    assert fewer.hint == "use more GPUs, a shorter context, or a smaller model or checkpoint"
    assert found.settings.tensor_parallel_size == found.gpu_count
    assert found.settings.max_model_len == known(found).settings.max_model_len
