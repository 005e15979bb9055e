"""The plan as KServe runs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from server_requests import request
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError
from vlm_operator.rendering import leader_worker_set, llm_inference_service, render, to_yaml


class YamlFile(SingleFileSnapshotExtension):
    """One file per case, so that a reviewer reads a manifest."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"


NAMED: dict[str, Any] = {
    "model": {"id": "Qwen/Qwen3-VL-30B-A3B-Instruct", "revision": "1f2e3d"},
    "engine": {"servedModelName": "vision"},
    "replicas": 2,
}


def service(spec: dict[str, Any] | None = None, *, nodes: int = 1, stages: int = 1) -> dict[str, Any]:
    settings = EngineSettings(tensor_parallel_size=8, pipeline_parallel_size=stages)
    (made,) = llm_inference_service(replace(request(spec, gpus=8), nodes=nodes), settings)
    return made


@pytest.mark.parametrize(
    ("spec", "nodes"), [pytest.param(NAMED, 1, id="one node"), pytest.param({}, 2, id="two nodes")]
)
def test_manifests_are_as_reviewed(spec: dict[str, Any], nodes: int, snapshot: SnapshotAssertion) -> None:
    assert to_yaml([service(spec, nodes=nodes, stages=nodes)]) == snapshot(extension_class=YamlFile)


def test_the_pod_is_the_operators_own_under_kserves_name() -> None:
    pod = render(request(NAMED, gpus=8))[0]["spec"]["template"]["spec"]
    made = service(NAMED)["spec"]["template"]
    assert [each["name"] for each in made["containers"]] == ["main"]
    assert {**made, "containers": [{**made["containers"][0], "name": "vllm"}]} == pod


def test_the_model_is_named_with_its_revision() -> None:
    assert service(NAMED)["spec"]["model"] == {"uri": "hf://Qwen/Qwen3-VL-30B-A3B-Instruct:1f2e3d", "name": "vision"}
    assert service()["spec"]["model"] == {"uri": "hf://Qwen/Qwen3-VL-8B-Instruct", "name": "Qwen/Qwen3-VL-8B-Instruct"}


def test_several_nodes_are_a_leader_and_workers_with_the_ranks_of_a_leader_worker_set() -> None:
    made = service(nodes=2, stages=2)["spec"]
    group = leader_worker_set(replace(request(gpus=8), nodes=2))[0]["spec"]["leaderWorkerTemplate"]
    for here, there in (("template", "leaderTemplate"), ("worker", "workerTemplate")):
        assert made[here]["containers"][0]["args"] == group[there]["spec"]["containers"][0]["args"]
    assert made["parallelism"] == {"tensor": 8, "pipeline": 2}


def test_several_stages_on_a_node_of_several_are_refused() -> None:
    with pytest.raises(InputError, match="4 stages on 2 nodes"):
        service(nodes=2, stages=4)


def test_a_directory_has_no_address() -> None:
    with pytest.raises(InputError, match=r"model\.path"):
        service({"model": {"path": "/models/qwen"}})
