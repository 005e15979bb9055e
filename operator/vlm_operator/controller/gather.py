"""Read everything one decision rests on into a frozen ``Situation``: from the watches' caches, and logs from the API
server. Decides nothing.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from vlm_operator.api.object_names import model_label
from vlm_operator.controller.api_errors import NotFound, Outdated, Rejected
from vlm_operator.controller.cache import DRY_RUN_POD, FACTS, JOB, OBSERVATION, POD, SHARED_CLAIM, share_name
from vlm_operator.controller.client import Client, Object, path_of
from vlm_operator.controller.model_configs import ModelConfig
from vlm_operator.controller.models import Models
from vlm_operator.controller.queue import Key
from vlm_operator.controller.watches import World
from vlm_operator.lifecycle.children import CHILD_KINDS
from vlm_operator.lifecycle.decision import LogRequest
from vlm_operator.lifecycle.gpu_share import group_of
from vlm_operator.lifecycle.situation import (
    ContainerState,
    ContainerStatus,
    Kill,
    Neighbour,
    Pod,
    Rejection,
    Situation,
    StartupKey,
    StartupLog,
    Target,
)
from vlm_operator.rendering import GROUP_INDEX, WORKER_INDEX, PodTemplatePolicy
from vlm_operator.sources.dry_run_program import program_files

SERVER_CONTAINER: Final = "vllm"
"""Name of the container that vLLM runs in, as ``rendering`` writes it."""

LOG_BYTES: Final = 4 * 1024 * 1024
"""Most bytes read of one log."""

LOG_LINES: Final = (5000, 500)
"""Lines asked for from the log's end: fewer at the second try, where the first held more bytes than are read."""


def gather(
    world: World,
    models: Models,
    key: Key,
    *,
    policy: PodTemplatePolicy,
    rejection: Rejection | None,
    now: datetime,
) -> Situation | None:
    """The situation of one VLMDeployment, or None if there is none of that name. Asks the API server nothing.

    Args:
        world: what the watches have seen.
        models: facts of models.
        key: which VLMDeployment.
        policy: what pod templates may ask for.
        rejection: what the API server said to the last children of this VLMDeployment, if it refused them.
        now: the time.
    """
    raw = world.cache.root(key)
    if raw is None:
        return None
    target = read_target(raw)
    pods = [read_pod(pod) for pod in world.cache.belonging(key, (POD,))]
    children = world.cache.belonging(key, [kind.kind for kind in CHILD_KINDS])
    named = target.spec.get("model") or {}
    model = named.get("id")
    facts = tuple(world.cache.belonging(model_label(str(model or named.get("path") or "")), (FACTS,)))
    config_map = _config_map(world, target)
    answer = models.ask(target.spec, facts, target.namespace, config_map)
    jobs = world.cache.belonging(key, (JOB,))
    shared = group_of(target.spec)
    shares = share_name(target.namespace, shared) if shared else ""
    claims = world.cache.belonging(shares, (SHARED_CLAIM,)) if shares else []
    tried = [read_pod(pod) for pod in world.cache.belonging(key, (DRY_RUN_POD,))] if jobs else []
    return Situation(
        target=target,
        now=now,
        nodes=world.nodes.snapshot(),
        gpus_in_use=world.gpus_in_use(but=key, shares=shares),
        children=(*(child for child in children if is_controlled_by(child, target.uid)), *claims),
        pods=tuple(sorted(pods, key=lambda pod: (pod.created_at, pod.name), reverse=True)),
        model=answer.facts,
        model_error=answer.error,
        model_config=config_map.digest if config_map is not None else None,
        observations=tuple(world.cache.belonging(model_label(model), (OBSERVATION,))) if model else (),
        pod_template_policy=policy,
        rejection=rejection if rejection and rejection.generation == target.generation else None,
        engine_facts=facts,
        dry_run_jobs=tuple(job for job in jobs if is_controlled_by(job, target.uid)),
        dry_run_pods=tuple(sorted(tried, key=lambda pod: (pod.created_at, pod.name), reverse=True)),
        dry_run_program=_program(),
        missing_kinds=world.missing_kinds(),
        neighbours=_neighbours(world, models, key, shares) if shares else (),
    )


def _config_map(world: World, target: Target) -> ModelConfig | None:
    """The ConfigMap that the spec names for the model's config, None where it names none or none is seen."""
    config = (target.spec.get("model") or {}).get("config") or {}
    name = (config.get("configMapRef") or {}).get("name")
    return world.model_configs.find(target.namespace, str(name)) if name else None


def _neighbours(world: World, models: Models, but: Key, shares: str) -> tuple[Neighbour, ...]:
    """The others that share the GPU with ``but``."""
    found = []
    for key in world.cache.sharing(shares):
        raw = world.cache.root(key) if key != but else None
        if raw is None:
            continue
        target = read_target(raw)
        answer = models.ask(target.spec, (), target.namespace, _config_map(world, target))
        pods = tuple(read_pod(pod) for pod in world.cache.belonging(key, (POD,)))
        found.append(Neighbour(target, answer.facts, answer.error, pods))
    return tuple(found)


@functools.cache
def _program() -> Mapping[str, str]:
    """The program's files, read once."""
    return program_files()


def read_log(client: Client, namespace: str, request: LogRequest) -> StartupLog:
    """The log a decision asked for, bounded; or the API server's words why there is none.

    The kubelet keeps two logs, the present run's and the one before, and tells neither which run it is of: between the
    look at the pod and the reading the container may have been started again. So the pod is looked at once more.

    Raises:
        Outdated: the pod is another, or has been started again more than once: look at everything anew.
        RetryLater: the API server or the kubelet does not answer now.
    """
    pod_path = path_of("v1", "Pod", namespace, request.pod_name)
    previous = request.previous
    for _ in range(2):
        log = _read(client, f"{pod_path}/log", request.key, previous=previous)
        now = _present_run(client, pod_path, request.key)
        if now is None or request.key.run not in {now, now - 1}:
            raise Outdated(f"{pod_path}: run {request.key.run} of {request.key.container} is not among its last two")
        # A container that waits to be started again has its last run's log as the previous one, too.
        if previous or now == request.key.run:
            break
        previous = True
    return replace(log, kills=_kills(client, namespace, request.key)) if request.kills else log


def _kills(client: Client, namespace: str, key: StartupKey) -> tuple[Kill, ...]:
    """The kubelet's events about killing this container, oldest first; none where they may not be read."""
    query = {"fieldSelector": f"involvedObject.uid={key.pod_uid},reason=Killing"}
    try:
        found = json.loads(client.text(f"/api/v1/namespaces/{namespace}/events", query)).get("items") or ()
    except (Rejected, ValueError):
        return ()
    about = [
        item for item in found if f"{{{key.container}}}" in ((item.get("involvedObject") or {}).get("fieldPath") or "")
    ]
    kills = (
        Kill(
            item.get("message") or "", item.get("lastTimestamp") or item.get("eventTime") or item.get("firstTimestamp")
        )
        for item in about
    )
    return tuple(sorted(kills, key=lambda kill: kill.at or ""))


def _present_run(client: Client, pod_path: str, key: StartupKey) -> int | None:
    """How often the container has been started again by now; None if the pod is another or gone."""
    raw = client.find(pod_path)
    if raw is None or raw["metadata"]["uid"] != key.pod_uid:
        return None
    status = read_pod(raw).container(key.container)
    return status.restart_count if status is not None else None


def _read(client: Client, path: str, key: StartupKey, *, previous: bool) -> StartupLog:
    query = {"container": key.container, "limitBytes": str(LOG_BYTES), **({"previous": "true"} if previous else {})}
    text = ""
    try:
        for lines in LOG_LINES:
            text = client.text(path, {**query, "tailLines": str(lines)})
            if len(text.encode()) < LOG_BYTES:
                return StartupLog(key, text, truncated=text.count("\n") >= lines)
        return StartupLog(key, text, truncated=True)
    except NotFound as error:
        return StartupLog(key, None, unreadable=error.message, gone=True)
    except Rejected as error:
        # "previous terminated container … not found" comes as 400: that run's log was rotated away.
        return StartupLog(key, None, unreadable=error.message, gone="not found" in error.message)


# --- objects --------------------------------------------------------------------------------------------------------


def read_target(raw: Object) -> Target:
    """A VLMDeployment as the API server has it."""
    metadata = raw["metadata"]
    return Target(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        resource_version=metadata["resourceVersion"],
        spec=raw.get("spec") or {},
        status=raw.get("status") or {},
        annotations=metadata.get("annotations") or {},
        labels=metadata.get("labels") or {},
        deleting="deletionTimestamp" in metadata,
    )


def read_pod(raw: Mapping[str, Any]) -> Pod:
    """A pod of a model server."""
    metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    server: Mapping[str, Any] = next((item for item in spec["containers"] if item["name"] == SERVER_CONTAINER), {})
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        created_at=metadata["creationTimestamp"],
        phase=status.get("phase", "Unknown"),
        args=tuple(server.get("args") or ()),
        image=server.get("image", ""),
        containers=tuple(_container(item) for item in status.get("containerStatuses") or ()),
        init_containers=tuple(_container(item) for item in status.get("initContainerStatuses") or ()),
        conditions={
            item["type"]: (item["status"], item.get("reason", ""), item.get("message", ""))
            for item in status.get("conditions") or ()
        },
        annotations=metadata.get("annotations") or {},
        node_name=spec.get("nodeName"),
        template_hash=labels.get("pod-template-hash"),
        reason=status.get("reason"),
        message=status.get("message"),
        deleting="deletionTimestamp" in metadata,
        grace_seconds=metadata.get("deletionGracePeriodSeconds"),
        startup_probe_seconds=_probe_seconds(server.get("startupProbe")),
        owner_uid=next(
            (str(each["uid"]) for each in metadata.get("ownerReferences") or () if each.get("controller")), None
        ),
        group=labels.get(GROUP_INDEX),
        rank=int(labels.get(WORKER_INDEX) or 0),
        address=status.get("podIP"),
    )


def _probe_seconds(probe: Mapping[str, Any] | None) -> int | None:
    """How long a probe lets a container start, with Kubernetes' defaults for what it does not say."""
    if probe is None:
        return None
    return int(probe.get("initialDelaySeconds") or 0) + int(probe.get("periodSeconds") or 10) * int(
        probe.get("failureThreshold") or 3
    )


def _container(raw: Mapping[str, Any]) -> ContainerStatus:
    return ContainerStatus(
        name=raw["name"],
        ready=bool(raw.get("ready")),
        started=bool(raw.get("started")),
        restart_count=raw.get("restartCount", 0),
        state=_state(raw.get("state") or {}) or ContainerState("waiting"),
        last_state=_state(raw.get("lastState") or {}),
    )


def _state(raw: Mapping[str, Any]) -> ContainerState | None:
    for kind in ("terminated", "running", "waiting"):
        if (state := raw.get(kind)) is not None:
            return ContainerState(
                kind=kind,
                reason=state.get("reason"),
                message=state.get("message"),
                exit_code=state.get("exitCode"),
                signal=state.get("signal"),
                started_at=state.get("startedAt"),
                finished_at=state.get("finishedAt"),
            )
    return None


def is_controlled_by(child: Mapping[str, Any], uid: str) -> bool:
    """True if the object with this UID is the child's controller."""
    owners = (child["metadata"].get("ownerReferences")) or ()
    return any(owner.get("controller") and owner.get("uid") == uid for owner in owners)
