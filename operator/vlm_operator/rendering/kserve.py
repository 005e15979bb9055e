"""An LLMInferenceService: the plan as KServe runs it (``serving.kserve.io/v1alpha2``).

The pod is the operator's own, its container called ``main`` as KServe's controller finds it; vLLM downloads the weights
itself, so KServe's storage initialiser is switched off. Several nodes are a pod template of the leader and one of the
workers: KServe makes a LeaderWorkerSet of as many pods as ``parallelism.pipeline`` (v0.20: ``workload_multi_node.go``,
``ParallelismSpec.GetSize``), so that each stage must have a node of its own.
"""

from __future__ import annotations

from typing import Any, Final

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError
from vlm_operator.rendering.leader_worker_set import ranked
from vlm_operator.rendering.pod_template import CONTAINER
from vlm_operator.rendering.server import ServerRequest, claim_objects, one_node_objects

MAIN: Final = "main"
"""Name of the model server's container in KServe's templates."""


def llm_inference_service(request: ServerRequest, settings: EngineSettings) -> tuple[dict[str, Any], ...]:
    """What the pods claim, and the one object; KServe makes the workload and its Service.

    Args:
        settings: the plan's flags.

    Raises:
        PodTemplateClash: the overlay changes what the plan owns.
        InputError: a model in a directory, several stages on a node of several, or as ``rendering.render``.
    """
    model = request.args[0]
    if model.startswith("/"):
        raise InputError(
            f"model.path: {model} is a directory, and KServe takes the address of a model",
            field="model.path",
            hint="use spec.model.id, or -o deployment",
        )
    stages = settings.pipeline_parallel_size
    if request.nodes > 1 and stages != request.nodes:
        raise InputError(
            f"nodes: {stages} stages on {request.nodes} nodes, and KServe makes a pod for each stage",
            field="nodes",
            hint="use -o leaderworkerset, or plan for one stage a node",
        )
    deployment, _ = one_node_objects(request)
    metadata, pod = deployment["metadata"], deployment["spec"]["template"]
    parallelism = {"tensor": settings.tensor_parallel_size}
    if request.nodes > 1:
        parallelism["pipeline"] = stages
    if settings.data_parallel_size > 1:
        parallelism["data"] = settings.data_parallel_size
    spec: dict[str, Any] = {
        "model": {"uri": _address(request.args), "name": _served(request.args)},
        "storageInitializer": {"enabled": False},
        **({} if request.replicas is None else {"replicas": request.replicas}),
        "parallelism": parallelism,
        "labels": pod["metadata"]["labels"],
        "annotations": pod["metadata"]["annotations"],
    }
    if request.nodes == 1:
        spec["template"] = main_container(pod["spec"])
    else:
        spec["template"] = main_container(ranked(pod, headless=False)["spec"])
        spec["worker"] = main_container(ranked(pod, headless=True)["spec"])
    kind = {"apiVersion": "serving.kserve.io/v1alpha2", "kind": "LLMInferenceService"}
    apart = f"a replica stands on {request.nodes} nodes" if request.nodes > 1 else ""
    return (*claim_objects(request, apart), {**kind, "metadata": metadata, "spec": spec})


def main_container(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod with KServe's name for the container of the model server."""
    containers = [{**each, "name": MAIN} if each["name"] == CONTAINER else each for each in pod["containers"]]
    return {**pod, "containers": containers}


def _address(args: tuple[str, ...]) -> str:
    revision = args[args.index("--revision") + 1] if "--revision" in args else ""
    return f"hf://{args[0]}{f':{revision}' if revision else ''}"


def _served(args: tuple[str, ...]) -> str:
    return args[args.index("--served-model-name") + 1] if "--served-model-name" in args else args[0]
