"""What companions know of the model server that they stand beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from vlm_operator.api.names import API_VERSION, DEPLOYMENT_LABEL, FIELD_MANAGER
from vlm_operator.errors import InputError
from vlm_operator.rendering.leader_worker_set import WORKER_INDEX
from vlm_operator.rendering.server import ServerRequest

VLM_DEPLOYMENT: Final = "VLMDeployment"

DEFAULT_PROMETHEUS: Final = "http://prometheus-operated.monitoring.svc:9090"
"""Headless Service that the Prometheus operator makes, in the namespace its chart is usually installed in."""

DEFAULT_GATEWAY: Final = "inference-gateway"


@dataclass(frozen=True, slots=True)
class SubjectOptions:
    """What the plan does not know.

    Attributes:
        max_replicas: as many as there are GPUs for; None where nobody said.
        prometheus: address that KEDA asks.
        gateway: the Gateway that the route hangs on, as NAME or NAMESPACE/NAME.
        picker: Service of the endpoint picker; empty for the server's name with ``-epp``.
    """

    max_replicas: int | None = None
    prometheus: str = DEFAULT_PROMETHEUS
    gateway: str = DEFAULT_GATEWAY
    picker: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """One model server as its companions see it.

    Attributes:
        name, namespace: of the server's objects.
        served_name: label ``model_name`` of vLLM's metrics.
        target: apiVersion and kind of the object that scales it.
        pods: labels of the pods that answer requests, one a replica.
        group: labels of all pods of the server.
        replicas: as the spec says, 1 where it says nothing.
        concurrency: requests of the whole context that the KV cache of one replica holds; None where not known.
        max_num_seqs: requests that one replica works on at once.
        startup_seconds: how long a start-up may take.
    """

    name: str
    namespace: str
    served_name: str
    target: tuple[str, str]
    pods: Mapping[str, str]
    group: Mapping[str, str]
    replicas: int
    concurrency: float | None
    max_num_seqs: int
    startup_seconds: int
    options: SubjectOptions

    @property
    def kind(self) -> str:
        """Kind of the object that scales it."""
        return self.target[1]

    def metadata(self, **annotations: str) -> dict[str, Any]:
        """Name, namespace and labels; annotations say where figures come from."""
        labels = {
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/managed-by": FIELD_MANAGER,
            **self.group,
        }
        said = {f"figures.vlm-operator.dev/{name.replace('_', '-')}": text for name, text in annotations.items()}
        head = {"name": self.name, "namespace": self.namespace, "labels": labels}
        return {**head, "annotations": said} if said else head

    def scale_target(self) -> dict[str, str]:
        """``scaleTargetRef``.

        Raises:
            InputError: the kind has no scale subresource.
        """
        api_version, kind = self.target
        if kind in _WITHOUT_SCALE:
            raise InputError(
                f"with: {kind} has no scale subresource, so no autoscaler can set its replicas",
                field="with",
                hint="use -o deployment or -o leaderworkerset",
            )
        return {"apiVersion": api_version, "kind": kind, "name": self.name}

    def bounds(self) -> tuple[int, int]:
        """Fewest and most replicas of an autoscaler.

        Raises:
            InputError: nobody said how many there are GPUs for.
        """
        most, fewest = self.options.max_replicas, max(1, self.replicas)
        if most is None:
            raise InputError(
                "max-replicas: an autoscaler needs to know for how many replicas there are GPUs",
                field="max-replicas",
                hint=f"add --max-replicas, at least {fewest}",
            )
        if most < fewest:
            raise InputError(
                f"max-replicas: {most} is less than spec.replicas, {fewest}",
                field="max-replicas",
                hint=f"use at least {fewest}, or lower spec.replicas",
            )
        return fewest, most


_WITHOUT_SCALE: Final = frozenset({"LLMInferenceService", "DisaggregatedSet"})


@dataclass(frozen=True, slots=True)
class ServedBy:
    """The object that scales a server, by the form it is rendered as."""

    api_version: str
    kind: str
    one_leader: bool = False

    @classmethod
    def form(cls, name: str) -> Self:
        """Of ``-o NAME``; ``companions`` is a VLMDeployment that the operator runs."""
        return cls(*_FORMS[name])


_FORMS: Final[Mapping[str, tuple[str, str, bool]]] = {
    "deployment": ("apps/v1", "Deployment", False),
    "leaderworkerset": ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", True),
    "kserve": ("serving.kserve.io/v1alpha2", "LLMInferenceService", False),
    "companions": (API_VERSION, VLM_DEPLOYMENT, False),
}


def subject_of(
    request: ServerRequest,
    form: str,
    *,
    concurrency: float | None,
    max_num_seqs: int,
    options: SubjectOptions,
) -> Subject:
    """The server of a request, rendered as ``form``."""
    by, args = ServedBy.form(form), request.args
    group = {DEPLOYMENT_LABEL: request.name}
    leader = by.one_leader or (by.kind == VLM_DEPLOYMENT and request.nodes > 1)
    named = args[args.index("--served-model-name") + 1] if "--served-model-name" in args else args[0]
    return Subject(
        name=request.name,
        namespace=request.namespace,
        served_name=named,
        target=(by.api_version, by.kind),
        pods={**group, WORKER_INDEX: "0"} if leader else group,
        group=group,
        replicas=1 if request.replicas is None else request.replicas,
        concurrency=concurrency,
        max_num_seqs=max_num_seqs,
        startup_seconds=request.startup_seconds,
        options=options,
    )
