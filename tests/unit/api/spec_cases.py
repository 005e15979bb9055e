"""Specs with what must be said about them, for the Python models and for the API server alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODEL = {"id": "Qwen/Qwen3-VL-8B-Instruct"}


def manifest(spec: dict[str, Any], name: str = "case") -> dict[str, Any]:
    """A VLMDeployment of this spec; the model is filled in where none is given."""
    return {
        "apiVersion": "vlm-operator.dev/v1alpha1",
        "kind": "VLMDeployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"model": MODEL, **spec},
    }


@dataclass(frozen=True)
class Refused:
    """A spec that both must refuse, naming the field and saying these words."""

    id: str
    spec: dict[str, Any]
    field: str
    words: str


ACCEPTED: dict[str, dict[str, Any]] = {
    "the model alone": {},
    "a revision and a token": {"model": {**MODEL, "revision": "refs/pr/1", "tokenSecretRef": {"name": "hf-token"}}},
    "a directory": {"model": {"path": "/models/qwen3-vl"}},
    "a config of its own": {
        "model": {
            **MODEL,
            "config": {"inline": {"config.json": {"architectures": ["X"], "a": [None]}, "processor_config.json": {}}},
        }
    },
    "a config by a ConfigMap": {"model": {"path": "/models/x", "config": {"configMapRef": {"name": "x-config"}}}},
    "a cache on a claim": {"model": {**MODEL, "cache": {"claim": "models", "readOnly": True}}},
    "a cache that is created": {
        "model": {**MODEL, "cache": {"size": "100Gi", "storageClassName": "fast", "accessMode": "ReadWriteMany"}}
    },
    "a cache on the node": {"model": {**MODEL, "cache": {"hostPath": "/var/cache/vllm", "readOnly": True}}},
    "a cache that goes with the pod": {"model": {**MODEL, "cache": {"emptyDir": {"sizeLimit": "60Gi"}}}},
    "a cache without a limit": {"model": {**MODEL, "cache": {"emptyDir": {}}}},
    "a GPU": {"gpu": {"product": "NVIDIA-GeForce-RTX-5090", "count": 1}},
    "a MIG profile": {"gpu": {"resource": "nvidia.com/mig-3g.40gb", "count": 1}},
    "the CPU": {"cpu": {"kvCacheSpace": "4GiB"}},
    "the CPU in Kubernetes' words": {"cpu": {"kvCacheSpace": "4Gi"}},
    "a whole workload": {
        "goal": "SingleUser",
        "workload": {
            "promptTokens": 0,
            "outputTokens": 1,
            "images": {"count": 4, "width": 1, "height": 100000},
            "videos": {"count": 1, "seconds": 0.5, "framesPerSecond": 29.97},
            "audios": {"count": 1, "seconds": 30},
            "concurrentRequests": 8,
            "tokensPerImage": 2000,
            "tokensPerVideo": 16384,
            "tokensPerAudio": 750,
        },
        "context": {"minimum": 8192, "maximum": 65536},
    },
    "every flag": {
        "engine": {
            "image": "registry.example:5000/team/vllm:v0.32.0@sha256:" + "0" * 64,
            "vllmVersion": "0.32.0",
            "servedModelName": "vision",
            "contextLength": 32768,
            "gpuMemoryUtilization": 1,
            "kvCacheMemoryBytes": "9Gi",
            "kvCacheDtype": "fp8_e4m3",
            "blockSize": 16,
            "maxNumSeqs": 8,
            "maxNumBatchedTokens": 8,
            "limitMMPerPrompt": {"image": 4, "video": 0, "audio": 1},
            "limitMMPerPromptSizes": {"video": {"numFrames": 32, "width": 640, "height": 480}},
            "mmProcessorKwargs": {"max_pixels": 1003520, "size": {"longest_edge": [1, 2.5, None]}},
            "mediaIOKwargs": {"video": {"num_frames": 32}},
            "mmEncoderTPMode": "data",
            "languageModelOnly": False,
            "tensorParallelSize": 2,
            "enableExpertParallel": True,
            "enforceEager": True,
            "maxCudagraphCaptureSize": 64,
            "enablePrefixCaching": False,
            "enableChunkedPrefill": True,
            "asyncScheduling": False,
            "dtype": "bfloat16",
            "quantization": "fp8",
            "loadFormat": "runai_streamer",
            "trustRemoteCode": True,
            "extraArgs": ["--enable-auto-tool-choice", "--seed", "-1", "--model-impl=vllm", "-O3", "--grpc-port=1"],
        }
    },
    "a KV cache in bytes": {"engine": {"kvCacheMemoryBytes": 9663676416}},
    "the context at its bounds": {"context": {"minimum": 8192, "maximum": 8192}, "engine": {"contextLength": 8192}},
    "as many images as the limit": {
        "workload": {"images": {"count": 4}},
        "engine": {"limitMMPerPrompt": {"image": 4}},
    },
    "retuning off, no replica": {"retune": {"maxAttempts": 0, "allowFP8KVCache": False}, "replicas": 0},
    "another port": {"service": {"port": 80}},
    "an overlay with fields nobody knows": {"podTemplate": {"spec": {"tolerations": [{"key": "a"}], "x": {"y": 1}}}},
}

_OWNED = "must not set a flag that the plan decides"

REFUSED = [
    Refused("no model source", {"model": {}}, "spec.model", "exactly one of id and path"),
    Refused("two model sources", {"model": {**MODEL, "path": "/m"}}, "spec.model", "exactly one of id and path"),
    Refused("an empty model", {"model": {"id": ""}}, "spec.model.id", "at least 1"),
    Refused("a model that is a flag", {"model": {"id": "--config=x"}}, "spec.model.id", "Hugging Face model id"),
    Refused("a model of three parts", {"model": {"id": "a/b/c"}}, "spec.model.id", "Hugging Face model id"),
    Refused("a model with a line break", {"model": {"id": "a/b\n"}}, "spec.model.id", "Hugging Face model id"),
    Refused("a relative path", {"model": {"path": "models/x"}}, "spec.model.path", "absolute directory"),
    Refused("a path with ..", {"model": {"path": "/models/../etc"}}, "spec.model.path", "absolute directory"),
    Refused("a revision of a path", {"model": {"path": "/m", "revision": "a"}}, "spec.model", "belongs to id"),
    Refused("an empty config", {"model": {**MODEL, "config": {}}}, "spec.model.config", "exactly one of inline"),
    Refused(
        "two configs",
        {"model": {**MODEL, "config": {"inline": {"config.json": {}}, "configMapRef": {"name": "x"}}}},
        "spec.model.config",
        "exactly one of inline",
    ),
    Refused(
        "a config without config.json",
        {"model": {**MODEL, "config": {"inline": {"processor_config.json": {}}}}},
        "spec.model.config.inline",
        "must hold the object of config.json",
    ),
    Refused(
        "a config with another file",
        {"model": {**MODEL, "config": {"inline": {"config.json": {}, "tokenizer.json": {}}}}},
        "spec.model.config.inline",
        "must hold the object of config.json",
    ),
    Refused(
        "a ConfigMap without such a name",
        {"model": {**MODEL, "config": {"configMapRef": {"name": "X"}}}},
        "spec.model.config.configMapRef.name",
        "name of a ConfigMap",
    ),
    Refused("an empty cache", {"model": {**MODEL, "cache": {}}}, "spec.model.cache", "exactly one of claim, size"),
    Refused(
        "two caches",
        {"model": {**MODEL, "cache": {"claim": "a", "size": "1Gi"}}},
        "spec.model.cache",
        "exactly one of claim, size",
    ),
    Refused(
        "a class of a claim that is there",
        {"model": {**MODEL, "cache": {"claim": "a", "storageClassName": "fast"}}},
        "spec.model.cache",
        "belong to size",
    ),
    Refused(
        "a new volume that is read-only",
        {"model": {**MODEL, "cache": {"size": "1Gi", "readOnly": True}}},
        "spec.model.cache",
        "a new volume holds no model",
    ),
    Refused(
        "a cache by both names",
        {"model": {**MODEL, "cache": {"claim": "a"}}, "cacheClaim": "a"},
        "spec",
        "older name of model.cache.claim",
    ),
    Refused(
        "a cache in a relative directory",
        {"model": {**MODEL, "cache": {"hostPath": "/var/../etc"}}},
        "spec.model.cache.hostPath",
        "absolute directory of the node",
    ),
    Refused(
        "a nameless Secret",
        {"model": {**MODEL, "tokenSecretRef": {"key": "k"}}},
        "spec.model.tokenSecretRef.name",
        "required",
    ),
    Refused("GPU and CPU", {"gpu": {}, "cpu": {"kvCacheSpace": "4Gi"}}, "spec", "gpu and cpu exclude each other"),
    Refused("half a GiB on the CPU", {"cpu": {"kvCacheSpace": "512Mi"}}, "spec.cpu.kvCacheSpace", "whole GiB"),
    Refused("no KV cache on the CPU", {"cpu": {"kvCacheSpace": "0Gi"}}, "spec.cpu.kvCacheSpace", "whole GiB"),
    Refused(
        "two sizes of one cache",
        {"cpu": {"kvCacheSpace": "4Gi"}, "engine": {"kvCacheMemoryBytes": "4Gi"}},
        "spec",
        "contradicts cpu.kvCacheSpace",
    ),
    Refused("a product with blanks", {"gpu": {"product": "RTX 5090"}}, "spec.gpu.product", "nvidia.com/gpu.product"),
    Refused("a foreign resource", {"gpu": {"resource": "cpu"}}, "spec.gpu.resource", "extended resource"),
    Refused("no GPU", {"gpu": {"count": 0}}, "spec.gpu.count", "greater than or equal to 1"),
    Refused("half a GPU", {"gpu": {"count": 0.5}}, "spec.gpu.count", "integer"),
    Refused(
        "two MIG instances",
        {"gpu": {"resource": "nvidia.com/mig-1g.10gb", "count": 2}},
        "spec.gpu",
        "count must be 1 for a MIG resource",
    ),
    Refused("a goal nobody has", {"goal": "Fast"}, "spec.goal", "SingleUser"),
    Refused(
        "images without width",
        {"workload": {"images": {"count": 1, "width": 0}}},
        "spec.workload.images.width",
        "greater than or equal to 1",
    ),
    Refused(
        "negative seconds",
        {"workload": {"videos": {"count": 1, "seconds": -1}}},
        "spec.workload.videos.seconds",
        "greater than 0",
    ),
    Refused(
        "10^9 frames a second",
        {"workload": {"videos": {"count": 1, "framesPerSecond": 1e9}}},
        "spec.workload.videos.framesPerSecond",
        "less than or equal to 10000",
    ),
    Refused(
        "a floor above the cap",
        {"context": {"minimum": 2, "maximum": 1}},
        "spec.context",
        "minimum must not exceed maximum",
    ),
    Refused(
        "a context below the floor",
        {"context": {"minimum": 9}, "engine": {"contextLength": 8}},
        "spec",
        "outside context.minimum and context.maximum",
    ),
    Refused(
        "a context above the cap",
        {"context": {"maximum": 7}, "engine": {"contextLength": 8}},
        "spec",
        "outside context.minimum and context.maximum",
    ),
    Refused("a context as text", {"engine": {"contextLength": "8192"}}, "spec.engine.contextLength", "integer"),
    Refused(
        "a huge context",
        {"engine": {"contextLength": 10**12}},
        "spec.engine.contextLength",
        "less than or equal to 1000000000",
    ),
    Refused("no memory", {"engine": {"gpuMemoryUtilization": 0}}, "spec.engine.gpuMemoryUtilization", "greater than 0"),
    Refused(
        "more than all memory",
        {"engine": {"gpuMemoryUtilization": 1.01}},
        "spec.engine.gpuMemoryUtilization",
        "less than or equal to 1",
    ),
    Refused(
        "a size without a unit we know",
        {"engine": {"kvCacheMemoryBytes": "9 gigs"}},
        "spec.engine.kvCacheMemoryBytes",
        "must be a size above zero",
    ),
    Refused(
        "a size of zero",
        {"engine": {"kvCacheMemoryBytes": "0Gi"}},
        "spec.engine.kvCacheMemoryBytes",
        "must be a size above zero",
    ),
    Refused(
        "a negative size",
        {"engine": {"kvCacheMemoryBytes": -1}},
        "spec.engine.kvCacheMemoryBytes",
        "must be a size above zero",
    ),
    Refused("an image with blanks", {"engine": {"image": "vllm openai"}}, "spec.engine.image", "image reference"),
    Refused("an image in capitals", {"engine": {"image": "vLLM/openai:1"}}, "spec.engine.image", "image reference"),
    Refused(
        "an image with a short digest", {"engine": {"image": "vllm@sha256:12"}}, "spec.engine.image", "image reference"
    ),
    Refused("a version that is none", {"engine": {"vllmVersion": "latest"}}, "spec.engine.vllmVersion", "vLLM version"),
    Refused(
        "a modality nobody has",
        {"engine": {"limitMMPerPrompt": {"images": 1}}},
        "spec.engine.limitMMPerPrompt",
        "image",
    ),
    Refused(
        "a negative limit",
        {"engine": {"limitMMPerPrompt": {"image": -1}}},
        "spec.engine.limitMMPerPrompt.image",
        "greater than or equal to 0",
    ),
    Refused(
        "more images than the limit",
        {"workload": {"images": {"count": 5}}, "engine": {"limitMMPerPrompt": {"image": 4}}},
        "spec",
        "workload.images.count exceeds engine.limitMMPerPrompt.image",
    ),
    Refused(
        "more videos than the limit",
        {"workload": {"videos": {"count": 1}}, "engine": {"limitMMPerPrompt": {"video": 0}}},
        "spec",
        "workload.videos.count exceeds engine.limitMMPerPrompt.video",
    ),
    Refused(
        "more sounds than the limit",
        {"workload": {"audios": {"count": 3}}, "engine": {"limitMMPerPrompt": {"audio": 2}}},
        "spec",
        "workload.audios.count exceeds engine.limitMMPerPrompt.audio",
    ),
    Refused(
        "sounds under both names",
        {"workload": {"audios": {"count": 1}, "audio": {"count": 1}}},
        "spec.workload",
        "audio is the older name of audios",
    ),
    Refused(
        "fewer batched tokens than sequences",
        {"engine": {"maxNumSeqs": 9, "maxNumBatchedTokens": 8}},
        "spec.engine",
        "maxNumBatchedTokens must be at least maxNumSeqs",
    ),
    Refused(
        "more parallel than GPUs",
        {"gpu": {"count": 1}, "engine": {"tensorParallelSize": 2}},
        "spec",
        "engine.tensorParallelSize must equal gpu.count",
    ),
    Refused(
        "an encoder mode nobody has", {"engine": {"mmEncoderTPMode": "both"}}, "spec.engine.mmEncoderTPMode", "weights"
    ),
    Refused(
        "processor options that are a list",
        {"engine": {"mmProcessorKwargs": [1]}},
        "spec.engine.mmProcessorKwargs",
        "dictionary|object",
    ),
    Refused(
        "too many attempts", {"retune": {"maxAttempts": 11}}, "spec.retune.maxAttempts", "less than or equal to 10"
    ),
    Refused("negative replicas", {"replicas": -1}, "spec.replicas", "greater than or equal to 0"),
    Refused("a port that is none", {"service": {"port": 65536}}, "spec.service.port", "less than or equal to 65535"),
    Refused("an overlay that is a list", {"podTemplate": []}, "spec.podTemplate", "dictionary|object"),
    *(
        Refused(
            f"extraArgs {argument}",
            {"engine": {"extraArgs": ["--enable-auto-tool-choice", argument]}},
            "spec.engine.extraArgs",
            "as two items",
        )
        for argument in ("--seed 5", "-tp 2", "--max-num-seqs 8", "--seed\t5")
    ),
    Refused("an element type that is none", {"engine": {"dtype": "int8"}}, "spec.engine.dtype", "float16|Unsupported"),
    Refused("a quantisation with blanks", {"engine": {"quantization": "fp 8"}}, "spec.engine.quantization", "takes"),
    Refused("a loader that is a flag", {"engine": {"loadFormat": "--x"}}, "spec.engine.loadFormat", "takes"),
    Refused("65 further arguments", {"engine": {"extraArgs": ["--x"] * 65}}, "spec.engine.extraArgs", "at most 64"),
    *(
        Refused(
            f"extraArgs {argument}", {"engine": {"extraArgs": ["--seed=1", argument]}}, "spec.engine.extraArgs", _OWNED
        )
        for argument in (
            "--max-model-len",
            "--max-model-len=8192",
            "--max_model_len=8192",
            "--max_model-len",
            "--max-model",
            "--max-model=8192",
            "--limit-mm-per-prompt.image=4",
            "--no-enforce-eager",
            "--no_enforce_eager",
            "--device-memory-utilization=0.9",
            "--config=/etc/vllm.yaml",
            "--port=80",
            "--uds=/tmp/s",
            "--pipeline-parallel-size=2",
            "--",
            "-tp",
            "-tp=2",
            "-t",
            "-dp=2",
        )
    ),
]

UNKNOWN_FIELDS = [
    Refused("a misspelt field", {"enigne": {}}, "spec.enigne", "unknown field"),
    Refused("a misspelt flag", {"engine": {"contxtLength": 1}}, "spec.engine.contxtLength", "unknown field"),
    Refused("a flag in vLLM's spelling", {"engine": {"max_num_seqs": 1}}, "spec.engine.max_num_seqs", "unknown field"),
]
"""What ``kubectl`` refuses by its strict field validation, and the models always."""
