"""Objects beside a model server: what they select, what they scale, and where their targets come from."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server_requests import request
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from vlm_operator.errors import InputError
from vlm_operator.rendering import leader_worker_set, render, to_yaml
from vlm_operator.rendering.companions import COMPANIONS, Subject, SubjectOptions, companions, subject_of
from vlm_operator.rendering.companions.load_targets import HIGHEST_KV_USE, LoadTargets


class YamlFile(SingleFileSnapshotExtension):
    """One file per case, so that a reviewer reads a manifest."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"


def subject(
    form: str = "deployment",
    *,
    spec: dict[str, Any] | None = None,
    nodes: int = 1,
    concurrency: float | None = 8.5,
    sequences: int = 16,
    **options: Any,
) -> Subject:
    told = replace(SubjectOptions(max_replicas=4), **options)
    of = replace(request(spec), nodes=nodes)
    return subject_of(of, form, concurrency=concurrency, max_num_seqs=sequences, options=told)


@pytest.mark.parametrize("name", COMPANIONS)
@pytest.mark.parametrize("form", ["deployment", "leaderworkerset", "companions"])
def test_manifests_are_as_reviewed(form: str, name: str, snapshot: SnapshotAssertion) -> None:
    spec = {"replicas": 2, "engine": {"servedModelName": "eyes"}}
    made = companions([name], subject(form, spec=spec, nodes=2 if form == "leaderworkerset" else 1))
    assert to_yaml(made) == snapshot(extension_class=YamlFile)


def test_each_stands_once_in_the_order_of_application() -> None:
    made = companions(["inferencepool", "pdb", "pdb", "hpa"], subject())
    kinds = ["PodDisruptionBudget", "HorizontalPodAutoscaler", "InferencePool", "HTTPRoute"]
    assert [each["kind"] for each in made] == kinds


def test_the_pods_that_answer_are_those_that_the_service_selects() -> None:
    pool = companions(["inferencepool"], subject())[0]
    _, service = render(request())
    assert pool["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    pool = companions(["inferencepool"], subject("leaderworkerset", nodes=2))[0]
    _, service = leader_worker_set(replace(request(), nodes=2))
    assert pool["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]


@pytest.mark.parametrize("name", ["hpa", "keda"])
@pytest.mark.parametrize("form", ["deployment", "leaderworkerset"])
def test_what_is_scaled_is_the_object_of_the_form(form: str, name: str) -> None:
    (made,) = companions([name], subject(form))
    server = (render if form == "deployment" else leader_worker_set)(request())[0]
    wanted = {"apiVersion": server["apiVersion"], "kind": server["kind"], "name": server["metadata"]["name"]}
    assert made["spec"]["scaleTargetRef"] == wanted


@pytest.mark.parametrize(
    ("concurrency", "sequences", "waiting", "kv_use"),
    [
        pytest.param(8.5, 16, 2, 0.88, id="the KV cache binds"),
        pytest.param(200.0, 64, 16, HIGHEST_KV_USE, id="the batch binds"),
        pytest.param(2.0, 16, 1, 0.5, id="two requests"),
        pytest.param(1.4, 16, 1, None, id="one request fills most of it"),
        pytest.param(None, 8, 2, None, id="not known"),
    ],
)
def test_targets_follow_from_the_plan(
    concurrency: float | None, sequences: int, waiting: int, kv_use: float | None
) -> None:
    targets = LoadTargets.of(subject(concurrency=concurrency, sequences=sequences))
    assert (targets.waiting, targets.kv_use) == (waiting, kv_use)


@given(concurrency=st.floats(1, 1e4), sequences=st.integers(1, 1024))
def test_below_the_target_one_more_whole_request_fits(concurrency: float, sequences: int) -> None:
    targets = LoadTargets.of(subject(concurrency=concurrency, sequences=sequences))
    assert 1 <= targets.waiting <= max(1, min(sequences, math.floor(concurrency)))
    assert targets.kv_use is None or targets.kv_use + 1 / concurrency <= 1 + 1e-9
    kinds = {each["kind"]: each for each in companions(["hpa", "keda"], subject(concurrency=concurrency))}
    measured = [each["pods"]["metric"]["name"] for each in kinds["HorizontalPodAutoscaler"]["spec"]["metrics"]]
    asked = [each["metadata"]["query"] for each in kinds["ScaledObject"]["spec"]["triggers"]]
    assert [re.match(r"sum\(([a-z_:]+)\{", query)[1] for query in asked] == measured  # type: ignore[index]


@pytest.mark.parametrize(
    ("form", "pod", "own"),
    [
        pytest.param("deployment", "qwen3-vl-6d4b75cb6d-x7k2p", True, id="a Deployment's pod"),
        pytest.param("deployment", "qwen3-vl-large-6d4b75cb6d-x7k2p", False, id="of a longer name"),
        pytest.param("leaderworkerset", "qwen3-vl-0", True, id="a leader"),
        pytest.param("leaderworkerset", "qwen3-vl-0-1", False, id="a worker, which has no metrics"),
        pytest.param("companions", "qwen3-vl-0", True, id="the operator's leader"),
        pytest.param("companions", "qwen3-vl-6d4b75cb6d-x7k2p", True, id="the operator's pod"),
    ],
)
def test_prometheus_is_asked_about_the_server_s_own_pods(form: str, pod: str, own: bool) -> None:
    (made,) = companions(["keda"], subject(form))
    query = made["spec"]["triggers"][0]["metadata"]["query"]
    pattern = re.search(r'pod=~"([^"]*)"', query)
    assert pattern is not None
    assert (re.fullmatch(pattern[1], pod) is not None) is own


@pytest.mark.parametrize(
    ("names", "form", "options", "words"),
    [
        pytest.param(["hpa"], "deployment", {"max_replicas": None}, "add --max-replicas", id="no bound"),
        pytest.param(["keda"], "deployment", {"max_replicas": 1}, "1 is less than spec.replicas, 2", id="too low"),
        pytest.param(["hpa"], "kserve", {}, "LLMInferenceService has no scale subresource", id="not scalable"),
        pytest.param(["inferencepool"], "kserve", {}, "KServe makes the InferencePool", id="KServe's own"),
    ],
)
def test_what_cannot_be_is_refused_with_the_next_step(
    names: list[str], form: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as refused:
        companions(names, subject(form, spec={"replicas": 2}, **options))
    assert words in f"{refused.value.message}; {refused.value.hint}"


def test_a_route_hangs_on_a_gateway_of_another_namespace() -> None:
    route = companions(["inferencepool"], subject(gateway="infra/front", picker="chooser"))
    assert route[1]["spec"]["parentRefs"] == [{"name": "front", "namespace": "infra"}]
    assert route[0]["spec"]["endpointPickerRef"]["name"] == "chooser"
