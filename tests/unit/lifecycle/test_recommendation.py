"""What traffic needs: judged by the planner, as a patch that gives the very plan, nothing before enough was seen."""

from __future__ import annotations

from typing import Any

import pytest

from builders import gpu, qwen3_vl
from lifecycle_world import MODEL, World
from vlm_operator.api.base import parse
from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.lifecycle.offers import find_product
from vlm_operator.lifecycle.recommendation import NoRecommendation, Recommendation, Serving, merged, recommend
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.evidence import NOTHING
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.seen_traffic import SeenTraffic
from vlm_operator.planning.traffic import Span
from vlm_operator.planning.verdict import Verdict

H100 = {"product": "NVIDIA-H100-80GB-HBM3"}


def seen(**changes: Any) -> SeenTraffic:
    """A day of requests of up to 2,000 tokens with answers of up to 300, eight at once."""
    values: dict[str, Any] = {
        "requests": 1000,
        "prompt": Span(1900, 2000),
        "generation": Span(250, 300),
        "prompt_tokens": 800_000,
        "generation_tokens": 100_000,
        "peak_requests": 8,
        "peak_cache_usage": 0.1,
        "blocks": 10_000,
    }
    return SeenTraffic(**(values | changes))


def serving(refused: int = 0, **spec: Any) -> Serving:
    given: dict[str, Any] = {"model": {"id": MODEL}, "gpu": H100, **spec}
    parsed = parse(VLMDeploymentSpec, given, where="spec")
    version, model = engine_version(parsed), qwen3_vl()
    offer = find_product(gpu(H100["product"]).label, "nvidia.com/gpu", 8) if "cpu" not in given else None

    def plan_of(intent: Intent) -> Plan:
        if offer is None:
            return cpu_plan(model, intent, NOTHING)
        return plan(model, offer.gpu, offer.asked(intent), NOTHING)

    return Serving(given, version, plan_of(intent_of(parsed, version)).settings, plan_of, refused)


def found(server: Serving, traffic: SeenTraffic) -> Recommendation:
    answer = recommend(server, traffic)
    assert isinstance(answer, Recommendation), answer
    return answer


def plan_with(server: Serving, patch: Any) -> Plan:
    spec = parse(VLMDeploymentSpec, merged(server.spec, patch), where="spec")
    return server.plan_of(intent_of(spec, server.version))


def test_too_few_requests_say_nothing_and_how_many_are_needed() -> None:
    answer = recommend(serving(), seen(requests=99))
    assert isinstance(answer, NoRecommendation)
    assert "99 requests have ended, and 100 are needed" in answer.message


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="nothing set"),
        pytest.param({"engine": {"contextLength": 32768, "maxNumSeqs": 256}}, id="pinned flags"),
        pytest.param({"context": {"minimum": 16384}}, id="a floor"),
        pytest.param({"workload": {"images": {"count": 4}, "outputTokens": 4096}}, id="a described workload"),
        pytest.param({"goal": "SingleUser"}, id="one person"),
        pytest.param({"gpu": {**H100, "count": 2}}, id="a stated number of GPUs"),
        pytest.param({"engine": {"tensorParallelSize": 2}}, id="a pinned tensor parallel size"),
        pytest.param({"gpu": {**H100, "count": 2}, "engine": {"tensorParallelSize": 2}}, id="both"),
    ],
)
def test_the_patch_gives_the_recommended_plan(spec: dict[str, Any]) -> None:
    server = serving(**spec)
    answer = found(server, seen())
    made = plan_with(server, answer.patch)
    assert made.verdict is Verdict.FITS
    assert made.settings.max_model_len == answer.context
    assert made.settings.max_num_seqs == answer.sequences == 8
    assert made.gpu_count == answer.gpus == 1
    assert made.budget is not None
    assert made.budget.kv_cache_low_bytes >= answer.cache_bytes


def test_the_context_is_the_longest_request_rounded_up() -> None:
    assert found(serving(), seen()).context == 2304  # 2,000 + 300 in steps below two percent


def test_bounds_that_are_wide_name_what_narrows_them() -> None:
    wide = found(serving(), seen(prompt=Span(1100, 2000)))
    narrow = found(serving(), seen(prompt=Span(2200, 2200), generation=Span(20, 20)))
    assert "--custom-histogram-buckets" in wide.message
    assert "--custom-histogram-buckets" not in narrow.message


def test_refused_requests_are_meant_to_be_served() -> None:
    assert found(serving(refused=40_960), seen()).context == 40_960


def test_described_items_stay_whatever_the_traffic_was() -> None:
    server = serving(workload={"images": {"count": 4}})
    answer = found(server, seen())
    items = plan_with(server, answer.patch).workload
    assert items.image_tokens == plan_with(server, {}).workload.image_tokens
    assert answer.context >= items.total_tokens


def test_a_fuller_cache_keeps_more_of_the_gpu() -> None:
    idle, busy = (found(serving(), seen(peak_cache_usage=share, blocks=20_000)) for share in (0.05, 0.9))
    assert idle.utilization is not None
    assert busy.utilization is not None
    assert idle.utilization < busy.utilization
    assert "90%" in busy.message


def test_what_no_page_shows_is_not_recommended() -> None:
    answer = found(serving(), seen(peak_requests=0))
    assert answer.sequences is None
    assert "maxNumSeqs" not in answer.patch.get("engine", {})
    assert "not known" in answer.message


def test_more_than_these_gpus_hold_is_not_recommended() -> None:
    answer = recommend(serving(), seen(peak_cache_usage=1.0, blocks=10**7))
    assert isinstance(answer, NoRecommendation)


def test_on_the_cpu_backend_the_declared_cache_is_sized() -> None:
    given = {"model": {"id": MODEL}, "cpu": {"kvCacheSpace": "16Gi"}}
    parsed = parse(VLMDeploymentSpec, given, where="spec")
    version, model = engine_version(parsed), qwen3_vl()
    settings = cpu_plan(model, intent_of(parsed, version), NOTHING).settings
    server = Serving(given, version, settings, lambda intent: cpu_plan(model, intent, NOTHING))
    answer = found(server, seen(peak_cache_usage=0.05, blocks=1000))
    assert answer.patch["cpu"] == {"kvCacheSpace": "2Gi"}
    assert (answer.utilization, answer.gpus) == (None, 0)


# --- in the status


def world(traffic: SeenTraffic | None) -> World:
    made = World(spec={"model": {"id": MODEL}})
    assert made.settle() == "Ready"
    made.seen = traffic
    made.reconcile()
    return made


def test_the_status_has_figures_reasons_and_patch() -> None:
    status = world(seen()).status["recommendation"]
    assert (status["contextLength"], status["maxNumSeqs"], status["gpus"]) == (2304, 8, 1)
    assert status["patch"]["context"] == {"minimum": 2304, "maximum": 2304}
    assert "the longest of 1,000 requests had between 1,901 and 2,300 tokens" in status["message"]


def test_it_is_written_again_only_where_the_traffic_says_more() -> None:
    made = world(seen())
    before = made.status
    made.seen = seen(requests=1400, peak_requests=3)
    assert made.reconcile().status == before
    made.seen = seen(requests=1400, peak_requests=12)
    made.reconcile()
    assert made.status["recommendation"]["maxNumSeqs"] == 12


def test_a_restarted_operator_keeps_the_peaks_that_were_written() -> None:
    made = world(seen())
    made.seen = seen(requests=5000, peak_requests=1, peak_cache_usage=0.0)
    made.reconcile()
    assert made.status["recommendation"]["maxNumSeqs"] == 8


def test_nothing_is_said_of_too_few_requests_and_nothing_is_changed_by_it() -> None:
    assert "recommendation" not in world(seen(requests=10)).status
    made = world(seen())
    assert len(made.commands) == 1
    assert made.condition("Ready")["status"] == "True"
