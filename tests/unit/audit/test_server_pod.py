"""vLLM servers are found in pods of every form, whoever made them."""

from __future__ import annotations

from typing import Any

import pytest

from kit.audit_manifests import deployment_pod, pod
from vlm_operator.audit.server_pod import ServerPod, Workload, read_servers
from vlm_operator.engine.version import EngineVersion

MODEL = "Qwen/Qwen3-VL-8B-Instruct"
FLAGS = ["--max-model-len", "8192", "--tensor-parallel-size", "2"]
KSERVE_SCRIPT = """\
# start the server
if [ "$ROCE" == "true" ]; then
  export UCX_NET_DEVICES=$(cat /tmp/devices)
fi
eval "vllm serve /mnt/models \\
  --served-model-name "Qwen/Qwen3-VL-8B-Instruct" \\
  --port 8000 ${VLLM_ADDITIONAL_ARGS}"
"""
CONFIG = {
    "name": "flags",
    "namespace": "models",
    "data": {"config.yaml": f"model: {MODEL}\nmax-model-len: 8192\ntensor_parallel_size: 2\nenforce-eager: false\n"},
}
CONFIG_MAPS = {
    ("models", "flags"): CONFIG["data"],
    ("models", "env"): {"MODEL_ID": MODEL, "EXTRA": "--max-model-len 8192 -tp 2"},
}


def only(manifest: dict[str, Any]) -> ServerPod:
    (server,) = read_servers([manifest], CONFIG_MAPS)  # type: ignore[arg-type]
    return server


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(pod("p", "n", command=["vllm", "serve"], args=[MODEL, *FLAGS]), id="command and args"),
        pytest.param(pod("p", "n", command=["vllm", "serve", MODEL, *FLAGS]), id="command alone (production-stack)"),
        pytest.param(pod("p", "n", args=["--model", MODEL, *FLAGS]), id="args for the image's entrypoint"),
        pytest.param(pod("p", "n", args=[MODEL, *FLAGS]), id="the model first, for the image's entrypoint"),
        pytest.param(
            pod("p", "n", args=["serve", MODEL, *FLAGS], image="quay.io/x/vllm:v0.32.0"), id="entrypoint vllm"
        ),
        pytest.param(
            pod(
                "p",
                "n",
                command=["python3", "-m", "vllm.entrypoints.openai.api_server"],
                args=["--model", MODEL, *FLAGS],
            ),
            id="the server's module",
        ),
        pytest.param(
            pod(
                "p", "n", command=["/opt/venv/bin/vllm", "serve", MODEL], args=FLAGS, image="registry/llm-d-cuda:v0.4.0"
            ),
            id="a path to vllm (llm-d)",
        ),
        pytest.param(
            pod(
                "p",
                "n",
                command=["/bin/sh", "-c"],
                args=[f"sleep 1; exec vllm serve {MODEL} {' '.join(FLAGS)} > /tmp/x"],
            ),
            id="a shell string",
        ),
        pytest.param(
            pod("p", "n", command=["/bin/bash", "-e", "-c", "--"], args=[f"vllm serve {MODEL} {' '.join(FLAGS)}"]),
            id="a shell string after the end of options",
        ),
        pytest.param(
            pod(
                "p", "n", command=["bash", "-lc", f"vllm serve \\\n {MODEL} \\\n {' '.join(FLAGS)} 2>&1 | tee /tmp/log"]
            ),
            id="a shell string with continued lines and a pipe",
        ),
        pytest.param(
            pod(
                "p",
                "n",
                command=["/bin/bash", "-c"],
                args=[KSERVE_SCRIPT],
                container="main",
                env=[{"name": "VLLM_ADDITIONAL_ARGS", "value": " ".join(FLAGS)}],
            ),
            id="KServe's LLMInferenceService",
        ),
        pytest.param(
            pod(
                "p",
                "n",
                image="kserve/huggingfaceserver:v0.16.0-gpu",
                container="kserve-container",
                args=["--model_name=qwen", f"--model_id={MODEL}", "--max_model_len=8192", "--tensor_parallel_size=2"],
            ),
            id="KServe's Hugging Face runtime",
        ),
        pytest.param(
            pod(
                "p",
                "n",
                command=["vllm", "serve", "/mnt/models", *FLAGS],
                init=[{"name": "storage-initializer", "args": [f"hf://{MODEL}:main", "/mnt/models"]}],
            ),
            id="a model that an init container fetches",
        ),
        pytest.param(
            pod("p", "n", command=["vllm", "serve", "$(MODEL)", *FLAGS], env=[{"name": "MODEL", "value": MODEL}]),
            id="a variable that the kubelet replaces",
        ),
        pytest.param(
            pod(
                "p",
                "n",
                command=["sh", "-c", "vllm serve $MODEL_ID $EXTRA"],
                env=[
                    {"name": key, "valueFrom": {"configMapKeyRef": {"name": "env", "key": key}}}
                    for key in ("MODEL_ID", "EXTRA")
                ],
            ),
            id="variables of a ConfigMap",
        ),
        pytest.param(
            pod(
                "p",
                "n",
                command=["vllm", "serve", "--config", "/etc/vllm/config.yaml"],
                volumes=[{"name": "config", "configMap": {"name": "flags"}}],
                mounts=[{"name": "config", "mountPath": "/etc/vllm"}],
            ),
            id="a config file of a ConfigMap",
        ),
        pytest.param(
            pod(
                "p",
                "n",
                command=["vllm", "serve", MODEL, "--config=/etc/vllm/x.yaml", "--max-model-len", "8192"],
                volumes=[
                    {"name": "c", "configMap": {"name": "flags", "items": [{"key": "config.yaml", "path": "x.yaml"}]}}
                ],
                mounts=[{"name": "c", "mountPath": "/etc/vllm"}],
            ),
            id="a config file under another name, the model on the command line",
        ),
    ],
)
def test_the_command_is_read_from_every_form(manifest: dict[str, Any]) -> None:
    server = only(manifest)
    settings = server.command.settings
    assert server.model == MODEL
    assert (settings.max_model_len, settings.tensor_parallel_size) == (8192, 2)
    assert server.gpus == 1


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(pod("p", "n", image="nginx:1", command=["nginx"]), id="another program"),
        pytest.param(
            pod("p", "n", image="vllm/vllm-openai:v0.32.0", command=["sleep", "inf"]), id="vLLM's image asleep"
        ),
        pytest.param(pod("p", "n", image="lmcache/vllm-router:1", args=[]), id="an image without arguments"),
        pytest.param(pod("p", "n", args=[MODEL], phase="Succeeded"), id="a pod that has ended"),
        pytest.param(
            pod("p", "n", image="acme/vllm-router:1", args=["--port", "8000", "--service-discovery", "k8s"]),
            id="a router called vLLM",
        ),
        pytest.param(deployment_pod("p", "n1", args=[MODEL], phase="Failed"), id="an evicted pod of a Deployment"),
        pytest.param(pod("p", "n", command=["sh", "-c", "pip install vllm && echo serve"]), id="vLLM only installed"),
    ],
)
def test_other_pods_are_no_servers(manifest: dict[str, Any]) -> None:
    assert read_servers([manifest], {}) == ()


def test_a_config_file_that_was_not_read_is_said() -> None:
    server = only(pod("p", "n", command=["vllm", "serve", MODEL, "--config", "/models/config.yaml"]))
    assert server.notes == (
        "config /models/config.yaml: the file is not in a ConfigMap that was read; its flags are not known",
    )


@pytest.mark.parametrize(
    ("manifest", "workload"),
    [
        pytest.param(pod("p", "n", args=[MODEL]), Workload("Pod", "models", "p"), id="a bare pod"),
        pytest.param(deployment_pod("d", "n1", args=[MODEL]), Workload("Deployment", "models", "d"), id="a Deployment"),
        pytest.param(
            pod("s-0", "n", args=[MODEL], owner=("StatefulSet", "s")),
            Workload("StatefulSet", "models", "s"),
            id="a StatefulSet",
        ),
        pytest.param(
            deployment_pod("k-predictor", "n1", args=[MODEL], labels={"serving.kserve.io/inferenceservice": "k"}),
            Workload("InferenceService", "models", "k"),
            id="KServe",
        ),
        pytest.param(
            pod(
                "l-0-1",
                "n",
                args=[MODEL],
                labels={"leaderworkerset.sigs.k8s.io/name": "l"},
                owner=("StatefulSet", "l-0"),
            ),
            Workload("LeaderWorkerSet", "models", "l"),
            id="a LeaderWorkerSet",
        ),
        pytest.param(
            deployment_pod("v", "n1", args=[MODEL], labels={"vlm-operator.dev/vlmdeployment": "v"}),
            Workload("VLMDeployment", "models", "v"),
            id="this operator",
        ),
    ],
)
def test_the_owner_is_the_object_that_a_person_changes(manifest: dict[str, Any], workload: Workload) -> None:
    assert only(manifest).workload == workload


def test_release_limits_and_shared_memory_are_read() -> None:
    server = only(pod("p", "n", args=[MODEL], image="vllm/vllm-openai:v0.29.1", gpus=4, memory="200Gi"))
    assert server.version == EngineVersion(0, 29, 1)
    assert (server.resource, server.gpus) == ("nvidia.com/gpu", 4)
    assert server.memory_limit_bytes == 200 * 2**30
    assert server.shared_memory
    bare = only(pod("p", "n", args=[MODEL], image="vllm/vllm-openai:latest", memory=None, shm=False))
    assert (bare.version, bare.memory_limit_bytes, bare.shared_memory) == (None, None, False)
