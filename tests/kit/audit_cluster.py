"""A realistic cluster to audit: 60 nodes, nine kinds of GPUs, MIG, 120 vLLM pods of many makers, 30 planted findings.

Everything is made from a fixed table, without chance. The healthy servers come in the forms of production-stack, KServe
(both), llm-d, LeaderWorkerSet, StatefulSets, this operator and plain Deployments; ``PLANTED`` says what is wrong with
which object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any, Final

from kit.audit_manifests import Manifest, node, pod

H100, H200, A100, L40S = "NVIDIA-H100-80GB-HBM3", "NVIDIA-H200", "NVIDIA-A100-SXM4-80GB", "NVIDIA-L40S"
L4, A10, T4, RTX, B200 = "NVIDIA-L4", "NVIDIA-A10", "Tesla-T4-SHARED", "NVIDIA-GeForce-RTX-5090", "NVIDIA-B200"
MIG: Final = "nvidia.com/mig-3g.40gb"

VL8, VL4, VL3 = "Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen2.5-VL-3B-Instruct"
VL7, VL30, TEXT8 = "Qwen/Qwen2.5-VL-7B-Instruct", "Qwen/Qwen3-VL-30B-A3B-Instruct", "Qwen/Qwen3-8B"
PHOTOS: Final = ["--limit-mm-per-prompt", '{"image": 4, "video": 0}']
UPGRADE: Final = "0.33.0"


@dataclass(frozen=True)
class Place:
    """GPUs of one kind: nodes, GPUs of each, the extended resource."""

    product: str
    nodes: int
    gpus: int
    resource: str = "nvidia.com/gpu"
    labels: dict[str, str] = field(default_factory=dict)


PLACES: Final = (
    Place(H100, 10, 8),
    Place(H200, 4, 8),
    Place(B200, 2, 8),
    Place(A100, 8, 8),
    Place(A100, 4, 2, MIG),
    Place(L40S, 8, 4),
    Place(L4, 10, 1),
    Place(A10, 6, 1),
    Place(RTX, 4, 2),
    Place(T4, 3, 4, labels={"nvidia.com/gpu.replicas": "4"}),
)
"""59 nodes; the sixtieth says nothing of its GPUs."""


@dataclass(frozen=True)
class Healthy:
    """A server with nothing to find: model, flags, where it fits."""

    model: str
    flags: tuple[str, ...]
    product: str
    gpus: int = 1
    resource: str = "nvidia.com/gpu"


_HEALTHY: Final = (
    Healthy(VL8, ("--max-model-len", "32768", *PHOTOS), H100),
    Healthy(VL8, ("--max-model-len", "16384", *PHOTOS), L40S),
    Healthy(VL4, ("--max-model-len", "8192", *PHOTOS), A10),
    Healthy(VL3, ("--max-model-len", "16384", *PHOTOS), L4),
    Healthy(TEXT8, ("--max-model-len", "32768"), RTX),
    Healthy(VL30, ("--max-model-len", "32768", *PHOTOS), H200),
    Healthy(VL30, ("--max-model-len", "65536", *PHOTOS), B200),
    Healthy(VL7, ("--max-model-len", "32768", *PHOTOS), A100),
    Healthy(VL4, ("--max-model-len", "16384", *PHOTOS), A100, 1, MIG),
)


def _form_deployment(name: str, at: str, server: Healthy) -> Manifest:
    hashed = "5d9c7f8b6c"
    return pod(
        f"{name}-{hashed}-abcde", at, command=["vllm", "serve"], args=[server.model, *server.flags], gpus=server.gpus,
        resource=server.resource, owner=("ReplicaSet", f"{name}-{hashed}"), labels={"pod-template-hash": hashed},
    )  # fmt: skip


def _form_production_stack(name: str, at: str, server: Healthy) -> Manifest:
    """vllm-stack's chart: everything in ``command``, ports and probes named by it."""
    hashed = "6b8f9d7c5d"
    full = f"vllm-{name}-deployment-vllm"
    return pod(
        f"{full}-{hashed}-fghij", at, gpus=server.gpus, resource=server.resource,
        command=["vllm", "serve", server.model, "--host", "0.0.0.0", "--port", "8000", *server.flags,
                 "--enable-chunked-prefill"],
        owner=("ReplicaSet", f"{full}-{hashed}"), labels={"pod-template-hash": hashed, "helm-release-name": "vllm"},
        env=[{"name": "HF_HOME", "value": "/data"}, {"name": "PYTHONHASHSEED", "value": "123"}],
    )  # fmt: skip


def _form_kserve(name: str, at: str, server: Healthy) -> Manifest:
    """KServe's Hugging Face runtime: arguments with underscores, flags of its own."""
    hashed = "7f6d5c4b3a"
    flags = [flag.replace("-", "_") if flag.startswith("--") else flag for flag in server.flags]
    return pod(
        f"{name}-predictor-{hashed}-klmno", at, image="vllm/vllm-openai:v0.32.0", gpus=server.gpus,
        resource=server.resource, container="kserve-container",
        command=["python", "-m", "huggingfaceserver"],
        args=[f"--model_name={name}", f"--model_id={server.model}", *(f"--{flag[2:]}" if flag[:2] == "__" else flag
                                                                     for flag in flags)],
        owner=("ReplicaSet", f"{name}-predictor-{hashed}"),
        labels={"pod-template-hash": hashed, "serving.kserve.io/inferenceservice": name},
    )  # fmt: skip


def _form_llm_inference_service(name: str, at: str, server: Healthy) -> Manifest:
    """KServe's LLMInferenceService: a script, the model fetched by an init container, more flags in a variable."""
    script = (
        'if [ "$KSERVE_INFER_ROCE" = "true" ]; then\n  export UCX_NET=$(cat /tmp/ucx)\nfi\n'
        f'eval "vllm serve /mnt/models \\\n  --served-model-name {name} \\\n  --port 8000 ${{VLLM_ADDITIONAL_ARGS}}"\n'
    )
    quoted = " ".join(f"'{flag}'" if flag.startswith("{") else flag for flag in server.flags)
    return pod(
        f"{name}-kserve-mgr-0", at, command=["/bin/bash", "-c"], args=[script], gpus=server.gpus, container="main",
        resource=server.resource, env=[{"name": "VLLM_ADDITIONAL_ARGS", "value": quoted}],
        init=[{"name": "storage-initializer", "args": [f"hf://{server.model}", "/mnt/models"]}],
        labels={"app.kubernetes.io/part-of": "llminferenceservice", "app.kubernetes.io/name": name},
        owner=("ReplicaSet", f"{name}-kserve"),
    )  # fmt: skip


def _form_llm_d(name: str, at: str, server: Healthy) -> Manifest:
    """llm-d's modelservice: a shell string with continued lines, exec, and variables."""
    lines = " \\\n  ".join(f"'{flag}'" if flag.startswith("{") else flag for flag in server.flags)
    hashed = "8a7b6c5d4e"
    return pod(
        f"ms-{name}-decode-{hashed}-pqrst", at, command=["/bin/sh", "-c"], gpus=server.gpus, resource=server.resource,
        args=[f"# decode\nexec vllm serve $MODEL \\\n  --port ${{PORT:-8200}} \\\n  {lines}"],
        env=[{"name": "MODEL", "value": server.model}, {"name": "VLLM_LOGGING_LEVEL", "value": "INFO"}],
        owner=("ReplicaSet", f"ms-{name}-decode-{hashed}"), labels={"pod-template-hash": hashed},
    )  # fmt: skip


def _form_stateful_set(name: str, at: str, server: Healthy) -> Manifest:
    return pod(
        f"{name}-0", at, command=["python3", "-m", "vllm.entrypoints.openai.api_server"],
        args=["--model", server.model, *server.flags], gpus=server.gpus, resource=server.resource,
        owner=("StatefulSet", name),
    )  # fmt: skip


def _form_operator(name: str, at: str, server: Healthy) -> Manifest:
    hashed = "9e8d7c6b5a"
    return pod(
        f"{name}-{hashed}-uvwxy", at, args=[server.model, *server.flags], gpus=server.gpus, resource=server.resource,
        owner=("ReplicaSet", f"{name}-{hashed}"),
        labels={"pod-template-hash": hashed, "vlm-operator.dev/vlmdeployment": name},
    )  # fmt: skip


def _form_leader_worker_set(name: str, at: str, server: Healthy) -> Manifest:
    return pod(
        f"{name}-0", at, command=["vllm", "serve"], args=[server.model, *server.flags], gpus=server.gpus,
        resource=server.resource, owner=("StatefulSet", name),
        labels={"leaderworkerset.sigs.k8s.io/name": name}, annotations={"leaderworkerset.sigs.k8s.io/size": "1"},
    )  # fmt: skip


FORMS: Final = (
    _form_deployment,
    _form_production_stack,
    _form_kserve,
    _form_llm_inference_service,
    _form_llm_d,
    _form_stateful_set,
    _form_operator,
    _form_leader_worker_set,
)


@dataclass(frozen=True)
class Planted:
    """Something wrong: the kind that an audit should find on the object of that name, and the pods that show it."""

    kind: str
    name: str
    pods: tuple[Manifest, ...] = ()


@dataclass(frozen=True)
class SimulatedCluster:
    """Nodes, pods, and what is to be found with an upgrade check to ``UPGRADE``.

    Attributes:
        expected: (kind, name of the object) of every finding, as often as it is to be found.
        metrics: pages of /metrics by (namespace, pod).
    """

    nodes: tuple[Manifest, ...]
    pods: tuple[Manifest, ...]
    expected: tuple[tuple[str, str], ...]
    metrics: dict[tuple[str, str], str]


class _Slots:
    """Free GPUs by product and resource, handed out node by node."""

    def __init__(self) -> None:
        self.nodes: list[Manifest] = []
        self._free: dict[tuple[str, str], list[list[Any]]] = {}
        number = count(1)
        for place in PLACES:
            for _ in range(place.nodes):
                name = f"gpu-{next(number):02}"
                self.nodes.append(node(name, place.product, place.gpus, resource=place.resource, labels=place.labels))
                self._free.setdefault((place.product, place.resource), []).append([name, place.gpus])

    def take(self, product: str, gpus: int = 1, resource: str = "nvidia.com/gpu") -> str:
        """A node with so many free GPUs, which are then taken."""
        for slot in self._free[product, resource]:
            if slot[1] >= gpus:
                slot[1] -= gpus
                return str(slot[0])
        raise ValueError(f"no {gpus} {resource} of {product} are free")

    def last(self, product: str, resource: str = "nvidia.com/gpu") -> str:
        """The last node of a product, all of which is taken."""
        slot = self._free[product, resource].pop()
        return str(slot[0])


def simulated_cluster() -> SimulatedCluster:
    """The cluster; the same one each time."""
    slots = _Slots()
    planted = tuple(_planted(slots))
    servers = cycle(_HEALTHY)
    pods = [each for plant in planted for each in plant.pods]
    form = cycle(FORMS)
    for number in range(PODS - len(pods)):
        server = next(servers)
        try:
            at = slots.take(server.product, server.gpus, server.resource)
        except ValueError:
            server = _HEALTHY[0]
            at = slots.take(server.product)
        pods.append(next(form)(f"team-{number:03}", at, server))
    unlabelled = node("gpu-60", H100, 8)
    unlabelled["metadata"]["labels"] = {"kubernetes.io/hostname": "gpu-60"}
    expected = [(plant.kind, plant.name) for plant in planted] + [("NodeUnreadable", "gpu-60")]
    pods += [pod(f"trainer-{number}", slots.take(A100), image="trainer:1", gpus=1) for number in range(6)]
    names = [each["metadata"]["name"] for each in slots.nodes]
    pods += [pod(f"router-{name}", name, image="router:1", gpus=0, command=["router"]) for name in names[:4]]
    return SimulatedCluster((*slots.nodes, unlabelled), tuple(pods), tuple(sorted(expected)), _metrics())


PODS: Final = 120
_PHOTO_SERVER: Final = [VL8, "--max-model-len", "32768", *PHOTOS]


def _metrics() -> dict[tuple[str, str], str]:
    """Traffic of two servers: one that needs little, one that preempts."""
    idle = "\n".join(
        [
            "vllm:kv_cache_usage_perc 0.02",
            "vllm:num_requests_running 1",
            "vllm:num_requests_waiting 0",
            "vllm:num_preemptions_total 0",
            'vllm:request_prompt_tokens_bucket{le="5000.0"} 5200',
            'vllm:request_prompt_tokens_bucket{le="+Inf"} 5200',
            "vllm:request_prompt_tokens_count 5200",
            "vllm:request_prompt_tokens_sum 9000000",
            'vllm:request_generation_tokens_bucket{le="1000.0"} 5200',
            'vllm:request_generation_tokens_bucket{le="+Inf"} 5200',
            "vllm:request_generation_tokens_count 5200",
            "vllm:request_generation_tokens_sum 2000000",
        ]
    )
    busy = "vllm:kv_cache_usage_perc 0.97\nvllm:num_requests_running 40\nvllm:num_preemptions_total 311\n"
    return {("models", "hardly-used"): idle, ("models", "preempting"): busy}


def _planted(slots: _Slots) -> Iterator[Planted]:
    """Thirty findings but one (the node that says nothing), each on an object of its own."""

    def one(kind: str, name: str, product: str, args: list[str], *, takes: int = 1, **more: Any) -> Planted:
        return Planted(kind, name, (pod(name, slots.take(product, takes), args=args, **more),))

    photos = _PHOTO_SERVER
    crashing = {"ready": False, "restartCount": 12, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    yield one("WouldNotFit", "context-too-long", L4, [VL8, "--max-model-len", "65536", *PHOTOS])
    yield one("WouldNotFit", "whole-context", A10, [VL4, *PHOTOS])
    yield one("WouldNotFit", "weights-too-large", RTX, [VL30, "--max-model-len", "8192", *PHOTOS])
    yield one("WouldBeRefused", "beyond-the-model", H100, [VL8, "--max-model-len", "524288", *PHOTOS])
    yield one("WouldBeRefused", "three-gpus", H100, [*photos, "-tp", "3"], takes=3, gpus=3)
    yield one("FlagNotInRelease", "swapping", H100, [*photos, "--swap-space", "8"])
    yield one(
        "VariableNotInRelease", "backend-variable", H100, photos,
        env=[{"name": "VLLM_ATTENTION_BACKEND", "value": "FLASH_ATTN"}],
    )  # fmt: skip
    yield one("NotServing", "crash-loop", H100, photos, state=crashing)
    yield one("NoNodeTakesIt", "wants-a-gh200", H100, photos, selector={"nvidia.com/gpu.product": "NVIDIA-GH200-480GB"})
    yield one("GPUsMissing", "one-gpu-for-two", H100, [*photos, "-tp", "2"], gpus=1)
    yield one("GPUsIdle", "four-gpus-for-one", H100, photos, takes=4, gpus=4)
    yield one("GPUsIdle", "eight-gpus-for-one", H200, photos, takes=8, gpus=8)
    yield Planted(
        "GPUNotRequested", "no-request", (pod("no-request", slots.nodes[0]["metadata"]["name"], args=photos, gpus=0),)
    )
    yield one("FewerGPUsSuffice", "two-gpus-for-one", H100, [*photos, "-tp", "2"], takes=2, gpus=2)
    yield one("FewerGPUsSuffice", "eight-gpus-for-two", A100, [*photos, "-tp", "8"], takes=8, gpus=8)
    yield one("CacheBeyondReach", "two-sequences", H100, [*photos, "--max-num-seqs", "2"])
    yield one("RequestsPreempted", "preempting", H100, photos)
    yield one("CacheUnused", "hardly-used", H100, photos)
    yield Planted("ContextOversized", "hardly-used")
    yield one(
        "FlagsCancelOut", "eager-with-graphs", H100, [*photos, "--enforce-eager", "--max-cudagraph-capture-size", "64"]
    )
    yield one("FlagsCancelOut", "images-for-text", RTX, [TEXT8, "--max-model-len", "16384", *PHOTOS])
    yield one("FlagRepeated", "context-twice", H100, [*photos, "--max-model-len=16384"])
    yield one("MemoryLimitMissing", "no-memory-limit", L40S, photos, memory=None)
    yield one("ImageWithoutRelease", "latest", L40S, photos, image="vllm/vllm-openai:latest")
    yield one("NotAudited", "private-model", L40S, ["acme/private-vlm", "--max-model-len", "4096"])
    yield one(
        "FlagGone", "old-flags", A100, [*photos, "--swap-space", "4"], image="vllm/vllm-openai:v0.17.1",
    )  # fmt: skip
    yield Planted("DefaultChanged", "old-flags")
    shared = [VL3, "--max-model-len", "4096", "--dtype", "half", "--limit-mm-per-prompt", '{"image": 1, "video": 0}']
    at = slots.last(T4)
    for name in ("shares-a", "shares-b"):
        yield Planted(
            "SharedGPUOvercommitted", name, (pod(name, at, args=[*shared, "--gpu-memory-utilization", "0.9"]),)
        )
