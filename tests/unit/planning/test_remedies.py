"""Each remedy that a refused plan offers works when it is done as written; what gave way had to; pins stay."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import gpu
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.planning.attempt import Attempt
from vlm_operator.planning.choose import plan
from vlm_operator.planning.combination import apply_choice
from vlm_operator.planning.evaluation import Evaluation
from vlm_operator.planning.intent import Goal, Images, Intent, Videos, Workload
from vlm_operator.planning.item_rejection import RejectedItem
from vlm_operator.planning.judge import Judge
from vlm_operator.planning.plan import Plan, Remedy
from vlm_operator.planning.remedies import as_hint, flag_name, send_smaller, smallest_gpu
from vlm_operator.planning.shapes import Shape
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import load_model
from vlm_operator.units import GIB, format_gib

MODELS = (
    "Qwen/Qwen3-VL-8B-Instruct",
    "Qwen/Qwen2.5-VL-7B-Instruct",
    "Qwen/Qwen3.5-27B",
    "Qwen/Qwen3-VL-30B-A3B-Instruct",
    "google/gemma-3-12b-it",
    "OpenGVLab/InternVL3_5-8B",
    "Qwen/Qwen3-14B",
)
CARDS = ("T4", "L4", "RTX-4080-SUPER", "RTX-4090", "L40S", "A100-80GB")
WORKLOADS = (
    None,
    Workload(images=Images(4)),
    Workload(images=Images(8, 4032, 3024), concurrent_requests=8),
    Workload(images=Images(1), videos=Videos(1, 60.0)),
    Workload(videos=Videos(1, 30.0, 1920, 1080), concurrent_requests=1),
)


def applied(intent: Intent, remedy: Remedy) -> Intent:
    """The intent of a user who does what the remedy says."""
    flags = intent.settings.with_(**dict(remedy.change))
    count = intent.gpu_count
    if count is not None:
        count = flags.tensor_parallel_size * flags.pipeline_parallel_size * flags.data_parallel_size
    return replace(intent, settings=flags, pinned=intent.pinned | dict(remedy.change).keys(), gpu_count=count)


def planned(name: str, card: str, intent: Intent) -> Plan | None:
    """The plan; None for a workload that the model does not take at all."""
    try:
        return plan(load_model(name, offline=True), gpu(card), intent)
    except InputError:
        return None


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    flags = {
        "max_model_len": draw(st.sampled_from([None, None, 8192, 32768, 100_000])),
        "gpu_memory_utilization": draw(st.sampled_from([None, None, 0.5, 0.8, 0.92])),
        "max_num_seqs": draw(st.sampled_from([None, None, 64, 256])),
        "max_num_batched_tokens": draw(st.sampled_from([None, None, 2048, 8192])),
        "kv_cache_dtype": draw(st.sampled_from([None, None, "auto"])),
        "enforce_eager": draw(st.sampled_from([None, None, False])),
        "mm_processor_kwargs": draw(st.sampled_from([None, None, None, "{}"])),
    }
    given_flags = {name: value for name, value in flags.items() if value is not None}
    return Intent(
        goal=draw(st.sampled_from([None, *Goal])),
        workload=draw(st.sampled_from(WORKLOADS)),
        minimum_context=draw(st.sampled_from([None, None, 8192])),
        settings=EngineSettings(**given_flags),  # type: ignore[arg-type]
        pinned=frozenset(given_flags),
        gpu_count=draw(st.sampled_from([1, 1, None])),
        gpus_available=draw(st.sampled_from([1, 2])),
    )


@settings(max_examples=300)
@given(intent=intents(), name=st.sampled_from(MODELS), card=st.sampled_from(CARDS))
def test_every_remedy_makes_it_fit_and_pins_stay(intent: Intent, name: str, card: str) -> None:
    refused = planned(name, card, intent)
    if refused is None or refused.verdict is Verdict.UNKNOWN:
        return
    assert all(getattr(refused.settings, flag) == getattr(intent.settings, flag) for flag in intent.pinned)
    for remedy in refused.remedies:
        again = planned(name, card, applied(intent, remedy))
        assert again is not None, remedy.text
        assert again.verdict is Verdict.FITS, remedy.text
        assert remedy.pinned is any(flag in intent.pinned for flag, _ in remedy.change)


@settings(max_examples=300)
@given(intent=intents(), name=st.sampled_from(MODELS), card=st.sampled_from(CARDS))
def test_nothing_is_left_to_the_user_that_the_plan_could_have_done(intent: Intent, name: str, card: str) -> None:
    """What a refused plan offers is more GPUs or a pinned flag: free flags have been tried."""
    refused = planned(name, card, intent)
    if refused is not None and not refused.fits:
        free = [remedy for remedy in refused.remedies if not remedy.pinned]
        assert [flag for remedy in free for flag, _ in remedy.change if flag != "tensor_parallel_size"] == []


@settings(max_examples=150)
@given(intent=intents(), name=st.sampled_from(MODELS), card=st.sampled_from(CARDS), mild=st.booleans())
def test_what_gave_way_had_to(intent: Intent, name: str, card: str, mild: bool) -> None:
    """With any lever of the chosen combination left alone, or pulled less far, it does not fit."""
    try:
        attempt = Attempt(Judge(load_model(name, offline=True), gpu(card), intent), Shape(intent.gpus_available, 1))
    except (InputError, UnknownFact):
        return
    if attempt.wanted.verdict is Verdict.FITS or not attempt.pull(mild=mild):
        return
    for place, level in enumerate(attempt.choice):
        for less in range(level):
            lighter = (*attempt.choice[:place], less, *attempt.choice[place + 1 :])
            flags = apply_choice(attempt.wanted.requested, attempt.found, lighter, attempt.bounds)
            assert not attempt.judge.fits(flags), attempt.found[place].flag


@settings(max_examples=150)
@given(
    intent=intents(),
    name=st.sampled_from(MODELS),
    card=st.sampled_from(CARDS),
    tenths=st.sampled_from([1, 5, 10, 20]),
)
def test_more_memory_or_more_gpus_never_make_a_fit_a_misfit(intent: Intent, name: str, card: str, tenths: int) -> None:
    small = gpu(card)
    try:
        found = plan(load_model(name, offline=True), small, intent)
    except InputError:
        return
    if found.verdict is not Verdict.FITS:
        return
    more = small.total_bytes * tenths // 10
    large = replace(
        small,
        total_bytes=small.total_bytes + more,
        nvml_total_bytes=(small.nvml_total_bytes or small.total_bytes) + more,
        free_at_start_bytes=None if small.free_at_start_bytes is None else small.free_at_start_bytes + more,
    )
    assert plan(load_model(name, offline=True), large, intent).verdict is Verdict.FITS
    available = replace(intent, gpus_available=4 * intent.gpus_available)
    assert plan(load_model(name, offline=True), small, available).verdict is Verdict.FITS


@pytest.mark.parametrize("uncounted", [(), ("--speculative-config",)], ids=["all counted", "with uncounted flags"])
def test_remedies_promise_no_more_than_what_is_counted(uncounted: tuple[str, ...]) -> None:
    intent = replace(
        Intent(gpu_count=1, uncounted_flags=uncounted),
        settings=EngineSettings(max_model_len=131_072),
        pinned=frozenset({"max_model_len"}),
    )
    refused = planned("Qwen/Qwen3-VL-8B-Instruct", "L4", intent)
    assert refused is not None
    assert refused.verdict is Verdict.DOES_NOT_FIT
    assert refused.reason is not Reason.UNCOUNTED_FLAGS
    assert ("which is not counted" in (refused.hint or "")) is bool(uncounted)


def refused(card: str = "L4", **intent: object) -> Plan:
    found = planned("Qwen/Qwen3-VL-8B-Instruct", card, Intent(**intent))  # type: ignore[arg-type]
    assert found is not None
    assert found.verdict is Verdict.DOES_NOT_FIT
    assert found.evaluation is not None
    return found


LONG = {"settings": EngineSettings(max_model_len=131_072), "pinned": frozenset({"max_model_len"})}


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        pytest.param(1, None, id="no other GPU is there"),
        pytest.param(2, None, id="two do not hold it"),
        pytest.param(3, None, id="heads do not divide by three"),
        pytest.param(4, 4, id="the last one that is there"),
        pytest.param(8, 4, id="the fewest"),
    ],
)
def test_more_gpus_are_a_remedy_as_far_as_there_are_some(available: int, expected: int | None) -> None:
    found = refused("T4", gpu_count=1, gpus_available=available)
    sizes = [dict(remedy.change).get("tensor_parallel_size") for remedy in found.remedies]
    assert [size for size in sizes if size] == ([] if expected is None else [expected])


def test_the_next_number_of_gpus_is_tried_first() -> None:
    flags = {"settings": EngineSettings(max_model_len=65_536), "pinned": frozenset({"max_model_len"})}
    found = refused("L4", gpu_count=1, gpus_available=4, **flags)
    sizes = [dict(remedy.change)["tensor_parallel_size"] for remedy in found.remedies if "GPUs" in remedy.text]
    assert sizes == [2]


def test_a_pinned_context_may_be_as_long_as_memory_holds_in_steps_of_256() -> None:
    found = refused("RTX-4090", gpu_count=1, gpus_available=1, **LONG)
    (remedy,) = found.remedies
    assert remedy.pinned
    longest = dict(remedy.change)["max_model_len"]
    assert longest % 256 == 0
    assert found.evaluation is not None
    low = found.evaluation.budget.kv_cache_low_bytes
    layout = found.evaluation.layout
    assert layout.least_bytes_that_start(longest) <= low < layout.least_bytes_that_start(longest + 256)
    assert remedy.text == f"set --max-model-len to {longest} (requests of at most {longest:,} tokens)"


def test_a_floor_that_stands_in_the_way_may_be_lowered_to_what_fits() -> None:
    found = refused("RTX-4090", gpu_count=1, gpus_available=1, minimum_context=131_072)
    floors = [remedy for remedy in found.remedies if "context.minimum" in remedy.text]
    assert found.evaluation is not None
    for remedy in floors:
        longest = dict(remedy.change)["max_model_len"]
        assert remedy.text == f"lower context.minimum to at most {longest:,}"
        assert not remedy.pinned
        assert longest < 131_072
    assert floors


def test_a_refusal_of_what_is_pinned_names_no_floor() -> None:
    found = refused(gpu_count=1, gpus_available=1, minimum_context=131_072, **LONG)
    assert not [remedy for remedy in found.remedies if "context.minimum" in remedy.text]


def failed_with(kv: int | None, utilization: float | None, **sizes: int) -> Evaluation:
    """An evaluation on a GPU of 24 GiB."""
    found = refused(gpu_count=1, gpus_available=1, **LONG).evaluation
    assert found is not None
    budget = replace(found.budget, total_bytes=24 * GIB, **sizes)
    flags = found.settings.with_(kv_cache_memory_bytes=kv, gpu_memory_utilization=utilization)
    return replace(found, settings=flags, budget=budget, least_bytes=5 * GIB)


@pytest.mark.parametrize(
    ("utilization", "least"),
    [
        pytest.param(0.5, "28.00 GiB", id="at half of it twice the lack"),
        pytest.param(1.0, "26.00 GiB", id="all of it"),
        pytest.param(None, "26.00 GiB", id="not set"),
    ],
)
def test_a_gpu_that_would_do_has_room_for_what_is_missing(utilization: float | None, least: str) -> None:
    words = smallest_gpu(failed_with(None, utilization, kv_cache_low_bytes=3 * GIB))
    assert words.startswith(f"use a GPU with at least {least}")
    assert "this one has 24.00 GiB" in words


def test_with_a_pinned_cache_what_is_missing_is_what_is_not_free() -> None:
    evaluation = failed_with(8 * GIB, 0.5, free_at_start_bytes=20 * GIB)
    lacking = evaluation.budget.in_use_bytes(8 * GIB) - 20 * GIB
    assert smallest_gpu(evaluation).startswith(f"use a GPU with at least {format_gib(24 * GIB + lacking)}")


def remedy(text: str, *, pinned: bool = False) -> Remedy:
    return Remedy((("max_num_seqs", 1),), text, pinned)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param([remedy("a")], "a", id="one"),
        pytest.param([remedy("a"), remedy("b")], "any of these makes it fit: a; b", id="several"),
        pytest.param([remedy(each) for each in "abcde"], "any of these makes it fit: a; b; c; d", id="four at most"),
        pytest.param([remedy("a", pinned=True)], "it would fit if a pinned flag were changed: a", id="pinned"),
        pytest.param([remedy(each, pinned=True) for each in "abcde"],
                     "it would fit if a pinned flag were changed: a; or b; or c; or d", id="four pinned at most"),
        pytest.param([remedy("a"), remedy("b", pinned=True)], "a. It would fit if a pinned flag were changed: b",
                     id="both"),
    ],
)  # fmt: skip
def test_a_hint_lists_free_flags_then_pinned_ones(found: list[Remedy], words: str) -> None:
    evaluation = failed_with(None, 0.5)
    assert as_hint(tuple(found), evaluation) == words
    counted = as_hint(tuple(found), evaluation, ("--enable-lora", "--cpu-offload-gb"))
    assert counted.startswith(f"{words}. --enable-lora, --cpu-offload-gb ")


def test_without_a_remedy_a_larger_gpu_or_smaller_items_are_what_is_left() -> None:
    evaluation = failed_with(None, 0.5)
    assert as_hint((), evaluation) == smallest_gpu(evaluation)
    item = RejectedItem("image", 20_000, 16_384, 8_192)
    assert as_hint((), replace(evaluation, rejected=item)) == send_smaller(item)
    assert "at most 16,384 encoder tokens" in send_smaller(item)
    assert "at most 30,000 encoder tokens" in send_smaller(RejectedItem("video", 40_000, 8, 30_000))


def test_flags_are_named_as_users_type_them() -> None:
    assert flag_name("max_num_batched_tokens") == "--max-num-batched-tokens"


def test_where_nothing_may_be_chosen_each_flag_that_would_help_is_named_once() -> None:
    flags = EngineSettings(max_model_len=65_536)
    found = refused("L4", gpu_count=1, is_prediction=True, settings=flags)
    assert [remedy.pinned for remedy in found.remedies if "--max-model-len" in remedy.text] == [False]
    assert len({remedy.text for remedy in found.remedies}) == len(found.remedies)
