"""What a plan's explanation says, and when it does not say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import gpu
from vlm_operator.capacity.startup import Budget
from vlm_operator.capacity.startup.regimes import Regime
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.choose import plan
from vlm_operator.planning.evaluation import Evaluation
from vlm_operator.planning.explanation import explain, summarize
from vlm_operator.planning.intent import Goal, Images, Intent, Videos, Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.planning.workload import WantedContext
from vlm_operator.sources import load_model
from vlm_operator.units import GIB, MIB

MODEL = load_model("Qwen/Qwen3-VL-8B-Instruct", offline=True)
CARD = gpu("RTX-5090").with_(notes=())


def planned(**intent: Any) -> Plan:
    return plan(MODEL, CARD, Intent(gpu_count=1, **intent))


def parts(found: Plan) -> tuple[Evaluation, WantedContext]:
    assert found.evaluation is not None
    assert found.context is not None
    return found.evaluation, found.context


def said(
    found: Plan,
    *,
    evaluation: Evaluation | None = None,
    context: WantedContext | None = None,
    intent: Intent | None = None,
    on_cpu: bool = False,
    notes: tuple[str, ...] = (),
) -> str:
    """The explanation of a plan, with parts of it replaced."""
    own_evaluation, own_context = parts(found)
    return "\n".join(
        explain(
            evaluation or own_evaluation, context or own_context, intent or found.intent,
            model=MODEL, gpu=None if on_cpu else CARD, notes=notes,
        )
    )  # fmt: skip


def with_budget(found: Plan, **sizes: int) -> Evaluation:
    evaluation, _ = parts(found)
    return replace(evaluation, budget=replace(evaluation.budget, **sizes))


PLAIN = planned()
TERMS = {"requested_bytes": 30 * GIB, "weights_bytes": 16 * GIB, "activation_peak_bytes": 2 * GIB,
         "non_torch_bytes": GIB // 2, "cuda_graph_bytes": GIB // 2}  # fmt: skip


@pytest.mark.parametrize(
    ("kv_bytes", "words"),
    [
        pytest.param(11 * GIB, "1.00 GiB others, leaves 11.00 GiB", id="the estimates themselves"),
        pytest.param(10 * GIB, "1.00 GiB others, less 1.00 GiB by which start-ups differed", id="start-ups took more"),
        pytest.param(12 * GIB, "1.00 GiB others, plus 1.00 GiB by which start-ups differed", id="start-ups took less"),
        pytest.param(11 * GIB - 2 * MIB, "1.00 GiB others, leaves", id="less than is shown"),
    ],
)
def test_the_terms_add_up_to_the_container(kv_bytes: int, words: str) -> None:
    told = said(PLAIN, evaluation=with_budget(PLAIN, kv_cache_bytes=kv_bytes, **TERMS))
    assert "30.00 GiB requested, less 16.00 GiB weights, 2.00 GiB start-up peak" in told
    assert words in told


def test_a_container_is_never_less_than_nothing() -> None:
    assert "leaves 0.00 GiB for KV cache: 0 tokens" in said(PLAIN, evaluation=with_budget(PLAIN, kv_cache_bytes=-GIB))


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        pytest.param(8 * GIB, "8.00 GiB of host memory, exactly what kvCacheSpace says", id="as declared"),
        pytest.param(9 * GIB, "8.00 GiB of host memory, as start-ups measured, 9.00 GiB are declared", id="measured"),
        pytest.param(None, "8.00 GiB of host memory, as start-ups measured, 0.00 GiB are declared", id="undeclared"),
    ],
)
def test_a_container_of_host_memory_says_where_its_size_comes_from(declared: int | None, words: str) -> None:
    evaluation = with_budget(PLAIN, kv_cache_bytes=8 * GIB)
    told = said(PLAIN, evaluation=evaluation, intent=Intent(cpu_kv_cache_bytes=declared), on_cpu=True)
    assert words in told
    assert "nvidia-smi" not in told


def test_the_cup_is_one_request_of_the_context() -> None:
    evaluation, _ = parts(PLAIN)
    assert evaluation.settings.max_model_len == 16384
    assert "one request of 16,384 tokens needs 2.25 GiB" in said(PLAIN)


@pytest.mark.parametrize(
    ("length", "pinned", "words"),
    [
        pytest.param(16384, False, "The context is 16,384 tokens: as somebody said.", id="as wanted"),
        pytest.param(16384, True, "The context of 16,384 tokens is pinned.", id="pinned"),
        pytest.param(16385, False, "16,385 tokens: as somebody said, 16,384 were wanted", id="grown"),
        pytest.param(16383, False, "16,383 tokens, less than the 16,384 wanted (as somebody said)", id="shortened"),
    ],
)
def test_why_the_context_is_as_long_as_it_is(length: int, pinned: bool, words: str) -> None:
    evaluation, context = parts(PLAIN)
    evaluation = replace(evaluation, settings=evaluation.settings.with_(max_model_len=length))
    context = replace(context, wanted=16384, why="as somebody said")
    intent = Intent(pinned=frozenset({"max_model_len"} if pinned else ()))
    assert words in said(PLAIN, evaluation=evaluation, context=context, intent=intent)


@pytest.mark.parametrize(
    ("verdict", "kv_bytes", "told"),
    [
        pytest.param(Verdict.FITS, 9 * GIB, True, id="tokens are left"),
        pytest.param(Verdict.FITS_TIGHT, 9 * GIB, False, id="they are not certain"),
        pytest.param(Verdict.FITS, 9 * GIB // 4, False, id="none is left"),
    ],
)
def test_what_one_request_leaves_free(verdict: Verdict, kv_bytes: int, told: bool) -> None:
    evaluation = replace(with_budget(PLAIN, kv_cache_bytes=kv_bytes), verdict=verdict)
    sentences = said(PLAIN, evaluation=evaluation)
    assert ("prefix" in sentences) is told
    if told:
        free = evaluation.container(MODEL.derived_max_model_len).capacity_tokens - 16384
        assert f"{free:,} tokens" in sentences


@pytest.mark.parametrize(
    ("verdict", "goal", "in_use", "free"),
    [
        pytest.param(Verdict.FITS, None, True, False, id="it fits"),
        pytest.param(Verdict.FITS, Goal.SINGLE_USER, True, True, id="one person works beside it"),
        pytest.param(Verdict.FITS_TIGHT, Goal.SINGLE_USER, False, False, id="it may not fit"),
    ],
)
def test_what_the_rest_of_the_gpu_looks_like(verdict: Verdict, goal: Goal | None, in_use: bool, free: bool) -> None:
    sizes = {"total_bytes": 32 * GIB, "free_at_start_bytes": 31 * GIB, "requested_bytes": 28 * GIB}
    evaluation = replace(with_budget(PLAIN, **sizes), verdict=verdict)
    told = said(PLAIN, evaluation=evaluation, intent=Intent(goal=goal))
    assert ("nvidia-smi will show about 29.00 GiB" in told) is in_use
    assert ("3.00 GiB of" in told) is free


def test_nothing_is_free_where_all_of_it_is_asked_for() -> None:
    sizes = {"total_bytes": 32 * GIB, "free_at_start_bytes": 28 * GIB, "requested_bytes": 29 * GIB}
    told = said(PLAIN, evaluation=with_budget(PLAIN, **sizes), intent=Intent(goal=Goal.SINGLE_USER))
    assert "0.00 GiB of" in told


ALBUM = planned(workload=Workload(100, 100, images=Images(1, 4032, 3024), videos=Videos(1, 60.0, 1920, 1080)))


@pytest.mark.parametrize(
    ("pixels", "scaled"),
    [
        pytest.param((1000, 1000), True, id="far fewer"),
        pytest.param((900, 1000), False, id="nine tenths are called whole"),
        pytest.param((899, 1000), True, id="less than nine tenths"),
        pytest.param(None, False, id="not known"),
    ],
)
def test_an_image_that_is_scaled_down_says_to_what(pixels: tuple[int, int] | None, scaled: bool) -> None:
    _, context = parts(ALBUM)
    assert context.request is not None
    side = 1000 if pixels != (1000, 1000) else 2000
    workload = Workload(100, 100, images=Images(1, side, side if side == 2000 else 1000))
    context = replace(context, request=replace(context.request, image_pixels=pixels, frames_per_video=None))
    told = said(ALBUM, context=context, intent=Intent(workload=workload))
    assert (pixels is not None and f"{pixels[0]} x {pixels[1]} pixels" in told) is scaled


@pytest.mark.parametrize(
    ("frames", "size", "words"),
    [
        pytest.param(120, (608, 320), ("120 frames", "one every 0.5 s", "608 x 320 pixels"), id="with their size"),
        pytest.param(1200, None, ("1,200 frames", "one every 0.1 s"), id="their size is not known"),
    ],
)
def test_frames_of_a_video(frames: int, size: tuple[int, int] | None, words: tuple[str, ...]) -> None:
    _, context = parts(ALBUM)
    assert context.request is not None
    request = replace(context.request, frames_per_video=frames, frame_pixels=size, image_pixels=None)
    told = said(ALBUM, context=replace(context, request=request))
    assert all(word in told for word in words)
    assert ("pixels" in told) is (size is not None)


def test_without_frames_nothing_is_said_of_them() -> None:
    _, context = parts(ALBUM)
    assert context.request is not None
    request = replace(context.request, frames_per_video=None, image_pixels=None)
    assert "frames" not in said(ALBUM, context=replace(context, request=request))


@pytest.mark.parametrize(
    ("concurrent", "words"),
    [
        pytest.param(None, (), id="nobody said how many"),
        pytest.param(2, ("3 requests", "2 are"), id="more than are asked for"),
        pytest.param(3, ("3 requests", "3 are"), id="as many"),
        pytest.param(4, ("3 requests", "4 are"), id="fewer"),
    ],
)
def test_requests_at_once(concurrent: int | None, words: tuple[str, ...]) -> None:
    found = planned(workload=Workload(10_000, 10_000, concurrent_requests=concurrent))
    evaluation, context = parts(found)
    assert context.request is not None
    size = evaluation.layout.needed_bytes(20_000)
    told = said(found, evaluation=with_budget(found, kv_cache_bytes=3 * size + 200 * MIB))
    assert [word in told for word in words] == [True for _ in words]
    assert ("as described at once" in told) is bool(words)
    if concurrent == 4:
        assert "queue" in told


def test_what_the_context_holds_beside_prompt_and_answer() -> None:
    evaluation, context = parts(ALBUM)
    assert "such image" in said(ALBUM)
    too_long = replace(context, least=(evaluation.settings.max_model_len or 0) + 1)
    assert "such image" not in said(ALBUM, context=too_long)
    exact = replace(context, least=evaluation.settings.max_model_len or 0)
    assert "such image" in said(ALBUM, context=exact)


def test_notes_are_sentences() -> None:
    assert "A limit is as it is.\nMeasured by somebody." in said(
        PLAIN, notes=("a limit is as it is", "measured by somebody")
    )


def test_a_gpu_adds_its_own_notes() -> None:
    found = plan(MODEL, CARD.with_(notes=("this GPU shares its memory",)), Intent(gpu_count=1))
    assert found.explanation[-1] == "this GPU shares its memory"


def test_a_plan_without_figures_explains_nothing() -> None:
    assert replace(PLAIN, evaluation=None).explanation == ()
    assert replace(PLAIN, context=None).explanation == ()


def test_plans_of_the_same_intent_are_equal_whatever_works_out_their_words() -> None:
    assert planned() == planned()
    refused = {"minimum_context": 250_000, "allow_fp8_kv_cache": False}
    assert planned(**refused) == planned(**refused)
    assert planned(**refused).verdict is Verdict.DOES_NOT_FIT
    assert PLAIN.reason is Reason.FITS
    assert isinstance(PLAIN.budget, Budget)
    assert planned(settings=EngineSettings(max_model_len=8192), pinned=frozenset({"max_model_len"})) != PLAIN


@pytest.mark.parametrize(
    ("sources", "seen", "words"),
    [
        pytest.param(2, True, None, id="two sources"),
        pytest.param(1, True, "7 published start-up(s) of one source lie within 1.50 GiB", id="one source"),
        pytest.param(3, False, "no start-up of this kind has been seen, so 1.50 GiB as for", id="nobody published one"),
    ],
)
def test_the_short_answer_says_so_where_little_is_known_of_such_start_ups(
    sources: int, seen: bool, words: str | None
) -> None:
    evaluation, context = parts(PLAIN)
    regime = Regime("a kind", 1.5, 7, sources, seen)
    doubtful = replace(evaluation, budget=replace(evaluation.budget, regime=regime))
    told = [line for line in summarize(doubtful, context, PLAIN.intent, gpu=CARD) if line.startswith("Bounds: ")]
    assert len(told) == (words is not None)
    assert words is None or words in told[0]


def test_the_short_answer_of_one_user_says_what_stays_free() -> None:
    for goal, told in ((Goal.SINGLE_USER, True), (Goal.THROUGHPUT, False)):
        found = planned(goal=goal)
        assert any("stays free" in line for line in found.summary) == told


@pytest.mark.parametrize(("wanted", "queue"), [(3, False), (4, False), (5, True)])
def test_requests_queue_only_beyond_what_is_held(wanted: int, queue: bool) -> None:
    found = planned(workload=Workload(prompt_tokens=900, output_tokens=100, concurrent_requests=wanted))
    evaluation, _ = parts(found)
    cache = evaluation.layout.needed_bytes(4096)
    told = said(found, evaluation=with_budget(found, kv_cache_bytes=cache))
    held = int(told.split("The KV cache holds ")[1].split(" ")[0])
    assert held == 4
    assert ("the others queue" in told) == queue
