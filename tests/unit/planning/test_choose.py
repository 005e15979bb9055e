"""Which flags a plan chooses, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import gpu, qwen3, qwen3_vl
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Goal, Images, Intent, Videos, Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import load_model

FOUR_PHOTOS = Workload(prompt_tokens=1000, output_tokens=1000, images=Images(4, 1920, 1080))


def pinned(**flags: object) -> Intent:
    return Intent(settings=EngineSettings(**flags), pinned=frozenset(flags))  # type: ignore[arg-type]


def test_a_single_user_gets_the_lowest_utilization_whose_low_bound_holds_the_context() -> None:
    found = plan(qwen3_vl(), gpu(), Intent(goal=Goal.SINGLE_USER, workload=FOUR_PHOTOS))
    assert found.verdict is Verdict.FITS
    lower = replace(
        found.intent,
        settings=found.settings.with_(gpu_memory_utilization=round(found.settings.gpu_memory_utilization - 0.01, 2)),
        pinned=frozenset({"max_model_len", "gpu_memory_utilization", "max_num_seqs", "limit_mm_per_prompt"}),
        workload=None,
        goal=None,
        is_prediction=True,
    )
    assert plan(qwen3_vl(), gpu(), lower).verdict is not Verdict.FITS


def test_throughput_takes_vllms_own_utilization_where_that_is_enough() -> None:
    found = plan(qwen3_vl(), gpu(), Intent(goal=Goal.THROUGHPUT, workload=FOUR_PHOTOS))
    assert (found.verdict, found.settings.gpu_memory_utilization) == (Verdict.FITS, 0.92)


def test_a_modality_that_the_workload_does_not_use_is_switched_off_and_the_others_get_room() -> None:
    found = plan(qwen3_vl(), gpu(), Intent(workload=FOUR_PHOTOS))
    assert dict(found.settings.limit_mm_per_prompt or ()) == {"image": ModalityLimit(8), "video": ModalityLimit(0)}
    assert any("video limit 0" in sentence for sentence in found.limit_sentences)


def test_the_context_holds_one_request_as_described() -> None:
    found = plan(qwen3_vl(), gpu(), Intent(goal=Goal.THROUGHPUT, workload=FOUR_PHOTOS))
    assert found.settings.max_model_len is not None
    assert found.settings.max_model_len >= found.workload.total_tokens > 8000


@pytest.mark.parametrize(
    ("flags", "card"),
    [
        pytest.param({"max_model_len": 32768, "gpu_memory_utilization": 0.8}, "RTX-5090", id="both that decide"),
        pytest.param({"max_num_seqs": 1, "enforce_eager": True}, "L4", id="a tight card"),
        pytest.param({"limit_mm_per_prompt": (("image", ModalityLimit(1)),)}, "L4", id="limits"),
        pytest.param({"kv_cache_dtype": "fp8"}, "RTX-4090", id="cache type"),
        pytest.param({"mm_processor_kwargs": '{"max_pixels":1003520}'}, "L4", id="pixel cap"),
        pytest.param({"max_model_len": 262144, "max_num_batched_tokens": 8192}, "L4", id="too much for the card"),
    ],
)
def test_pinned_flags_are_never_changed(flags: dict[str, object], card: str) -> None:
    found = plan(qwen3_vl(), gpu(card), replace(pinned(**flags), gpus_available=1))
    assert {name: getattr(found.settings, name) for name in flags} == flags


def test_a_context_below_the_floor_is_refused_not_shrunk() -> None:
    found = plan(qwen3_vl(), gpu("L4"), Intent(minimum_context=200_000, gpus_available=1))
    assert found.verdict is Verdict.DOES_NOT_FIT
    assert "GiB" in found.message
    assert found.hint


def test_every_remedy_offered_makes_it_fit() -> None:
    intent = replace(pinned(max_model_len=131072), gpus_available=4)
    found = plan(qwen3_vl(), gpu("L4"), replace(intent, gpu_count=1))
    assert found.verdict is Verdict.DOES_NOT_FIT
    assert len(found.remedies) >= 1
    for remedy in found.remedies:
        changed = found.settings.with_(**dict(remedy.change))
        again = Intent(
            settings=changed,
            pinned=frozenset({"max_model_len", "gpu_memory_utilization", "max_num_seqs", *dict(remedy.change)}),
            is_prediction=True,
        )
        assert plan(qwen3_vl(), gpu("L4"), again).verdict is Verdict.FITS, remedy.text


def test_more_gpus_are_taken_only_where_fewer_do_not_hold_it() -> None:
    assert plan(qwen3_vl(), gpu("RTX-5090"), Intent()).gpu_count == 1
    assert plan(qwen3_vl(), gpu("T4"), Intent()).gpu_count > 1


@pytest.mark.parametrize(
    ("name", "card", "flags", "enough", "undividable"),
    [
        pytest.param(
            "Qwen/Qwen2.5-VL-3B-Instruct",
            "T4",
            {"max_model_len": 128000, "max_num_batched_tokens": 65536},
            4,
            8,
            id="a vision tower that 8 ranks do not divide",
        ),
        pytest.param("nvidia/Nemotron-H-56B-Base-8K", "L4", {}, 8, 16, id="8 groups of recurrent states"),
        pytest.param("nvidia/Nemotron-H-56B-Base-8K", "T4", {}, 8, 16, id="8 groups of recurrent states, too large"),
    ],
)
def test_gpus_that_a_model_cannot_be_divided_over_change_nothing(
    name: str, card: str, flags: dict[str, object], enough: int, undividable: int
) -> None:
    facts = load_model(name, offline=True)
    fewer, more = (
        plan(facts, gpu(card), replace(pinned(**flags), gpus_available=count)) for count in (enough, undividable)
    )
    assert (more.verdict, more.settings, more.message) == (fewer.verdict, fewer.settings, fewer.message)


@pytest.mark.parametrize(
    ("name", "card"),
    [
        pytest.param("llava-hf/llava-v1.6-mistral-7b-hf", "RTX-4080-SUPER", id="levers"),
        pytest.param("Qwen/Qwen2.5-VL-32B-Instruct-AWQ", "A10", id="levers of a larger model"),
    ],
)
def test_no_context_of_a_few_tokens_is_chosen_where_nobody_asked_for_it(name: str, card: str) -> None:
    """One token of context "fits" almost anywhere, and serves nobody."""
    found = plan(load_model(name, offline=True), gpu(card), Intent(gpus_available=1))
    assert (found.settings.max_model_len or 0) >= 1024
    if not found.fits:
        assert found.hint


def test_a_floor_below_that_is_the_users_own() -> None:
    facts = load_model("llava-hf/llava-v1.6-mistral-7b-hf", offline=True)
    found = plan(facts, gpu("RTX-4080-SUPER"), Intent(gpus_available=1, minimum_context=300))
    assert found.verdict is Verdict.FITS
    assert (found.settings.max_model_len or 0) >= 300


def test_a_workload_longer_than_the_context_is_a_logical_failure_that_says_what_fits() -> None:
    workload = Workload(videos=Videos(1, seconds=600.0))
    found = plan(qwen3_vl(), gpu(), replace(pinned(max_model_len=4096), workload=workload))
    assert (found.verdict, found.reason) == (Verdict.DOES_NOT_FIT, Reason.WORKLOAD_EXCEEDS_CONTEXT)
    assert "s of that video" in (found.hint or "")


def test_a_text_model_does_not_take_images() -> None:
    with pytest.raises(InputError, match="supports text only"):
        plan(qwen3(), gpu(), Intent(workload=FOUR_PHOTOS))


def test_a_context_above_the_models_own_is_refused_with_the_number() -> None:
    found = plan(qwen3(), gpu(), pinned(max_model_len=100_000))
    assert found.reason is Reason.CONTEXT_ABOVE_MODEL
    assert "40,960" in found.message


@pytest.mark.parametrize(
    ("flags", "more", "field"),
    [
        pytest.param({"gpu_memory_utilization": 0.0}, {}, "gpu-memory-utilization", id="utilisation 0"),
        pytest.param({"gpu_memory_utilization": 1.5}, {}, "gpu-memory-utilization", id="utilisation above 1"),
        pytest.param({"gpu_memory_utilization": float("nan")}, {}, "gpu-memory-utilization", id="utilisation NaN"),
        pytest.param({"max_model_len": -1}, {}, "max-model-len", id="negative context"),
        pytest.param({"max_model_len": 10**18}, {}, "max-model-len", id="huge context"),
        pytest.param({"tensor_parallel_size": 4}, {"gpu_count": 2}, "tensor-parallel-size", id="more ranks than GPUs"),
        pytest.param({"kv_cache_dtype": "fp9"}, {}, "kv-cache-dtype", id="no such cache type"),
        pytest.param({}, {"minimum_context": 9000, "maximum_context": 8000}, "min-context", id="floor above cap"),
    ],
)
def test_wrong_input_names_field_value_and_remedy(flags: dict[str, object], more: dict[str, int], field: str) -> None:
    with pytest.raises(InputError) as refused:
        plan(qwen3_vl(), gpu(), replace(pinned(**flags), **more))  # type: ignore[arg-type]
    assert refused.value.field == field
    assert refused.value.hint


def test_a_version_that_is_not_known_is_unknown() -> None:
    found = plan(qwen3_vl(), gpu(), Intent(version=EngineVersion(0, 99)))
    assert (found.verdict, found.hint is not None) == (Verdict.UNKNOWN, True)


def test_a_prediction_changes_nothing() -> None:
    intent = replace(pinned(max_model_len=262144, gpu_memory_utilization=0.9), is_prediction=True)
    found = plan(qwen3_vl(), gpu("L4"), intent)
    assert found.verdict is Verdict.DOES_NOT_FIT
    assert not any(move.applied for move in found.ladder)
    assert found.settings.max_num_seqs == 256


def planned(intent: Intent, card: str) -> Plan:
    return plan(qwen3_vl(), gpu(card), intent)


@given(
    context=st.sampled_from([None, 2048, 8192, 32768, 131072]),
    utilization=st.sampled_from([None, 0.5, 0.9]),
    sequences=st.sampled_from([None, 1, 64]),
    goal=st.sampled_from([None, *Goal]),
    images=st.integers(0, 12),
    card=st.sampled_from(["T4", "L4", "RTX-4090", "RTX-5090", "H100"]),
)
def test_whatever_is_asked_pins_hold_and_a_fit_is_a_fit(
    context: int | None, utilization: float | None, sequences: int | None, goal: Goal | None, images: int, card: str
) -> None:
    flags = {"max_model_len": context, "gpu_memory_utilization": utilization, "max_num_seqs": sequences}
    given_flags = {name: value for name, value in flags.items() if value is not None}
    intent = replace(pinned(**given_flags), goal=goal, workload=Workload(images=Images(images)) if images else None)
    found = planned(intent, card)
    assert {name: getattr(found.settings, name) for name in given_flags} == given_flags
    if found.verdict is Verdict.FITS:
        assert found.evaluation is not None
        assert found.evaluation.least_bytes <= found.evaluation.budget.kv_cache_low_bytes
        assert found.evaluation.budget.requested_bytes <= found.evaluation.budget.free_at_start_bytes
        assert (found.settings.max_model_len or 0) >= found.workload.total_tokens
    else:
        assert found.hint


@pytest.mark.parametrize(("tensor", "replicas"), [(1, 2), (2, 2), (1, 4)])
def test_replicas_inside_a_server_take_gpus_of_their_own(tensor: int, replicas: int) -> None:
    flags = EngineSettings(tensor_parallel_size=tensor, data_parallel_size=replicas)
    pinned = frozenset({"tensor_parallel_size", "data_parallel_size"})
    found = plan(qwen3_vl(), gpu("H100"), Intent(settings=flags, pinned=pinned))
    assert found.gpu_count == tensor * replicas
