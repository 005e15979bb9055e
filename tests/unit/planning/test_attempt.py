"""What a plan may take of a GPU, and what it begins with, before anything is given up."""

from __future__ import annotations

from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.attempt import Attempt
from vlm_operator.planning.evidence import NOTHING, Evidence, MemoryShortage
from vlm_operator.planning.intent import Goal, Images, Intent, Workload
from vlm_operator.planning.judge import Judge
from vlm_operator.planning.shapes import Shape
from vlm_operator.planning.workload import round_context
from vlm_operator.sources import load_model
from vlm_operator.units import GIB


def card(free_gib: float, *, unsure_gib: float = 0.0) -> GPUFacts:
    """100 GiB, so much of it free at the start."""
    return gpu("H100").with_(
        total_bytes=100 * GIB,
        free_at_start_bytes=int(free_gib * GIB),
        total_uncertainty_bytes=int(unsure_gib * GIB),
    )


def attempt(
    on: GPUFacts, evidence: Evidence | None = None, flags: dict[str, Any] | None = None, **intent: Any
) -> Attempt:
    given = flags or {}
    asked = Intent(settings=EngineSettings(**given), pinned=frozenset(given), **intent)
    return Attempt(Judge(qwen3_vl(), on, asked, evidence or NOTHING), Shape(1, 1))


@pytest.mark.parametrize(
    ("free", "ceiling"),
    [
        pytest.param(90.0, 0.90, id="whole hundredths"),
        pytest.param(90.99, 0.90, id="rounded down"),
        pytest.param(0.2, 0.01, id="never nothing"),
    ],
)
def test_the_ceiling_is_the_share_that_is_free(free: float, ceiling: float) -> None:
    assert attempt(card(free)).ceiling == ceiling


def test_what_is_not_sure_and_what_was_missing_lower_the_ceiling() -> None:
    missing = Evidence(shortages=(MemoryShortage(EngineSettings(), 3 * GIB, outside_budget=True),))
    assert attempt(card(90.0, unsure_gib=2.0)).ceiling == 0.88
    assert attempt(card(90.0), missing).ceiling == 0.87


@pytest.mark.parametrize(
    ("free", "unsure", "highest"),
    [
        pytest.param(85.57, 0.0, 0.855, id="in thousandths, rounded down"),
        pytest.param(85.57, 3.0, 0.855, id="what is not sure lowers the ceiling alone"),
        pytest.param(97.0, 0.0, 0.95, id="kernels and warm-up keep theirs"),
        pytest.param(0.2, 0.0, 0.01, id="never below the ceiling"),
    ],
)
def test_the_highest_utilisation_is_what_is_free_by_the_best_estimate(
    free: float, unsure: float, highest: float
) -> None:
    found = attempt(card(free, unsure_gib=unsure)).bounds
    assert found.highest == highest
    assert found.ceiling <= found.highest


def test_where_start_ups_were_measured_what_is_free_is_known() -> None:
    measured = Evidence(failed=(EngineSettings(max_model_len=300_000),))
    found = attempt(card(85.57, unsure_gib=3.0), measured).bounds
    assert (found.highest, found.ceiling) == (0.82, 0.82)


def test_a_default_above_the_ceiling_is_lowered_to_it_and_a_pinned_one_is_not() -> None:
    assert attempt(card(85.0)).wanted.settings.gpu_memory_utilization == 0.85
    assert attempt(card(95.0)).wanted.settings.gpu_memory_utilization == 0.92
    pinned = attempt(card(85.0), flags={"gpu_memory_utilization": 0.95})
    assert pinned.wanted.settings.gpu_memory_utilization == 0.95


@pytest.mark.parametrize(
    ("goal", "asked", "sequences"),
    [
        pytest.param(Goal.SINGLE_USER, None, 4, id="a single user: a few"),
        pytest.param(Goal.SINGLE_USER, 9, 9, id="a single user with more at once"),
        pytest.param(Goal.THROUGHPUT, 9, 9, id="as many as asked for"),
        pytest.param(Goal.THROUGHPUT, None, 1024, id="else vLLM's own"),
    ],
)
def test_requests_at_once_follow_from_goal_and_workload(goal: Goal, asked: int | None, sequences: int) -> None:
    found = attempt(card(95.0), goal=goal, workload=Workload(concurrent_requests=asked))
    assert found.wanted.settings.max_num_seqs == sequences


def test_the_context_is_the_wanted_one_unless_it_is_pinned() -> None:
    assert attempt(card(95.0)).wanted.settings.max_model_len == 16384
    assert attempt(card(95.0), flags={"max_model_len": 5000}).wanted.settings.max_model_len == 5000


def test_smaller_items_need_a_shorter_context_and_pins_stay() -> None:
    workload = Workload(prompt_tokens=100, output_tokens=100, images=Images(4, 3840, 2160))
    small = {"mm_processor_kwargs": '{"size":{"longest_edge":262144,"shortest_edge":65536}}'}
    free = attempt(card(95.0), workload=workload)
    before = free.wanted.requested
    after = free.refit(before.with_(**small))
    assert (after.max_model_len or 0) < (before.max_model_len or 0)
    pinned = attempt(card(95.0), flags={"max_model_len": 40_000}, workload=workload)
    assert pinned.refit(pinned.wanted.requested.with_(**small)).max_model_len == 40_000


def test_only_caps_of_items_are_told_with_their_price() -> None:
    photos = attempt(gpu("NVIDIA-L4"), workload=Workload(images=Images(8, 3840, 2160)))
    assert photos.pull(mild=False)
    assert any("(--mm-processor-kwargs)" in sentence for sentence in photos.cap_sentences())
    text = attempt(gpu("NVIDIA-L4"), workload=Workload(prompt_tokens=40_000, output_tokens=1000))
    assert text.pull(mild=False)
    assert {lever.flag for lever, level in zip(text.found, text.choice, strict=True) if level}
    assert list(text.cap_sentences()) == []


@pytest.mark.parametrize(
    ("pinned", "predicts", "expected"),
    [
        pytest.param(False, False, True, id="set where the user left it free"),
        pytest.param(True, False, False, id="kept where the user pinned it"),
        pytest.param(False, True, False, id="left alone where given flags are judged"),
    ],
)
def test_a_model_that_needs_code_of_its_own_is_trusted_unless_the_user_says_otherwise(
    pinned: bool, predicts: bool, expected: bool
) -> None:
    flags = EngineSettings(trust_remote_code=False)
    asked = Intent(settings=flags, pinned=frozenset({"trust_remote_code"} if pinned else ()), is_prediction=predicts)
    judge = Judge(load_model("OpenGVLab/InternVL3-8B"), gpu("H100"), asked)
    assert bool(judge.start.trust_remote_code) == expected


def test_flags_that_checks_ask_for_are_set_but_not_where_given_flags_are_judged() -> None:
    given = EngineSettings(tensor_parallel_size=8)
    model = load_model("zai-org/GLM-4.1V-9B-Thinking", offline=True)  # its tower has 12 heads
    wanted = Judge(model, gpu("H100"), Intent(settings=given)).feasible(given)
    judged = Judge(model, gpu("H100"), Intent(settings=given, is_prediction=True)).feasible(given)
    assert (wanted.mm_encoder_tp_mode, judged.mm_encoder_tp_mode) == ("data", "weights")


def test_one_users_context_grows_in_steps_of_256_or_to_the_models_own() -> None:
    one = attempt(gpu("RTX-4090"), goal=Goal.SINGLE_USER, workload=Workload(prompt_tokens=100, output_tokens=100))
    assert one.fits_as_wanted()
    length = one.settle().settings.context_tokens
    assert length % 256 == 0
    assert one.judge.fits(one.chosen.requested)


GROWS = {"gpu_memory_utilization": 0.9}


def grown(on: GPUFacts, **intent: Any) -> tuple[Attempt, int]:
    """An attempt for one person on a pinned share of the GPU, with the context that it ends with."""
    flags = {**GROWS, **intent.pop("flags", {})}
    found = attempt(on, flags=flags, **{"goal": Goal.SINGLE_USER, **intent})
    assert found.fits_as_wanted()
    return found, found.settle().settings.context_tokens


def test_a_context_grows_into_what_is_certain_in_steps_of_256() -> None:
    """36 layers x 8 heads x 128 x 2 x 2 bytes are 147,456 bytes a token, in blocks of 16, one of them null."""
    one, length = grown(gpu("RTX-4090"), workload=Workload(prompt_tokens=100, output_tokens=100))
    low = one.chosen.budget.kv_cache_low_bytes
    assert length % 256 == 0
    assert (length + 16) * 147_456 <= low < (length + 256 + 16) * 147_456
    assert length > 2048


@pytest.mark.parametrize(
    ("intent", "length"),
    [
        pytest.param({"maximum_context": 10_001}, 10_001, id="up to the cap, whole steps or not"),
        pytest.param({"flags": {"max_model_len": 3000}}, 3000, id="never where it is pinned"),
        pytest.param({"goal": Goal.THROUGHPUT}, 2048, id="nor for many, whose request is described"),
        pytest.param({"goal": None}, 2048, id="nor where nobody said what for"),
    ],
)
def test_how_far_a_context_grows(intent: dict[str, Any], length: int) -> None:
    assert grown(gpu("H100"), workload=Workload(prompt_tokens=100, output_tokens=100), **intent)[1] == length


def test_for_many_a_context_grows_while_four_of_that_length_are_held() -> None:
    many, length = grown(gpu("H100"), goal=Goal.THROUGHPUT)
    layout, low = many.chosen.layout, many.chosen.budget.kv_cache_low_bytes
    assert length > 16_384
    assert layout.concurrency(low, length) >= 4 > layout.concurrency(low, round_context(length + 1))


def test_nothing_grows_where_given_flags_are_judged_or_flags_failed() -> None:
    judged = attempt(gpu("H100"), flags=GROWS, goal=Goal.SINGLE_USER, is_prediction=True)
    assert judged.settle().settings.context_tokens == 16_384
    failed = Evidence(failed=frozenset({EngineSettings(max_model_len=300_000)}))
    once = attempt(gpu("H100"), failed, flags=GROWS, goal=Goal.SINGLE_USER)
    assert once.settle().settings.context_tokens == 16_384


def test_the_lowest_utilisation_is_the_first_hundredth_that_holds_the_context() -> None:
    one = attempt(gpu("H100"), goal=Goal.SINGLE_USER)
    lowest = one.at_lowest_utilization(one.wanted)
    assert lowest is not None
    share = lowest.settings.gpu_memory_utilization
    assert share is not None
    assert round(100 * share) == pytest.approx(100 * share)
    requested = one.wanted.requested
    assert one.judge.fits(requested.with_(gpu_memory_utilization=share))
    assert not one.judge.fits(requested.with_(gpu_memory_utilization=round(share - 0.01, 2)))


def test_no_utilisation_is_lowest_where_the_ceiling_is_not_enough() -> None:
    one = attempt(card(14.0), goal=Goal.SINGLE_USER)
    assert one.at_lowest_utilization(one.wanted) is None
    assert not one.fits_as_wanted()
