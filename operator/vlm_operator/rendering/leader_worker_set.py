"""A LeaderWorkerSet and its Service: a replica over several nodes, one pod a node (``leaderworkerset.x-k8s.io/v1``).

Every pod runs the same ``vllm serve`` as another rank of vLLM's multiprocessing backend. LeaderWorkerSet tells a pod
its rank, the size of its group and the leader's address in its environment (``LWS_*``), which Kubernetes puts into the
arguments. Only the leader answers requests, so the Service and the probes are its own. When a pod of a group ends, all
of the group start anew: the ranks of a broken group wait for one another for ever.

A group has a subdomain of its own (``UniquePerReplica``): with a shared one, LeaderWorkerSet 0.9 makes a headless
Service of the name of the LeaderWorkerSet, under which clients ask for the model.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from vlm_operator.rendering.pod_template import CONTAINER
from vlm_operator.rendering.ranks import rank_arguments
from vlm_operator.rendering.server import ServerRequest, claim_objects, one_node_objects

WORKER_INDEX: Final = "leaderworkerset.sigs.k8s.io/worker-index"
"""Label that LeaderWorkerSet gives every pod of a group: 0 on the leader."""

GROUP_INDEX: Final = "leaderworkerset.sigs.k8s.io/group-index"
"""Label that LeaderWorkerSet gives every pod: which group of the set it belongs to."""

_PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")


def leader_worker_set(request: ServerRequest) -> tuple[dict[str, Any], ...]:
    """The objects, in the order of application: what the pods claim, LeaderWorkerSet, Service.

    Raises:
        PodTemplateClash, InputError: as ``rendering.render``.
    """
    deployment, service = one_node_objects(request)
    pod, metadata = deployment["spec"]["template"], deployment["metadata"]
    group: dict[str, Any] = {"size": request.nodes, "restartPolicy": "RecreateGroupOnPodRestart"}
    if request.nodes == 1:
        group["workerTemplate"] = pod
    else:
        group["leaderTemplate"] = ranked(pod, headless=False)
        group["workerTemplate"] = ranked(pod, headless=True)
    spec: dict[str, Any] = {} if request.replicas is None else {"replicas": request.replicas}
    spec |= {
        "startupPolicy": "LeaderCreated",
        # A new group needs the GPUs of the old one.
        "rolloutStrategy": {
            "type": "RollingUpdate",
            "rollingUpdateConfiguration": {"maxUnavailable": 1, "maxSurge": 0},
        },
        "networkConfig": {"subdomainPolicy": "UniquePerReplica"},
        "leaderWorkerTemplate": group,
    }
    service["spec"]["selector"] = {**service["spec"]["selector"], WORKER_INDEX: "0"}
    kind = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet"}
    apart = f"a replica stands on {request.nodes} nodes" if request.nodes > 1 else ""
    return (*claim_objects(request, apart), {**kind, "metadata": metadata, "spec": spec}, service)


def ranked(pod: dict[str, Any], *, headless: bool) -> dict[str, Any]:
    """The pod of one rank; a headless one serves no port that a probe could ask."""
    ranked = copy.deepcopy(pod)
    (server,) = (each for each in ranked["spec"]["containers"] if each["name"] == CONTAINER)
    server["args"] = [*server["args"], *_rank_arguments(headless=headless)]
    if headless:
        for field in (*_PROBES, "ports"):
            server.pop(field, None)
        for annotation in [name for name in ranked["metadata"]["annotations"] if name.startswith("prometheus.io/")]:
            del ranked["metadata"]["annotations"][annotation]
    return ranked


def pod_arguments(request: ServerRequest) -> tuple[tuple[str, ...], ...]:
    """Arguments of each sort of pod that serves the request: leader and workers where it spans nodes."""
    if request.nodes == 1:
        return (request.args,)
    return tuple((*request.args, *_rank_arguments(headless=headless)) for headless in (False, True))


def _rank_arguments(*, headless: bool) -> tuple[str, ...]:
    return rank_arguments("$(LWS_GROUP_SIZE)", "$(LWS_WORKER_INDEX)", "$(LWS_LEADER_ADDRESS)", headless=headless)
