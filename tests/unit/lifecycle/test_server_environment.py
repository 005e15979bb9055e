"""Environment variables that a release needs on a GPU stand in the Deployment."""

from __future__ import annotations

from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.lifecycle.server import server_of
from vlm_operator.planning.gpu_choice import GPUOffer


def variables(product: str, version: EngineVersion, spec: dict[str, Any] | None = None) -> dict[str, str]:
    offer = GPUOffer(gpu(product), "nvidia.com/gpu", 1, node_label=product)
    given = VLMDeploymentSpec.model_validate({"model": {"id": "Qwen/Qwen3-VL-8B-Instruct"}, **(spec or {})})
    server = server_of(given, EngineSettings(), name="m", namespace="n", version=version, offer=offer, model=qwen3_vl())
    containers = server.objects()[0]["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", "") for entry in containers[0]["env"]}


@pytest.mark.parametrize(
    ("product", "minor", "value"),
    [
        pytest.param("RTX-PRO-6000", 24, "0", id="0.24 on workstation Blackwell"),
        pytest.param("RTX-PRO-6000", 25, None, id="0.25"),
        pytest.param("H100", 24, None, id="Hopper"),
    ],
)
def test_a_known_fault_is_mended_by_its_variable(product: str, minor: int, value: str | None) -> None:
    assert variables(product, EngineVersion(0, minor)).get("VLLM_USE_DEEP_GEMM") == value


@pytest.mark.parametrize(
    ("flags", "gpus"),
    [
        pytest.param({}, 1, id="one"),
        pytest.param({"tensor_parallel_size": 2}, 2, id="tensor parallelism"),
        pytest.param({"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, 4, id="stages of two"),
        pytest.param({"data_parallel_size": 3, "tensor_parallel_size": 2}, 6, id="replicas of two"),
    ],
)
def test_a_server_asks_for_the_gpus_of_its_flags(flags: dict[str, int], gpus: int) -> None:
    offer = GPUOffer(gpu("H100"), "nvidia.com/gpu", 8, node_label="H100")
    given = VLMDeploymentSpec.model_validate({"model": {"id": "Qwen/Qwen3-VL-8B-Instruct"}})
    server = server_of(
        given, EngineSettings(**flags), name="m", namespace="n", version=EngineVersion(0, 32), offer=offer,
        model=qwen3_vl(),
    )  # fmt: skip
    container = server.objects()[0]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == str(gpus)
    assert server.objects(stopped=True)[0]["spec"]["replicas"] == 0
