"""Memory that is not for vLLM: a desktop, another process, another server."""

from __future__ import annotations

import pytest

from vlm_operator.errors import InputError
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import Platform, context_bytes
from vlm_operator.gpu.platform import on_platform
from vlm_operator.gpu.reserve import held_by_others_bytes, with_reserve
from vlm_operator.units import GIB


def test_nothing_reserved_changes_nothing() -> None:
    gpu = find_gpu("RTX-4090")
    assert with_reserve(gpu, 0) is gpu


def test_the_others_and_a_cuda_context_are_taken_off_what_is_free() -> None:
    gpu = find_gpu("RTX-4090")
    found = with_reserve(gpu, 4 * GIB)
    assert found.free_estimate_bytes == gpu.total_bytes - 4 * GIB - context_bytes(gpu.total_bytes)
    assert found.total_bytes == gpu.total_bytes


def test_a_desktop_that_holds_more_already_is_not_counted_twice() -> None:
    gpu = on_platform(find_gpu("RTX-5090"), Platform.WSL2)
    assert held_by_others_bytes(gpu) > 0.5 * GIB
    assert with_reserve(gpu, GIB // 2).free_estimate_bytes == gpu.free_estimate_bytes


def test_it_can_be_taken_off_twice() -> None:
    once = with_reserve(find_gpu("L4"), 2 * GIB)
    assert with_reserve(once, 2 * GIB) == once


def test_an_idle_card_under_linux_is_held_by_nobody() -> None:
    assert [held_by_others_bytes(find_gpu(name)) for name in ("L4", "RTX-5090", "H100", "RTX-4070")] == [0] * 4


def test_a_reserve_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"reserve: 22\.00 GiB .* leave nothing of the 22\.03 GiB") as refused:
        with_reserve(find_gpu("L4"), 22 * GIB)
    assert refused.value.field == "reserve"
