"""What other numbers of GPUs would give is said in one line each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import gpu
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.planning.alternatives import alternatives
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Images, Intent, Workload
from vlm_operator.planning.plan import Move, Plan, Refusal
from vlm_operator.planning.report import plan_to_json
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model

FOUR_PHOTOS = Workload(images=Images(4, 1920, 1080))


def planned(model: str, card: str, intent: Intent) -> Plan:
    return plan(load_model(model, offline=True), gpu(card), intent)


def told(found: Plan) -> dict[int, str]:
    return {other.gpu_count: other.message for other in found.alternatives}


@pytest.mark.parametrize(
    ("model", "card", "workload", "expected"),
    [
        pytest.param(
            "Qwen/Qwen3.6-27B-FP8", "H100", None, {2: "2 GPUs: 1,024 sequences at once"}, id="more sequences on two"
        ),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "L4", FOUR_PHOTOS, {2: "2 GPUs: no pixel cap"}, id="no cap on two"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "RTX-5090", None, {}, id="one card, nothing gave way"),
    ],
)
def test_where_levers_were_pulled_the_next_number_of_gpus_says_what_it_gives(
    model: str, card: str, workload: Workload | None, expected: dict[int, str]
) -> None:
    assert told(planned(model, card, Intent(workload=workload))) == expected


def test_a_larger_number_than_there_are_is_not_offered() -> None:
    assert told(planned("Qwen/Qwen3.6-27B-FP8", "H100", Intent(gpus_available=1))) == {}


def test_where_one_card_does_not_hold_it_the_plan_says_why() -> None:
    found = planned("Qwen/Qwen3-VL-30B-A3B-Instruct", "RTX-4090", Intent())
    assert found.gpu_count > 1
    assert told(found)[1].startswith("1 GPU: does not fit: weights (")


def test_where_one_card_holds_it_with_dear_levers_they_are_named_with_their_prices() -> None:
    found = planned("Qwen/Qwen3-VL-8B-Instruct", "L4", Intent(minimum_context=32768))
    assert found.gpu_count == 2
    assert told(found)[1].startswith("1 GPU: fits with --gpu-memory-utilization 0.95 (uses ")
    assert "--kv-cache-dtype fp8 (8-bit KV cache: half the memory" in told(found)[1]


@pytest.mark.parametrize(
    "intent",
    [
        pytest.param(Intent(gpu_count=2), id="count"),
        pytest.param(
            Intent(settings=EngineSettings(tensor_parallel_size=2), pinned=frozenset({"tensor_parallel_size"})),
            id="tensor-parallel size",
        ),
    ],
)
def test_a_pinned_number_stays_and_is_told_what_one_card_gives(intent: Intent) -> None:
    found = planned("Qwen/Qwen3-VL-8B-Instruct", "RTX-5090", intent)
    assert (found.gpu_count, told(found)) == (2, {1: "1 GPU: fits as well"})


def test_what_is_told_of_another_number_is_what_its_own_plan_does() -> None:
    found = planned("Qwen/Qwen3.6-27B-FP8", "H100", Intent())
    (other,) = found.alternatives
    again = planned("Qwen/Qwen3.6-27B-FP8", "H100", Intent(gpu_count=other.gpu_count))
    assert (again.verdict, again.settings.max_num_seqs) == (other.verdict, 1024)


def test_a_plan_that_does_not_fit_has_remedies_instead() -> None:
    found = planned("Qwen/Qwen3-VL-235B-A22B-Instruct", "T4", Intent())
    assert (found.verdict, found.alternatives) == (Verdict.DOES_NOT_FIT, ())


def test_the_report_holds_them() -> None:
    report = plan_to_json(planned("Qwen/Qwen3.6-27B-FP8", "H100", Intent()))
    expected = {"gpuCount": 2, "verdict": "Fits", "reason": "Fits", "message": "2 GPUs: 1,024 sequences at once"}
    assert report["alternatives"] == [expected]


def move(flag: str, before: object, after: object, *, applied: bool = True) -> Move:
    return Move(((flag, before, after),), 0, "its price", applied)


def fitting(count: int = 1, *, flags: EngineSettings, ladder: tuple[Move, ...] = (), **intent: Any) -> Plan:
    """A plan that fits, on so many GPUs and with these flags."""
    found = planned("Qwen/Qwen3-VL-8B-Instruct", "RTX-5090", Intent(**{"gpus_available": 4, **intent}))
    return replace(found, gpu_count=count, settings=flags, moves=lambda: ladder)


def offered(before: Plan, more: dict[int, Plan | None]) -> list[tuple[int, str]]:
    found = alternatives(before, lambda intent: more.get(intent.gpu_count or 0))
    return [(other.gpu_count, other.message) for other in found]


NO_VIDEO = (("video", ModalityLimit(0)),)


@pytest.mark.parametrize(
    ("flag", "fewer", "more", "words"),
    [
        pytest.param("max_num_seqs", 64, 1024, "1,024 sequences at once", id="sequences"),
        pytest.param("max_num_seqs", 64, 32, None, id="fewer sequences"),
        pytest.param("max_num_batched_tokens", 2048, 8192, "prefill in chunks of 8,192 tokens", id="batch"),
        pytest.param("max_num_batched_tokens", 2048, 1024, None, id="a smaller batch"),
        pytest.param("max_model_len", 8192, 16384, "a context of 16,384 tokens", id="context"),
        pytest.param("max_model_len", 8192, 4096, None, id="a shorter context"),
        pytest.param("max_model_len", 8192, 8192, None, id="the same context"),
        pytest.param("enforce_eager", True, False, "CUDA graphs", id="graphs"),
        pytest.param("kv_cache_dtype", "fp8", "auto", "a KV cache in full precision", id="precision"),
        pytest.param("limit_mm_per_prompt", NO_VIDEO, None, "requests with video", id="videos"),
        pytest.param("limit_mm_per_prompt", (("audio", ModalityLimit(0)), *NO_VIDEO), None,
                     "requests with video and audio", id="videos and audio"),
        pytest.param("limit_mm_per_prompt", None, NO_VIDEO, None, id="no videos"),
        pytest.param("mm_processor_kwargs", '{"max_pixels":1}', None, "no pixel cap", id="pixels"),
        pytest.param("mm_processor_kwargs", '{"max_pixels":1}', '{"max_pixels":2}', None, id="another pixel cap"),
        pytest.param("media_io_kwargs", '{"video":{"num_frames":8}}', None, "every frame", id="frames"),
        pytest.param("media_io_kwargs", '{"video":{"num_frames":8}}', "{}", None, id="other frames"),
    ],
)  # fmt: skip
def test_more_gpus_say_what_they_give_back(flag: str, fewer: object, more: object, words: str | None) -> None:
    before = fitting(flags=EngineSettings(**{flag: fewer}), ladder=(move(flag, more, fewer),))
    two = fitting(2, flags=EngineSettings(**{flag: more}))
    assert offered(before, {2: two}) == ([] if words is None else [(2, f"2 GPUs: {words}")])


def test_what_was_lowered_is_said_once_in_the_order_of_the_ladder() -> None:
    lowered = EngineSettings(max_model_len=8192, enforce_eager=True)
    moves = (move("enforce_eager", False, True), move("max_model_len", 1, 0), move("enforce_eager", False, True),
             move("max_num_seqs", 8, 4, applied=False))  # fmt: skip
    two = fitting(2, flags=EngineSettings(max_model_len=16384, max_num_seqs=8))
    found = offered(fitting(flags=lowered, ladder=moves), {2: two})
    assert found == [(2, "2 GPUs: CUDA graphs, a context of 16,384 tokens")]


def test_the_first_number_of_gpus_that_fits_and_gives_something_is_told() -> None:
    before = fitting(flags=EngineSettings(max_num_seqs=4), ladder=(move("max_num_seqs", 8, 4),))
    same, tight = fitting(flags=EngineSettings(max_num_seqs=4)), fitting(flags=EngineSettings(max_num_seqs=8))
    four = fitting(flags=EngineSettings(max_num_seqs=8))
    assert offered(before, {2: replace(tight, verdict=Verdict.FITS_TIGHT), 3: same, 4: four}) == [
        (4, "4 GPUs: 8 sequences at once")
    ]
    assert offered(before, {2: None, 4: four}) == [(4, "4 GPUs: 8 sequences at once")]
    assert offered(before, {5: four}) == []


def test_where_only_the_utilisation_was_raised_more_gpus_are_not_told() -> None:
    flags = EngineSettings(gpu_memory_utilization=0.95)
    before = fitting(flags=flags, ladder=(move("gpu_memory_utilization", 0.92, 0.95),))
    assert offered(before, {2: fitting(flags=EngineSettings())}) == []


@pytest.mark.parametrize("flag", ["tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"])
def test_pinned_sizes_are_given_up_for_one_gpu_and_kept_against_more(flag: str) -> None:
    flags = EngineSettings(max_num_seqs=4, **{flag: 2})
    before = fitting(
        2, flags=flags, ladder=(move("max_num_seqs", 8, 4),), settings=EngineSettings(**{flag: 2}), pinned={flag}
    )
    seen: list[Intent] = []
    one = fitting(flags=EngineSettings(max_num_seqs=8))

    def record(intent: Intent) -> Plan:
        seen.append(intent)
        return one

    assert [other.gpu_count for other in alternatives(before, record)] == [1]
    assert [(each.gpu_count, each.pinned, getattr(each.settings, flag)) for each in seen] == [(1, frozenset(), 1)]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.FITS_TIGHT, "1 GPU: not certain to fit: "),
        (Verdict.DOES_NOT_FIT, "1 GPU: does not fit: "),
        (Verdict.UNSUPPORTED, "1 GPU: vLLM would reject it: "),
        (Verdict.UNKNOWN, "1 GPU: not known: "),
    ],
)
def test_one_gpu_says_why_it_does_not_do(verdict: Verdict, words: str) -> None:
    one = replace(fitting(flags=EngineSettings()), verdict=verdict, refusal=Refusal("the words of its own plan"))
    found = offered(fitting(2, flags=EngineSettings()), {1: one})
    assert found == [(1, f"{words}the words of its own plan")]


@pytest.mark.parametrize(
    ("flag", "value", "shown"),
    [
        pytest.param("max_num_seqs", 4, "--max-num-seqs 4 (its price)", id="a number"),
        pytest.param("kv_cache_dtype", "fp8", "--kv-cache-dtype fp8 (its price)", id="a word"),
        pytest.param("gpu_memory_utilization", 0.95, "--gpu-memory-utilization 0.95 (its price)", id="a share"),
        pytest.param("enforce_eager", True, "--enforce-eager (its price)", id="a switch"),
        pytest.param("mm_processor_kwargs", "{}", "--mm-processor-kwargs (its price)", id="a cap is long"),
        pytest.param("limit_mm_per_prompt", NO_VIDEO, "--limit-mm-per-prompt (its price)", id="limits are long"),
    ],
)
def test_one_gpu_names_the_levers_it_takes_with_their_prices(flag: str, value: object, shown: str) -> None:
    unused = move("max_model_len", 2, 1, applied=False)
    one = fitting(flags=EngineSettings(), ladder=(unused, move(flag, None, value)))
    assert offered(fitting(2, flags=EngineSettings()), {1: one}) == [(1, f"1 GPU: fits with {shown}")]


def test_one_gpu_that_is_refused_is_not_told() -> None:
    assert offered(fitting(2, flags=EngineSettings()), {1: None}) == []
    assert offered(fitting(1, flags=EngineSettings()), {1: fitting(flags=EngineSettings())}) == []
