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
from vlm_operator.planning.intent import Goal, Images, Intent, Videos, Workload
from vlm_operator.planning.judge import Judge
from vlm_operator.planning.plan import Plan, Remedy
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import load_model

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
        attempt = Attempt(Judge(load_model(name, offline=True), gpu(card), intent), intent.gpus_available)
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
    assert ("as far as is counted" in (refused.hint or "")) is bool(uncounted)
