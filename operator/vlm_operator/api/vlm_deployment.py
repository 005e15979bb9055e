"""``VLMDeployment``: one vision-language model, served by vLLM on GPUs that hold it."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from vlm_operator.api.base import ApiModel, Bool, Integer, Number, Rule, matching
from vlm_operator.api.engine_spec import EngineSpec
from vlm_operator.api.gpu_spec import GPUSpec
from vlm_operator.api.model_cache_spec import ClaimName, ModelCacheSpec
from vlm_operator.api.model_spec import ModelSpec
from vlm_operator.api.names import API_VERSION
from vlm_operator.api.topology_spec import TopologySpec
from vlm_operator.api.vlm_deployment_status import VLMDeploymentStatus

_WHOLE_GIB_VALIDATOR, _WHOLE_GIB_CEL = matching(
    r"[1-9][0-9]{0,5}(Gi|GiB)",
    "must be whole GiB such as 4Gi: vLLM reads VLLM_CPU_KVCACHE_SPACE as a whole number of GiB",
)

Tokens = Annotated[Integer, Field(ge=1, le=1_000_000_000)]
Pixels = Annotated[Integer, Field(ge=1, le=100_000)]
Count = Annotated[Integer, Field(ge=0, le=100_000)]


class CPUSpec(ApiModel):
    """Serve with vLLM's CPU backend, where there is no GPU."""

    kv_cache_space: Annotated[str, Field(min_length=3, max_length=9), _WHOLE_GIB_VALIDATOR, _WHOLE_GIB_CEL] = Field(
        description="Memory for the KV cache, whole GiB, for instance 4Gi: the container is exactly this. Becomes the "
        "environment variable VLLM_CPU_KVCACHE_SPACE.",
    )


class ImagesSpec(ApiModel):
    """Images of one request."""

    count: Count = Field(description="Images in one request.")
    width: Pixels = Field(default=1920, description="Width of the largest of them, pixels. Default: 1920.")
    height: Pixels = Field(default=1080, description="Height of the largest of them, pixels. Default: 1080.")


class VideosSpec(ApiModel):
    """Videos of one request, as they are before vLLM samples frames."""

    count: Count = Field(description="Videos in one request.")
    seconds: Annotated[Number, Field(gt=0, le=1_000_000)] = Field(
        default=60.0, description="Length of the longest of them, seconds. Default: 60."
    )
    width: Pixels = Field(default=1280, description="Width of a frame, pixels. Default: 1280.")
    height: Pixels = Field(default=720, description="Height of a frame, pixels. Default: 720.")
    frames_per_second: Annotated[Number, Field(gt=0, le=10_000)] = Field(
        default=30.0, description="Frame rate of the source; how frames are sampled is the engine's part. Default: 30."
    )


class AudiosSpec(ApiModel):
    """Sounds of one request, for families that take audio."""

    count: Count = Field(description="Sounds in one request.")
    seconds: Annotated[Number, Field(gt=0, le=1_000_000)] = Field(
        default=30.0, description="Length of the longest of them, seconds. Default: 30."
    )


class WorkloadSpec(ApiModel):
    """What one request may hold. It sizes the cup where the context length is not pinned."""

    prompt_tokens: Annotated[Integer, Field(ge=0, le=1_000_000_000)] = Field(
        default=1024, description="Text of a request, tokens. Default: 1024."
    )
    output_tokens: Annotated[Integer, Field(ge=1, le=1_000_000_000)] = Field(
        default=1024, description="Longest answer, tokens. Default: 1024."
    )
    images: ImagesSpec | None = Field(default=None, description="Images of a request. Default: none.")
    videos: VideosSpec | None = Field(default=None, description="Videos of a request. Default: none.")
    audios: AudiosSpec | None = Field(default=None, description="Sounds of a request. Default: none.")
    audio: AudiosSpec | None = Field(default=None, description="Older name of audios. Default: none.")
    concurrent_requests: Annotated[Integer, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="Requests of this size served at once. Default: chosen by spec.goal."
    )
    tokens_per_image: Tokens | None = Field(
        default=None,
        description="Prompt tokens of one such image, for model families whose token arithmetic is not known. Default: "
        "computed from width and height.",
    )
    tokens_per_video: Tokens | None = Field(
        default=None,
        description="Prompt tokens of one such video, for model families whose token arithmetic is not known. Default: "
        "computed from length, size and frame rate.",
    )
    tokens_per_audio: Tokens | None = Field(
        default=None,
        description="Prompt tokens of one such sound, for model families whose token arithmetic is not known. Default: "
        "computed from its length.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.audios) || !has(self.audio)",
            message="audio is the older name of audios: state one of them",
            holds=lambda w: w.audios is None or w.audio is None,
        ),
    )


class ContextSpec(ApiModel):
    """Floor and cap of the context length that the operator may choose."""

    minimum: Tokens | None = Field(
        default=None,
        description="Shortest acceptable context, tokens. Below it the plan refuses; it never shrinks silently. "
        "Default: what one request of spec.workload needs.",
    )
    maximum: Tokens | None = Field(
        default=None, description="Longest wanted context, tokens. Default: the model's own maximum."
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.minimum) || !has(self.maximum) || self.minimum <= self.maximum",
            message="minimum must not exceed maximum: lower the floor or raise the cap",
            holds=lambda c: c.minimum is None or c.maximum is None or c.minimum <= c.maximum,
        ),
    )


class RetuneSpec(ApiModel):
    """What the operator may do when a start-up fails its capacity check."""

    max_attempts: Annotated[Integer, Field(ge=0, le=10)] = Field(
        default=3,
        description="Changed commands tried after a failed start-up; 0 only reports what would help. Default: 3.",
    )
    allow_fp8_kv_cache: Bool = Field(
        default=True,
        description="Whether the KV cache may be stored in 8 bits where GPU and model allow it. Default: true.",
    )


class ServiceSpec(ApiModel):
    """The Service in front of the server."""

    port: Annotated[Integer, Field(ge=1, le=65_535)] = Field(
        default=8000, description="Port of the Service. The server itself always listens on 8000. Default: 8000."
    )


_LIMITED: Final = (("images", "image"), ("videos", "video"), ("audios", "audio"), ("audio", "audio"))


def _limit_rule(items: str, modality: str) -> Rule:
    def holds(spec: VLMDeploymentSpec) -> bool:
        wanted = getattr(spec.workload, items, None)
        limits = (spec.engine.limit_mm_per_prompt if spec.engine else None) or {}
        return wanted is None or all(int(wanted.count) <= limit for key, limit in limits.items() if key == modality)

    return Rule(
        cel=f"!has(self.workload) || !has(self.workload.{items}) || !has(self.engine) || "
        f"!has(self.engine.limitMMPerPrompt) || !('{modality}' in self.engine.limitMMPerPrompt) || "
        f"self.workload.{items}.count <= self.engine.limitMMPerPrompt['{modality}']",
        message=f"workload.{items}.count exceeds engine.limitMMPerPrompt.{modality}: such requests would be refused; "
        "raise the limit, or remove it to have it chosen",
        holds=holds,
    )


class VLMDeploymentSpec(ApiModel):
    """The intent: which model, on what, for what."""

    model: ModelSpec = Field(description="The model to serve.")
    gpu: GPUSpec | None = Field(
        default=None, description="GPUs to serve on. Default: the operator chooses among the cluster's. Excludes cpu."
    )
    topology: TopologySpec | None = Field(
        default=None, description="Nodes that one replica stands on, and how many GPUs they have. Default: one node."
    )
    cpu: CPUSpec | None = Field(
        default=None,
        description="Serve with vLLM's CPU backend instead of a GPU. Excludes gpu. Fixed at creation. Default: none.",
    )
    goal: Literal["SingleUser", "Throughput"] | None = Field(
        default=None,
        description="What the server is for. SingleUser: the lowest utilisation that holds the wanted context, the "
        "rest of the GPU stays free. Throughput: many requests at once. Default: vLLM's own utilisation.",
    )
    workload: WorkloadSpec | None = Field(
        default=None,
        description="What one request may hold; sizes context, limits and pixel caps. Default: rules of thumb, which "
        "the plan names.",
    )
    context: ContextSpec | None = Field(default=None, description="Floor and cap of the context length. Default: none.")
    engine: EngineSpec | None = Field(
        default=None,
        description="vLLM flags that are pinned: never changed by the operator. Default: none, all are chosen.",
    )
    dry_run: Literal["Never", "WhenUnknown", "Always"] = Field(
        default="WhenUnknown",
        description="When vLLM itself is asked in a Job of the same image, without a GPU, before a plan is applied. "
        "WhenUnknown: where the model's layout, its family or the vLLM release is not known, or model.path points into "
        "a volume. Always: also for a plan that fits, with its flags. Never: such plans stay Unknown. "
        "Default: WhenUnknown.",
    )
    retune: RetuneSpec = Field(
        default_factory=RetuneSpec,
        description="What may be done after a failed start-up. Default: three attempts.",
    )
    replicas: Annotated[Integer, Field(ge=0, le=1000)] | None = Field(
        default=None,
        description="Copies of the server, each with its own GPUs. Default: 1 at creation, then left to whoever scales "
        "the Deployment, such as a HorizontalPodAutoscaler.",
    )
    service: ServiceSpec = Field(default_factory=ServiceSpec, description="The Service in front of the server.")
    cache_claim: ClaimName | None = Field(
        default=None, description="Older name of model.cache.claim. Default: a volume that goes with the pod."
    )
    pod_template: dict[str, Any] | None = Field(
        default=None,
        description="Overlay on the pod template (PodTemplateSpec), merged as `kubectl patch --type=strategic` does: "
        "volumes, tolerations, affinity, env, sidecars, annotations; the server's container is named vllm. It wins, "
        "except over what the plan owns, which is refused with reason PodTemplateClash. Default: none.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.gpu) || !has(self.cpu)",
            message="gpu and cpu exclude each other: remove cpu to serve on GPUs, or gpu to use vLLM's CPU backend",
            holds=lambda s: s.gpu is None or s.cpu is None,
        ),
        Rule(
            cel="has(self.cpu) == has(oldSelf.cpu)",
            message="a server cannot move between GPU and CPU backend: create a second VLMDeployment under another "
            "name, or delete this one and create it again",
        ),
        Rule(
            cel="!has(self.cpu) || !has(self.engine) || !has(self.engine.kvCacheMemoryBytes)",
            message="engine.kvCacheMemoryBytes contradicts cpu.kvCacheSpace, which sets the same memory: remove it",
            holds=lambda s: s.cpu is None or s.engine is None or s.engine.kv_cache_memory_bytes is None,
        ),
        Rule(
            cel="!has(self.engine) || !has(self.engine.contextLength) || !has(self.context) || ("
            "(!has(self.context.minimum) || self.engine.contextLength >= self.context.minimum) && "
            "(!has(self.context.maximum) || self.engine.contextLength <= self.context.maximum))",
            message="engine.contextLength lies outside context.minimum and context.maximum: move the bound, or remove "
            "contextLength to have it chosen",
            holds=lambda s: (
                s.engine is None
                or s.engine.context_length is None
                or s.context is None
                or (s.context.minimum or 1) <= s.engine.context_length <= (s.context.maximum or 10**9)
            ),
        ),
        Rule(
            cel="!has(self.engine) || !has(self.engine.tensorParallelSize) || !has(self.gpu) || "
            "!has(self.gpu.count) || self.engine.tensorParallelSize == self.gpu.count",
            message="engine.tensorParallelSize must equal gpu.count: more has no GPU to run on, less leaves GPUs idle; "
            "set one of them only",
            holds=lambda s: (
                s.engine is None
                or s.engine.tensor_parallel_size is None
                or s.gpu is None
                or s.gpu.count in {None, s.engine.tensor_parallel_size}
            ),
        ),
        Rule(
            cel="!has(self.gpu) || !has(self.gpu.share) || !has(self.replicas) || self.replicas <= 1",
            message="replicas must be 0 or 1 with gpu.share: each replica would take its part of the one GPU again",
            holds=lambda s: s.gpu is None or s.gpu.share is None or (s.replicas or 0) <= 1,
        ),
        Rule(
            cel="!has(self.gpu) || !has(self.gpu.share) || !has(self.topology) || !has(self.topology.nodes) || "
            "string(self.topology.nodes) == '1'",
            message="topology.nodes must be 1 with gpu.share: a group shares one GPU of one node",
            holds=lambda s: s.gpu is None or s.gpu.share is None or s.topology is None or s.topology.most_nodes == 1,
        ),
        Rule(
            cel="!has(self.cacheClaim) || !has(self.model.cache)",
            message="cacheClaim is the older name of model.cache.claim: state one of them",
            holds=lambda s: s.cache_claim is None or s.model.cache is None,
        ),
        *(_limit_rule(items, modality) for items, modality in _LIMITED),
    )

    @property
    def model_cache(self) -> ModelCacheSpec | None:
        """``model.cache``, by whichever name it is given."""
        return ModelCacheSpec(claim=self.cache_claim) if self.cache_claim is not None else self.model.cache


def _namespace(name: str) -> str:
    if re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name, re.ASCII) is None:
        raise PydanticCustomError(
            "namespace", "must be at most 63 lower-case letters, digits and dashes, a letter or digit at both ends"
        )
    return name


class ObjectMeta(ApiModel):
    """The part of Kubernetes' metadata that this project reads; other fields are kept as they come."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: Annotated[str, AfterValidator(_namespace)] | None = None
    uid: str | None = None
    generation: Integer | None = None
    resource_version: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class VLMDeployment(ApiModel):
    """A vision-language model, served by vLLM with flags that fit its GPU.

    The operator plans the flags before a pod exists, says in status what it chose and why, and mends them when a
    start-up fails vLLM's own capacity check. `kubectl wait --for=condition=Ready` waits for a serving model.
    """

    api_version: Literal["vlm-operator.dev/v1alpha1"] = API_VERSION
    kind: Literal["VLMDeployment"] = "VLMDeployment"
    metadata: ObjectMeta
    spec: VLMDeploymentSpec
    status: VLMDeploymentStatus | None = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')",
            message="metadata.name must be at most 63 lower-case letters, digits and dashes and start with a letter: "
            "the Service of the server takes it as its DNS name",
            holds=lambda d: _is_dns_label(d.metadata.name),
        ),
    )


def _is_dns_label(name: str) -> bool:
    return (
        len(name) <= 63
        and name.isascii()
        and name[:1].islower()
        and not name.endswith("-")
        and all(character.islower() or character.isdigit() or character == "-" for character in name)
    )
