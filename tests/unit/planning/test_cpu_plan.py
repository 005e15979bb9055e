"""vLLM's CPU backend takes exactly the container that it is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import qwen3
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.cpu import ROUNDING_BYTES, cpu_plan
from vlm_operator.planning.evidence import Evidence
from vlm_operator.planning.intent import Intent, Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.units import GIB

ONE_REQUEST = Workload(prompt_tokens=1000, output_tokens=1000)


def least(model: ModelFacts, length: int) -> int:
    layout = kv_layout(model, EngineSettings(block_size=128, max_num_seqs=128, max_num_batched_tokens=2048), DEFAULT)
    return layout.least_bytes_that_start(length)


def planned(model: ModelFacts, container: int, flags: dict[str, Any] | None = None, **more: Any) -> Plan:
    given = flags or {}
    intent = Intent(settings=EngineSettings(**given), pinned=frozenset(given), cpu_kv_cache_bytes=container, **more)
    return cpu_plan(model, intent)


def test_blocks_and_batch_are_those_of_the_cpu_backend() -> None:
    settings = planned(qwen3(), 4 * GIB).settings
    assert (settings.block_size, settings.max_num_seqs, settings.max_num_batched_tokens) == (128, 128, 2048)


def test_what_the_user_set_stays() -> None:
    flags = {"block_size": 64, "max_num_seqs": 5, "max_num_batched_tokens": 999, "max_model_len": 500}
    settings = planned(qwen3(), 4 * GIB, flags).settings
    assert {name: getattr(settings, name) for name in flags} == flags


def test_requests_at_once_are_those_of_the_workload() -> None:
    assert planned(qwen3(), 4 * GIB, workload=replace(ONE_REQUEST, concurrent_requests=3)).settings.max_num_seqs == 3


@pytest.mark.parametrize(
    ("more", "verdict", "reason"),
    [
        pytest.param(0, Verdict.FITS, Reason.FITS, id="to the byte"),
        pytest.param(-1, Verdict.DOES_NOT_FIT, Reason.KV_CACHE_TOO_SMALL, id="a byte short"),
    ],
)
def test_the_container_is_judged_to_the_byte(more: int, verdict: Verdict, reason: Reason) -> None:
    found = planned(qwen3(), least(qwen3(), 4096) + more, {"max_model_len": 4096})
    assert (found.verdict, found.reason) == (verdict, reason)
    assert (found.gpu, found.gpu_count) == (None, 0)


@pytest.mark.parametrize(
    ("container", "length", "fits"),
    [
        pytest.param(8192, 8192, True, id="the context wanted"),
        pytest.param(4096, 4096, True, id="as long as it holds"),
        pytest.param(1024, 1024, True, id="the shortest that makes sense"),
        pytest.param(896, 1024, False, id="less than that is refused, not shrunk further"),
    ],
)
def test_the_context_is_as_long_as_the_container_allows(container: int, length: int, fits: bool) -> None:
    found = planned(qwen3(), least(qwen3(), container))
    assert found.settings.max_model_len == length
    assert (found.verdict is Verdict.FITS) is fits


def test_a_refusal_names_the_container_that_is_enough_and_the_context_that_is_held() -> None:
    needed = least(qwen3(), 16384)
    found = planned(qwen3(), needed - 1, {"max_model_len": 16384})
    assert f"set cpu.kvCacheSpace to {-(-needed // GIB)}GiB" in str(found.hint)
    assert [dict(remedy.change) for remedy in found.remedies] == [{"max_model_len": 16384 - 128}]


def test_there_is_no_remedy_below_the_floor() -> None:
    found = planned(qwen3(), least(qwen3(), 4096), minimum_context=8192)
    assert (found.verdict, found.remedies) == (Verdict.DOES_NOT_FIT, ())


def test_a_release_that_is_not_known_is_unknown() -> None:
    assert planned(qwen3(), GIB, version=EngineVersion(0, 99)).verdict is Verdict.UNKNOWN


def measured(free: int, total: int, container: int = 4 * GIB, **more: Any) -> Plan:
    """The plan after a start-up on a node of so much memory, of which so much was available."""
    flags = more.pop("flags", {})
    intent = Intent(settings=EngineSettings(**flags), pinned=frozenset(flags), cpu_kv_cache_bytes=container, **more)
    return cpu_plan(qwen3(), intent, Evidence(free_at_start_bytes=free, total_bytes=total))


@pytest.mark.parametrize(
    ("free", "utilization"),
    [
        pytest.param(50 * GIB + ROUNDING_BYTES, 0.50, id="the share that is available"),
        pytest.param(50 * GIB, 0.49, id="rounded down: the log prints two decimals"),
        pytest.param(92 * GIB - 1, 0.91, id="a byte less than vLLM's default asks for"),
        pytest.param(92 * GIB, None, id="as much as the default asks for"),
        pytest.param(5 * GIB, 0.04, id="little"),
    ],
)
def test_the_utilisation_is_what_the_node_has_available(free: int, utilization: float | None) -> None:
    assert measured(free, 100 * GIB).settings.gpu_memory_utilization == utilization


def test_a_pinned_utilisation_stays_whatever_is_available() -> None:
    found = measured(50 * GIB, 100 * GIB, flags={"gpu_memory_utilization": 0.9})
    assert found.settings.gpu_memory_utilization == 0.9


@pytest.mark.parametrize(
    ("free", "hint"),
    [
        pytest.param(4 * GIB, None, id="as much as declared"),
        pytest.param(4 * GIB - 1, "set cpu.kvCacheSpace to at most 3GiB", id="a byte less"),
        pytest.param(GIB - 1, "use a node with more memory", id="less than a GiB"),
    ],
)
def test_a_declared_cache_that_the_node_does_not_have_is_refused(free: int, hint: str | None) -> None:
    found = measured(free, 100 * GIB)
    assert (found.verdict is Verdict.FITS) is (hint is None)
    if hint is not None:
        assert found.reason is Reason.FREE_MEMORY_TOO_LOW
        assert found.hint == hint
        assert f"vLLM found {free / GIB:.2f} GiB of 100.00 GiB available on the node" in found.message


def test_a_floor_above_what_is_held_may_be_lowered() -> None:
    container = least(qwen3(), 4096)
    refused = planned(qwen3(), container, minimum_context=16_384)
    assert refused.verdict is Verdict.DOES_NOT_FIT
    assert refused.hint is not None
    assert "lower context.minimum to at most 4,096" in refused.hint


def test_without_a_declared_size_nothing_is_held() -> None:
    intent = Intent(cpu_kv_cache_bytes=None)
    assert cpu_plan(qwen3(), intent).verdict is Verdict.DOES_NOT_FIT
