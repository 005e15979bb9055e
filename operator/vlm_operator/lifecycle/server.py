"""The command and the objects of a plan: the same call for the operator and for ``vlmctl render``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.environment import command_environment
from vlm_operator.engine.extra_flags import extra_settings
from vlm_operator.engine.flags import DEFAULTS, to_arguments
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.lifecycle.fingerprint import fingerprint
from vlm_operator.lifecycle.observations import CPU_PRODUCT
from vlm_operator.lifecycle.situation import Manifest, Pod
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.gpu_choice import GPUOffer
from vlm_operator.rendering import (
    Claim,
    ServerRequest,
    SharedGPU,
    claim_of,
    leader_worker_set,
    pod_arguments,
    render,
    server_request,
)
from vlm_operator.units import parse_bytes


@dataclass(frozen=True, slots=True)
class Server:
    """A model server as it should be.

    Attributes:
        weights_bytes: of the whole model, 0 where they are not known.
    """

    request: ServerRequest
    weights_bytes: int = 0

    @property
    def fingerprint(self) -> str:
        """Of the effective command."""
        return self.request.fingerprint

    @property
    def command(self) -> tuple[str, ...]:
        """As a person would type it."""
        return ("vllm", "serve", *self.request.args)

    def runs_in(self, pod: Pod) -> bool:
        """True where that pod runs this very command, not an earlier one."""
        return pod.args in pod_arguments(self.request) and pod.image == self.request.image

    def objects(self, *, stopped: bool = False) -> tuple[Manifest, ...]:
        """The manifests; ``stopped`` keeps them with no replica, so that the GPU is free and the command readable.

        A server that spans nodes is a LeaderWorkerSet, any other a Deployment; the Service is there for both, and the
        claim of the model cache where one is created.

        Raises:
            PodTemplateClash: the overlay changes what the plan owns.
        """
        request = replace(self.request, replicas=0) if stopped else self.request
        return render(request) if request.nodes == 1 else leader_worker_set(request)


def server_of(
    spec: VLMDeploymentSpec,
    settings: EngineSettings,
    *,
    name: str,
    namespace: str,
    version: EngineVersion,
    offer: GPUOffer | None,
    model: ModelFacts | None,
    weights_bytes: int | None = None,
    nodes: int = 1,
    share: SharedGPU | None = None,
) -> Server:
    """The server that runs ``settings`` of ``model`` on ``offer`` (None: the CPU backend).

    Args:
        weights_bytes: of the whole model, where ``model`` is None.
        nodes: of the offer, that a replica stands on.
        share: the group that shares the GPU, None where the server has GPUs of its own.
    """
    gpus = settings.tensor_parallel_size * settings.pipeline_parallel_size * settings.data_parallel_size
    weights = (weights_bytes or 0) if model is None else _whole_weights(model, settings, version)
    request = server_request(
        spec,
        name=name,
        namespace=namespace,
        version=version,
        flags=to_arguments(_without_extra(settings, spec)),
        fingerprint="",
        gpu_count=gpus,
        nodes=nodes,
        gpu_product=offer.node_label if offer else None,
        weights_bytes=weights or None,
    )
    variables = command_environment(settings, version, offer.gpu.compute_capability if offer else None)
    request = replace(request, env={**request.env, **variables}, claim=_claim(spec, offer, gpus // nodes), share=share)
    product = offer.gpu.label if offer else CPU_PRODUCT
    identity = fingerprint(request.image, request.args, request.resources, product, request.env)
    return Server(replace(request, fingerprint=identity), weights)


def _without_extra(settings: EngineSettings, spec: VLMDeploymentSpec) -> EngineSettings:
    """The settings but for those that ``extraArgs`` sets: the command names a flag once, as the user wrote it."""
    if spec.engine is None or not spec.engine.extra_args:
        return settings
    return settings.with_(**{name: DEFAULTS[name] for name in extra_settings(spec.engine.extra_args)})


def _claim(spec: VLMDeploymentSpec, offer: GPUOffer | None, count: int) -> Claim | None:
    """What a pod claims, None where it asks for an extended resource."""
    claim = spec.gpu.claim if spec.gpu else None
    if claim is None or offer is None:
        return None
    share = None if claim.memory is None else parse_bytes(str(claim.memory), field="gpu.claim.memory")
    return claim_of(offer.gpu, count, claim.device_class, share)


def _whole_weights(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> int:
    """Bytes of the weights of the whole model, 0 where they are not known."""
    alone = settings.with_(tensor_parallel_size=1, pipeline_parallel_size=1, data_parallel_size=1)
    try:
        return weight_bytes(model, alone, version).total
    except UnknownFact:
        return 0
