"""The fewest GPUs: mild levers are preferred to more GPUs, more GPUs to dear levers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.planning import choose
from vlm_operator.planning.attempt import Attempt
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Images, Intent, Workload
from vlm_operator.planning.judge import Judge
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.shapes import Shape
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model

FOUR_PHOTOS = Workload(images=Images(4, 1920, 1080))


def planned(model: str, card: str, intent: Intent) -> Plan:
    return plan(load_model(model, offline=True), gpu(card), intent)


def given_up(found: Plan) -> set[str]:
    """Flags that were changed from what was wanted."""
    return {flag for move in found.ladder if move.applied for flag, _, _ in move.change}


@pytest.mark.parametrize(
    ("model", "card", "workload", "count", "flags"),
    [
        pytest.param("Qwen/Qwen3.6-27B-FP8", "H100", None, 1, {"max_num_seqs"}, id="sequences"),
        pytest.param(
            "Qwen/Qwen3-VL-8B-Instruct",
            "L4",
            FOUR_PHOTOS,
            1,
            {"mm_processor_kwargs"},
            id="images larger than described",
        ),
        pytest.param("Qwen/Qwen3.5-27B", "RTX-4090", None, 4, {"max_num_seqs"}, id="four instead of eight"),
        pytest.param("Qwen/Qwen3.6-27B-FP8", "H200", None, 1, set(), id="nothing has to give way"),
        pytest.param(
            "google/gemma-4-26B-A4B-it",
            "RTX-5090",
            None,
            2,
            {"max_num_seqs"},
            id="a smaller batch would be refused, fewer sequences are not",
        ),
        pytest.param(
            "nvidia/Gemma-4-26B-A4B-NVFP4",
            "RTX-4090",
            None,
            1,
            {"gpu_memory_utilization", "max_num_seqs"},
            id="the same on one GPU",
        ),
    ],
)
def test_mild_levers_are_preferred_to_more_gpus(
    model: str, card: str, workload: Workload | None, count: int, flags: set[str]
) -> None:
    found = planned(model, card, Intent(workload=workload))
    assert (found.verdict, found.gpu_count, given_up(found)) == (Verdict.FITS, count, flags)


def test_more_gpus_are_preferred_to_a_dear_lever() -> None:
    """One L4 would hold this context in an FP8 cache only."""
    intent = Intent(minimum_context=32768)
    one = planned("Qwen/Qwen3-VL-8B-Instruct", "L4", replace(intent, gpu_count=1))
    found = planned("Qwen/Qwen3-VL-8B-Instruct", "L4", intent)
    assert (one.verdict, "kv_cache_dtype" in given_up(one)) == (Verdict.FITS, True)
    assert (found.verdict, found.gpu_count, given_up(found)) == (Verdict.FITS, 2, set())


@pytest.mark.parametrize(
    ("model", "card", "version"),
    [
        pytest.param("Qwen/Qwen3.6-27B-FP8", "H100", EngineVersion(0, 32), id="1,024 states do not fit"),
        pytest.param("Qwen/Qwen3.5-35B-A3B-FP8", "L40S", EngineVersion(0, 32), id="a mixture of experts"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "RTX-4090", EngineVersion(0, 32), id="no hybrid"),
    ],
)
def test_sequences_are_the_most_that_fit(model: str, card: str, version: EngineVersion) -> None:
    context = 32768 if model == "Qwen/Qwen3-VL-8B-Instruct" else None
    found = planned(model, card, Intent(gpu_count=1, version=version, minimum_context=context))
    assert found.verdict is Verdict.FITS
    assert "max_num_seqs" in given_up(found)
    most = found.settings.max_num_seqs or 0
    assert f"at most {most:,} concurrent requests; further requests queue" in {
        move.cost for move in found.ladder if move.applied
    }
    one_more = found.settings.with_(max_num_seqs=most + 1)
    again = Intent(settings=one_more, pinned=frozenset(EngineSettings.__dataclass_fields__), version=version)
    assert plan(found.model, gpu(card), replace(again, is_prediction=True)).verdict is not Verdict.FITS


def test_fewer_sequences_than_described_are_a_dear_lever() -> None:
    workload = Workload(prompt_tokens=2000, concurrent_requests=900)
    flags = {"max_model_len": 8192, "gpu_memory_utilization": 0.92, "max_num_batched_tokens": 8192}
    intent = Intent(
        workload=workload,
        settings=EngineSettings(**flags, enforce_eager=False),  # type: ignore[arg-type]
        pinned=frozenset({*flags, "enforce_eager"}),
    )
    found = planned("Qwen/Qwen3.6-27B-FP8", "H100", intent)
    assert (found.verdict, found.gpu_count, found.settings.max_num_seqs) == (Verdict.FITS, 2, 900)
    one = planned("Qwen/Qwen3.6-27B-FP8", "H100", replace(intent, gpu_count=1))
    assert (one.verdict, given_up(one)) == (Verdict.FITS, {"max_num_seqs"})
    assert 700 < (one.settings.max_num_seqs or 0) < 900


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_pinned_number_of_gpus_stays(count: int) -> None:
    assert plan(qwen3_vl(), gpu("RTX-5090"), Intent(gpu_count=count)).gpu_count == count
    size = EngineSettings(tensor_parallel_size=count)
    found = plan(qwen3_vl(), gpu("RTX-5090"), Intent(settings=size, pinned=frozenset({"tensor_parallel_size"})))
    assert (found.gpu_count, found.settings.tensor_parallel_size) == (count, count)


def test_a_number_of_gpus_of_which_nothing_is_known_does_not_stop_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(judge: Judge, shape: Shape) -> Attempt:
        if shape.tensor == 1:
            raise UnknownFact("layout: not known on one GPU", field="layout")
        return Attempt(judge, shape)

    monkeypatch.setattr(choose, "Attempt", attempt)
    found = plan(qwen3_vl(), gpu("L4"), Intent())
    assert (found.verdict, found.gpu_count) == (Verdict.FITS, 2)
    assert plan(qwen3_vl(), gpu("L4"), Intent(gpus_available=1)).verdict is Verdict.UNKNOWN


def test_a_shorter_context_is_told_with_the_caps_beside_it() -> None:
    """The caps shorten the described request first; what is told is the context that the plan has."""
    album = Workload(prompt_tokens=500, output_tokens=2000, images=Images(20, 4032, 3024))
    found = planned("Qwen/Qwen3-VL-8B-Instruct", "L4", Intent(workload=album, gpu_count=1))
    told = [to for move in found.ladder if move.applied for flag, _, to in move.change if flag == "max_model_len"]
    assert told == [found.settings.max_model_len]


@pytest.mark.parametrize(
    ("pinned_gib", "verdict"),
    [
        pytest.param(2, Verdict.FITS, id="beside weights and peak"),
        pytest.param(16, Verdict.DOES_NOT_FIT, id="more than is free beside them"),
    ],
)
def test_a_pinned_kv_cache_must_lie_beside_weights_and_peak(pinned_gib: int, verdict: Verdict) -> None:
    settings = EngineSettings(kv_cache_memory_bytes=pinned_gib * 2**30, max_model_len=8192)
    intent = Intent(settings=settings, pinned=frozenset({"kv_cache_memory_bytes", "max_model_len"}), gpu_count=1)
    found = planned("Qwen/Qwen3-VL-8B-Instruct", "L4", intent)
    assert found.verdict is verdict
    if verdict is Verdict.DOES_NOT_FIT:
        assert "a pinned KV cache of 16.00 GiB" in found.message
