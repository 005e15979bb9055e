"""Several models on one GPU: the sum of what they take is there, each starts on what the earlier ones leave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import Platform, context_bytes
from vlm_operator.gpu.platform import on_platform
from vlm_operator.planning.intent import Images, Intent, Workload
from vlm_operator.planning.share import Share, Sharer, share
from vlm_operator.sources import load_model
from vlm_operator.units import GIB, format_gib

PICTURE = Intent(workload=Workload(images=Images(1, 1280, 720)))
LONG = Intent(minimum_context=16384)


def sharer(name: str, model: str, intent: Intent = PICTURE) -> Sharer:
    return Sharer(name, load_model(model, offline=True), intent)


TINY = sharer("tiny", "Qwen/Qwen3-VL-2B-Instruct")
READER = sharer("reader", "Qwen/Qwen2.5-VL-3B-Instruct")
CHAT = sharer("chat", "Qwen/Qwen3-VL-8B-Instruct", LONG)
OCR = sharer("ocr", "Qwen/Qwen2.5-VL-7B-Instruct", LONG)


def assert_every_start_finds_enough(found: Share) -> None:
    """vLLM's first check of each server, with what the earlier ones hold, the reserve and its own context taken off."""
    taken = found.kept_bytes
    for part in found.parts:
        free = found.gpu.total_bytes - found.gpu.total_uncertainty_bytes - taken - part.context_bytes
        assert part.requested_bytes <= free, part.name
        assert part.left_bytes == found.gpu.total_bytes - taken
        taken += part.takes_bytes
    assert taken <= found.gpu.total_bytes - found.gpu.total_uncertainty_bytes


def test_two_models_on_one_card_of_80_gib() -> None:
    found = share(find_gpu("H100"), [OCR, CHAT])
    assert found.fits
    assert [part.name for part in found.parts] == ["chat", "ocr"]
    assert_every_start_finds_enough(found)
    assert all((part.plan.settings.max_model_len or 0) >= 16384 for part in found.parts)
    assert sum(part.plan.settings.gpu_memory_utilization or 1 for part in found.parts) < 0.7
    assert f" = {format_gib(found.sum_bytes)}; there are 79.17 GiB of 79.18 GiB" in found.message
    assert found.hint is None


def test_two_models_on_a_desktop_card_of_24_gib_with_4_gib_kept() -> None:
    found = share(find_gpu("RTX-4090"), [TINY, READER], 4 * GIB)
    assert found.fits
    assert_every_start_finds_enough(found)
    assert found.kept_bytes == 4 * GIB
    assert "4.00 GiB kept for others" in found.message


def test_each_ones_context_is_outside_what_it_asks_for() -> None:
    found = share(find_gpu("H100"), [CHAT, OCR])
    for part in found.parts:
        assert part.context_bytes == context_bytes(found.gpu.total_bytes)
        assert part.takes_bytes == part.requested_bytes + part.context_bytes
    assert found.sum_bytes == sum(part.takes_bytes for part in found.parts)


def test_a_release_that_sets_nothing_aside_for_graphs_takes_them_outside() -> None:
    old = replace(LONG, version=EngineVersion(0, 19))
    chat = sharer("chat", "Qwen/Qwen3-VL-8B-Instruct", old)
    found = share(find_gpu("H100"), [chat, OCR])
    by_name = {part.name: part for part in found.parts}
    assert by_name["chat"].graph_bytes > 0
    assert by_name["ocr"].graph_bytes == 0
    assert_every_start_finds_enough(found)


def test_the_cache_is_fixed_so_that_a_start_beside_one_that_grows_finds_it() -> None:
    for part in share(find_gpu("H100"), [CHAT, OCR]).parts:
        settings, budget = part.plan.settings, part.plan.budget
        assert budget is not None
        assert settings.kv_cache_memory_bytes is not None
        assert part.kv_floor_bytes <= settings.kv_cache_memory_bytes
        assert budget.in_use_bytes(settings.kv_cache_memory_bytes) <= part.requested_bytes
        assert part.plan.intent.pinned == frozenset()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(EngineSettings(gpu_memory_utilization=0.4), id="a utilisation"),
        pytest.param(EngineSettings(kv_cache_memory_bytes=4 * GIB), id="a cache"),
    ],
)
def test_a_size_that_is_pinned_stays_and_no_other_is_added(settings: EngineSettings) -> None:
    (name,) = {field for field in ("gpu_memory_utilization", "kv_cache_memory_bytes") if getattr(settings, field)}
    pinned = replace(CHAT, intent=replace(LONG, settings=settings, pinned=frozenset({name})))
    found = {part.name: part for part in share(find_gpu("H100"), [pinned, OCR]).parts}["chat"].plan.settings
    assert getattr(found, name) == getattr(settings, name)
    assert found.kv_cache_memory_bytes == settings.kv_cache_memory_bytes


def test_models_that_do_not_fit_are_refused_with_the_sum() -> None:
    found = share(find_gpu("RTX-4090"), [CHAT, OCR], 4 * GIB)
    assert not found.fits
    assert found.sum_bytes > found.available_bytes
    assert "is missing" in found.message
    assert "chat + " in found.message
    assert found.hint


def test_a_card_too_small_even_for_the_second_context_is_refused() -> None:
    found = share(find_gpu("L4"), [CHAT, OCR, TINY, READER])
    assert not found.fits
    assert found.sum_bytes > found.available_bytes


def test_what_a_desktop_holds_anyway_counts_towards_the_reserve() -> None:
    gpu = on_platform(find_gpu("RTX-4090"), Platform.WSL2)
    without, kept = share(gpu, [TINY, READER]), share(gpu, [TINY, READER], GIB // 2)
    assert without.kept_bytes == kept.kept_bytes > 0.7 * GIB
    assert_every_start_finds_enough(kept)


def test_three_models_start_one_after_the_other() -> None:
    found = share(find_gpu("H100"), [TINY, CHAT, OCR], 2 * GIB)
    assert found.fits
    assert [part.name for part in found.parts] == ["chat", "ocr", "tiny"]
    assert_every_start_finds_enough(found)


@pytest.mark.parametrize(
    ("sharers", "words"),
    [
        pytest.param([CHAT], "two or more", id="one model"),
        pytest.param([CHAT, CHAT], "chat stands twice", id="one name twice"),
        pytest.param([CHAT, replace(OCR, intent=Intent(gpu_count=2))], "ocr wants 2 GPUs", id="two GPUs"),
        pytest.param(
            [CHAT, replace(OCR, intent=Intent(settings=EngineSettings(tensor_parallel_size=2)))],
            "ocr wants 2 GPUs",
            id="tensor parallel",
        ),
    ],
)
def test_what_cannot_share_is_bad_input(sharers: list[Sharer], words: str) -> None:
    with pytest.raises(InputError, match=words):
        share(find_gpu("H100"), sharers)
