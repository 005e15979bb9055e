"""One object for each set of flags: what start-ups measured is kept, counted once and found again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.lifecycle.observations import ObservationKey, evidence_of, key_of, read_observations, recorded
from vlm_operator.lifecycle.situation import Manifest, StartupKey
from vlm_operator.planning.evidence import NOTHING, MeasuredContainer
from vlm_operator.planning.log_evidence import MeasuredStartup
from vlm_operator.units import GIB

KEY = ObservationKey("example/model", "", "NVIDIA-L4", "nvidia.com/gpu", "0.32.0")
FLAGS = EngineSettings(max_model_len=8192, gpu_memory_utilization=0.9)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def observed(
    startup: MeasuredStartup, *known: Manifest, run: int = 0, reason: str | None = None, hours: int = 0
) -> Manifest:
    """What is written after one start-up."""
    return recorded(
        known,
        KEY,
        FLAGS,
        startup,
        run=StartupKey("pod-1", "vllm", run),
        reason=reason,
        message="too small" if reason else None,
        now=NOON + timedelta(hours=hours),
    )


def spec(item: Manifest) -> dict[str, Any]:
    return dict(item["spec"])


def test_a_start_up_that_served_is_written_with_what_it_measured() -> None:
    found = observed(MeasuredStartup(kv_cache_bytes=5 * GIB, weights_bytes=7, total_bytes=23 * GIB, kv_tokens=99))
    once = {"lowestBytes": 5 * GIB, "highestBytes": 5 * GIB, "latestBytes": 5 * GIB}
    assert found["kind"] == "StartupObservation"
    assert spec(found)["measured"]["kvCache"] == once
    assert set(spec(found)["measured"]) == {"kvCache", "weights", "total", "kvTokens"}
    assert (spec(found)["outcome"], spec(found)["started"], spec(found)["failed"]) == ("Started", 1, 0)
    assert spec(found)["key"]["gpuProduct"] == "NVIDIA-L4"


def _key(*arguments: str) -> ObservationKey:
    spec = {"model": {"id": "a/b"}, "engine": {"extraArgs": list(arguments)}}
    return replace(
        key_of(parse(VLMDeploymentSpec, spec, where="spec"), EngineVersion(0, 32), None), gpu_resource="nvidia.com/gpu"
    )


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        pytest.param(("--seed", "5"), (), id="none moves memory"),
        pytest.param(("--enable-eplb", "--seed", "5"), ("--enable-eplb", "--seed", "5"), id="one does"),
        pytest.param(('--hf-overrides={"a":1}',), ('--hf-overrides={"a":1}',), id="another config"),
    ],
)
def test_arguments_that_move_memory_tell_start_ups_apart(arguments: tuple[str, ...], kept: tuple[str, ...]) -> None:
    own, plain = _key(*arguments), _key()
    found = recorded(
        (), own, FLAGS, MeasuredStartup(kv_cache_bytes=GIB), run=StartupKey("p", "vllm", 0), reason=None, message=None,
        now=NOON,
    )  # fmt: skip
    assert tuple(spec(found)["key"].get("furtherArguments", ())) == kept
    assert [each.kv_cache_bytes for each in evidence_of([found], own).containers] == [GIB]
    assert (evidence_of([found], plain) == NOTHING) is bool(kept)


def test_a_start_up_that_failed_is_written_with_its_reason() -> None:
    found = spec(observed(MeasuredStartup(kv_cache_bytes=GIB), reason="KVCacheTooSmall"))
    assert (found["outcome"], found["started"], found["failed"]) == ("Failed", 0, 1)
    assert (found["reason"], found["message"]) == ("KVCacheTooSmall", "too small")


def test_what_was_less_than_nothing_is_not_written_and_nothing_itself_is() -> None:
    found = spec(observed(MeasuredStartup(kv_cache_bytes=-1, free_bytes=0)))
    assert set(found["measured"]) == {"free"}


def test_contradicting_figures_are_kept_as_lowest_highest_and_latest() -> None:
    first = observed(MeasuredStartup(kv_cache_bytes=5))
    second = observed(MeasuredStartup(kv_cache_bytes=3), first, run=1, hours=1)
    third = observed(MeasuredStartup(kv_cache_bytes=4), second, run=2, reason="OutOfMemory", hours=2)
    assert spec(third)["measured"]["kvCache"] == {"lowestBytes": 3, "highestBytes": 5, "latestBytes": 4}
    assert (spec(third)["started"], spec(third)["failed"]) == (2, 1)
    assert spec(third)["firstObservedAt"] == spec(first)["firstObservedAt"] == "2026-11-24T12:00:00Z"
    assert spec(third)["lastObservedAt"] == spec(third)["lastUsedAt"] == "2026-11-24T14:00:00Z"


@pytest.mark.parametrize("reason", [None, "KVCacheTooSmall"])
def test_a_run_is_counted_once(reason: str | None) -> None:
    first = observed(MeasuredStartup(kv_cache_bytes=5), reason=reason)
    again = observed(MeasuredStartup(kv_cache_bytes=5), first, reason=reason)
    counts = [(spec(item)["started"], spec(item)["failed"]) for item in (first, again)]
    assert counts[0] == counts[1] == ((0, 1) if reason else (1, 0))


def test_the_length_of_the_context_makes_no_other_object() -> None:
    def name(flags: EngineSettings) -> str:
        run = StartupKey("p", "vllm", 0)
        item = recorded((), KEY, flags, MeasuredStartup(), run=run, reason=None, message=None, now=NOON)
        return str(item["metadata"]["name"])

    assert name(FLAGS) == name(FLAGS.with_(max_model_len=4096))
    assert name(FLAGS) != name(FLAGS.with_(gpu_memory_utilization=0.8))


def test_it_is_found_again_as_evidence() -> None:
    first = observed(MeasuredStartup(kv_cache_bytes=5, total_bytes=23 * GIB))
    second = observed(MeasuredStartup(kv_cache_bytes=3), first, run=1)
    found = evidence_of([second], KEY)
    flags = FLAGS.with_(max_model_len=None)
    assert found.containers == (MeasuredContainer(flags, 3), MeasuredContainer(flags, 5))
    assert found.total_bytes == 23 * GIB
    assert found.sources == ("2 earlier start-ups of example/model on NVIDIA-L4",)
    assert evidence_of([first], KEY).sources == ("1 earlier start-up of example/model on NVIDIA-L4",)


def test_what_measured_neither_cache_nor_total_proves_nothing() -> None:
    assert evidence_of([observed(MeasuredStartup(weights_bytes=7))], KEY) is NOTHING
    assert evidence_of([], KEY) is NOTHING


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"model": "example/other"}, id="another model"),
        pytest.param({"revision": "main"}, id="another revision"),
        pytest.param({"gpuProduct": "NVIDIA-L40S"}, id="another GPU"),
        pytest.param({"gpuResource": "nvidia.com/mig-1g.10gb"}, id="another resource"),
        pytest.param({"vllmVersion": "0.31.0"}, id="another release"),
    ],
)
def test_what_was_measured_of_something_else_is_left_out(other: dict[str, str]) -> None:
    item = observed(MeasuredStartup(kv_cache_bytes=5))
    changed = {**item, "spec": {**item["spec"], "key": {**item["spec"]["key"], **other}}}
    assert evidence_of([changed], KEY) is NOTHING


def test_a_key_without_resource_or_revision_is_about_whole_gpus_and_the_default_branch() -> None:
    assert KEY.matches({"model": "example/model", "gpuProduct": "NVIDIA-L4", "vllmVersion": "0.32.0"})


def test_a_file_holds_objects_or_lists_of_them() -> None:
    item = observed(MeasuredStartup(kv_cache_bytes=5))
    assert read_observations([item, {"kind": "List", "items": [item]}, {"kind": "List", "items": None}]) == (item, item)


@pytest.mark.parametrize(
    "document",
    ["words", {"kind": "Service", "spec": {}}, {"kind": "StartupObservation"}, None, {"items": ["words"]}],
    ids=["no object", "another kind", "no spec", "nothing", "a list of words"],
)
def test_what_is_no_observation_is_refused(document: Any) -> None:
    with pytest.raises(InputError, match="not a StartupObservation"):
        read_observations([document])


def test_cold_and_warm_starts_of_the_same_flags_are_kept_apart() -> None:
    cold = observed(MeasuredStartup(kv_cache_bytes=5 * GIB, compile_cache="cold"))
    warm = observed(MeasuredStartup(kv_cache_bytes=6 * GIB, compile_cache="warm"), cold, run=1)
    assert cold["metadata"]["name"] != warm["metadata"]["name"]
    assert (spec(cold)["key"]["compileCache"], spec(warm)["key"]["compileCache"]) == ("cold", "warm")
    found = {each.kv_cache_bytes: each.compile_cache for each in evidence_of([cold, warm], KEY).containers}
    assert found == {5 * GIB: "cold", 6 * GIB: "warm"}
    assert "compileCache" not in spec(observed(MeasuredStartup(kv_cache_bytes=GIB)))["key"]
