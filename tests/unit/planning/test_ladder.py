"""What the ladder offers: each lever's levels, in which order they are tried, and which of them are mild."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import gpu, qwen3, qwen3_vl
from vlm_operator.engine.budget_rules import GRAPHS_CHARGED_SINCE
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Images, Intent, Workload
from vlm_operator.planning.ladder import FP8_KV_COMPUTE_CAPABILITY, fp8_kv_cache_allowed, levers, request_limit
from vlm_operator.planning.lever import Bounds, Lever
from vlm_operator.sources import load_model

HYBRID = "Qwen/Qwen3.5-27B"
BASE = EngineSettings(
    gpu_memory_utilization=0.92, max_model_len=16384, max_num_seqs=256, max_num_batched_tokens=8192
)  # fmt: skip


def bounds(least: int = 1024, ceiling: float = 0.95, highest: float = 0.95) -> Bounds:
    return Bounds(ceiling, lambda settings: least, lambda settings: settings, None, highest)


def offered(
    base: EngineSettings = BASE,
    intent: Intent | None = None,
    *,
    limits: Bounds | None = None,
    model: ModelFacts | None = None,
    card: str = "H100",
    pinned: frozenset[str] = frozenset(),
) -> dict[str, Lever]:
    """The levers by flag; of a flag that several share, the last."""
    found = levers(
        model or qwen3(), gpu(card), intent or Intent(), base, limits or bounds(), pinned=pinned
    )  # fmt: skip
    return {lever.flag: lever for lever in found}


def steps(lever: Lever, base: EngineSettings = BASE, limits: Bounds | None = None) -> list[tuple[Any, float, bool]]:
    """(value, price as a number, mild) of each level."""
    return [
        (getattr(level.apply(base, limits or bounds()), lever.flag), level.weight, level.mild) for level in lever.levels
    ]


@pytest.mark.parametrize(
    ("ceiling", "highest", "now", "expected"),
    [
        pytest.param(0.95, 0.95, 0.92, [(0.95, 1, True)], id="what is free for certain"),
        pytest.param(0.93, 0.945, 0.92, [(0.93, 1, True), (0.945, 5, True)], id="then what is free by best estimate"),
        pytest.param(0.90, 0.94, 0.92, [(0.94, 5, True)], id="the best estimate alone"),
        pytest.param(0.92, 0.92, 0.92, None, id="all of it is asked for already"),
        pytest.param(0.90, 0.91, 0.92, None, id="more than is free is asked for"),
    ],
)
def test_more_of_the_gpu_as_far_as_it_is_free(
    ceiling: float, highest: float, now: float, expected: list[tuple[float, float, bool]] | None
) -> None:
    limits = bounds(ceiling=ceiling, highest=highest)
    lever = offered(BASE.with_(gpu_memory_utilization=now), limits=limits).get("gpu_memory_utilization")
    assert (None if lever is None else steps(lever)) == expected


def test_the_price_of_utilisation_is_the_memory_it_takes() -> None:
    card = gpu("H100").with_(total_bytes=100 * 2**30)
    found = levers(qwen3(), card, Intent(), BASE, bounds(), pinned=frozenset())
    assert found[0].levels[0].cost == "uses 3.00 GiB more GPU memory"


@pytest.mark.parametrize(
    ("now", "sequences", "pinned", "expected"),
    [
        pytest.param(
            8192, 256, False,
            [(4096, 2, True), (2048, 3, True), (1024, 4, True), (512, 6, True), (256, 8, True)],
            id="from a large batch",
        ),
        pytest.param(2048, 256, False, [(1024, 2, True), (512, 4, True), (256, 6, True)], id="the first costs 2"),
        pytest.param(8192, 1024, True, [(4096, 2, True), (2048, 3, True), (1024, 4, True)],
                     id="not below pinned sequences"),
        pytest.param(8192, 1025, True, [(4096, 2, True), (2048, 3, True)], id="a token for each pinned sequence"),
        pytest.param(256, 16, False, None, id="the smallest already"),
    ],
)  # fmt: skip
def test_smaller_batches_are_mild(
    now: int, sequences: int, pinned: bool, expected: list[tuple[int, float, bool]] | None
) -> None:
    base = BASE.with_(max_num_batched_tokens=now, max_num_seqs=sequences)
    lever = offered(base, pinned=frozenset({"max_num_seqs"} if pinned else ())).get("max_num_batched_tokens")
    assert (None if lever is None else steps(lever, base)) == expected


def test_a_batch_below_the_sequences_says_that_fewer_run_at_once() -> None:
    lever = offered(BASE.with_(max_num_seqs=512))["max_num_batched_tokens"]
    costs = {level.apply(BASE, bounds()).max_num_batched_tokens: level.cost for level in lever.levels}
    assert "at most" not in costs[512]
    assert costs[256].endswith("; at most 256 concurrent requests")


@pytest.mark.parametrize(
    ("now", "wanted", "expected"),
    [
        pytest.param(256, None, [(128, 1.5, True), (64, 2.0, True), (16, 4.0, True), (4, 6.0, True), (1, 8.0, True)],
                     id="nobody said how many"),
        pytest.param(256, 8, [(128, 1.5, True), (64, 2.0, True), (16, 4.0, True), (8, 6.0, True), (4, 18.0, False),
                              (1, 20.0, False)], id="mild down to those described"),
        pytest.param(65, None, [(32, 3.0, True), (8, 5.0, True), (2, 7.0, True), (1, 9.0, True)],
                     id="halves above 64, quarters below"),
        pytest.param(64, None, [(16, 3.0, True), (4, 5.0, True), (1, 7.0, True)], id="quarters at 64"),
        pytest.param(8, 8, [(2, 13.0, False), (1, 15.0, False)], id="those described are not offered again"),
        pytest.param(1, None, None, id="one cannot be fewer"),
    ],
)  # fmt: skip
def test_fewer_sequences(now: int, wanted: int | None, expected: list[tuple[int, float, bool]] | None) -> None:
    intent = Intent(workload=Workload(concurrent_requests=wanted) if wanted else None)
    lever = offered(BASE.with_(max_num_seqs=now), intent).get("max_num_seqs")
    assert (None if lever is None else steps(lever)) == expected


@pytest.mark.parametrize(
    ("now", "least", "expected"),
    [
        pytest.param(16384, 1024, [(8192, 10, False), (4096, 14, False), (2048, 18, False), (1024, 22, False)],
                     id="halves"),
        pytest.param(65536, 1024, [(32768, 10, False), (16384, 14, False), (8192, 18, False), (4096, 22, False),
                                   (1024, 26, False)], id="four halves, then the least"),
        pytest.param(16384, 5000, [(8192, 10, False), (5000, 14, False)], id="the least that holds the request"),
        pytest.param(16384, 8192, [(8192, 10, False)], id="a half that is the least is offered once"),
        pytest.param(1024, 1024, None, id="the least already"),
        pytest.param(2048, 512, [(1024, 10, False), (512, 14, False)], id="the shortest half, and a least below it"),
    ],
)  # fmt: skip
def test_a_shorter_context_is_dear(now: int, least: int, expected: list[tuple[int, float, bool]] | None) -> None:
    base = BASE.with_(max_model_len=now)
    lever = offered(base, limits=bounds(least)).get("max_model_len")
    assert (None if lever is None else steps(lever, base, bounds(least))) == expected


def test_where_a_request_is_described_a_shorter_context_is_tried_earlier() -> None:
    request = object()
    limits = replace(bounds(9000), request=request)  # type: ignore[arg-type]
    lever = offered(limits=limits)["max_model_len"]
    assert steps(lever, limits=limits) == [(9000, 4, False)]
    assert lever.levels[0].cost == request_limit(9000) == "requests of at most 9,000 tokens"


def test_the_last_context_follows_what_caps_leave_of_the_request() -> None:
    lever = offered(limits=bounds(5000))["max_model_len"]
    smaller = bounds(3000)
    assert [level.apply(BASE, smaller).max_model_len for level in lever.levels] == [8192, 3000]
    assert lever.levels[0].apply(BASE.with_(max_model_len=6000), smaller).max_model_len == 6000


@pytest.mark.parametrize(
    ("limits", "workload", "expected"),
    [
        pytest.param(None, None, True, id="nobody asked for videos"),
        pytest.param((("video", ModalityLimit(0)),), None, False, id="videos are off already"),
        pytest.param(None, Workload(images=Images(1)), False, id="with a workload they are off where not described"),
    ],
)
def test_videos_are_switched_off_where_nobody_asked_for_them(
    limits: tuple[tuple[str, ModalityLimit], ...] | None, workload: Workload | None, expected: bool
) -> None:
    base = BASE.with_(limit_mm_per_prompt=limits)
    lever = offered(base, Intent(workload=workload), model=qwen3_vl()).get("limit_mm_per_prompt")
    assert (lever is not None) is expected
    if lever is not None:
        assert [(level.weight, level.mild) for level in lever.levels] == [(6, True)]
        after = lever.levels[0].apply(base, bounds())
        assert (after.enabled("video"), after.enabled("image")) == (False, True)


def test_a_model_of_one_modality_keeps_it() -> None:
    assert "limit_mm_per_prompt" not in offered(model=qwen3())
    assert "limit_mm_per_prompt" not in offered(model=qwen3_vl(), pinned=frozenset({"limit_mm_per_prompt"}))


@pytest.mark.parametrize(
    ("version", "hybrid", "eager", "expected"),
    [
        pytest.param(GRAPHS_CHARGED_SINCE, False, False, True, id="graphs are charged to the budget"),
        pytest.param(EngineVersion(0, 19), False, False, False, id="before, graphs came on top of it"),
        pytest.param(EngineVersion(0, 19), True, False, True, id="a hybrid's graphs need a state for each sequence"),
        pytest.param(DEFAULT, False, True, False, id="there are none"),
    ],
)
def test_cuda_graphs_are_given_up_where_that_frees_memory(
    version: EngineVersion, hybrid: bool, eager: bool, expected: bool
) -> None:
    model = load_model(HYBRID, offline=True) if hybrid else qwen3()
    lever = offered(BASE.with_(enforce_eager=eager), Intent(version=version), model=model).get("enforce_eager")
    assert (lever is not None) is expected
    if lever is not None:
        assert steps(lever) == [(True, 9, False)]
        assert (lever.only_helps, lever.may_take_memory) == (True, False)


@pytest.mark.parametrize(
    ("capability", "expected"), [((8, 8), False), ((8, 9), True), ((9, 0), True), (None, False)], ids=str
)
def test_an_fp8_cache_needs_a_gpu_that_stores_it_with_every_backend(
    capability: tuple[int, int] | None, expected: bool
) -> None:
    card = gpu("H100").with_(compute_capability=capability)
    assert fp8_kv_cache_allowed(qwen3(), card, BASE) is expected
    assert FP8_KV_COMPUTE_CAPABILITY == (8, 9)


def test_a_model_with_any_latent_cache_keeps_its_cache_type() -> None:
    latent = load_model("deepseek-ai/DeepSeek-V2-Lite", offline=True).cache_layers[0]
    mixed = replace(qwen3(), cache_layers=(*qwen3().cache_layers, latent))
    assert not fp8_kv_cache_allowed(mixed, gpu("H100"), BASE)


@pytest.mark.parametrize(
    ("model", "base", "intent", "expected"),
    [
        pytest.param("", BASE, Intent(), (True, False), id="attention: it only helps"),
        pytest.param(HYBRID, BASE, Intent(), (False, True), id="a hybrid's blocks may grow with it"),
        pytest.param("deepseek-ai/DeepSeek-V2-Lite", BASE, Intent(), None, id="a latent cache has no such type"),
        pytest.param("", BASE.with_(kv_cache_dtype="fp8"), Intent(), None, id="it is FP8 already"),
        pytest.param("", BASE, Intent(allow_fp8_kv_cache=False), None, id="the user does not allow it"),
    ],
)
def test_an_fp8_cache_is_dear(
    model: str, base: EngineSettings, intent: Intent, expected: tuple[bool, bool] | None
) -> None:
    facts = load_model(model, offline=True) if model else qwen3()
    lever = offered(base, intent, model=facts).get("kv_cache_dtype")
    assert (None if lever is None else (lever.only_helps, lever.may_take_memory)) == expected
    if lever is not None:
        assert steps(lever) == [("fp8", 8, False)]


@pytest.mark.parametrize(
    "flag",
    ["gpu_memory_utilization", "max_num_batched_tokens", "max_num_seqs", "enforce_eager", "kv_cache_dtype",
     "max_model_len"],
)  # fmt: skip
def test_a_pinned_flag_has_no_lever(flag: str) -> None:
    assert flag in offered()
    assert flag not in offered(pinned=frozenset({flag}))


def test_levers_come_in_the_order_in_which_they_read_best() -> None:
    assert list(offered(model=qwen3_vl())) == [
        "gpu_memory_utilization", "limit_mm_per_prompt", "max_num_batched_tokens", "max_num_seqs",
        "mm_processor_kwargs", "enforce_eager", "kv_cache_dtype", "max_model_len",
    ]  # fmt: skip
