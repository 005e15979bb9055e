"""Locate the log of a pod's model server: the container that terminated last comes first, it tells the cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.errors import ClusterUnreachable, InputError

_CHUNK_BYTES: Final = 256 * 1024
_LIMIT_BYTES: Final = 512 * 1024 * 1024
_PREFERRED: Final = "vllm"
_TIMEOUT_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class PodLog:
    """A stream of log bytes and the words that say whose they are."""

    chunks: Iterator[bytes]
    description: str


def read_pod_log(name: str, *, context: str | None, namespace: str | None, container: str | None) -> PodLog:
    """The log of pod ``name``: of the previous run of its container, or of the present one if there was none.

    Raises:
        InputError: no such context, pod or container.
        ClusterUnreachable: the API server does not answer.
    """
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        connection = config.new_client_from_config(context=context)  # type: ignore[no-untyped-call]
        api: Any = client.CoreV1Api(connection)
        namespace = namespace or namespace_of(config, context)
    except config.ConfigException as error:
        raise InputError(f"context: {error}", field="context", hint="kubectl config get-contexts lists them") from error
    try:
        pod = api.read_namespaced_pod(name, namespace, _request_timeout=_TIMEOUT_SECONDS)
        chosen = _container(pod, container)
        state = next((each for each in pod.status.container_statuses or [] if each.name == chosen), None)
        restarted = state is not None and state.restart_count > 0
        for previous in (True, False) if restarted else (False,):
            try:
                response = api.read_namespaced_pod_log(
                    name, namespace, container=chosen, previous=previous, limit_bytes=_LIMIT_BYTES,
                    _preload_content=False, _request_timeout=_TIMEOUT_SECONDS,
                )  # fmt: skip
            except ApiException as error:
                if previous and error.status in (400, 404):  # rotated away with its container
                    continue
                raise
            run = "previous run" if previous else "present run"
            return PodLog(response.stream(_CHUNK_BYTES), f"pod {namespace}/{name}, container {chosen}, {run}")
    except ApiException as error:
        if error.status == 404:
            raise InputError(
                f"pod: {name!r} is not in namespace {namespace!r}",
                field="pod",
                hint=f"kubectl get pods -n {namespace} lists them",
            ) from error
        if error.status == 400:
            raise InputError(f"pod: {name!r} has no log yet: {error.reason}", field="pod") from error
        raise ClusterUnreachable(
            f"cluster: the API server answered {error.status} {error.reason}",
            hint="check credentials and access to pods/log",
        ) from error
    except (HTTPError, OSError) as error:
        raise ClusterUnreachable(
            f"cluster: the API server does not answer: {error}", hint="check the context and the network"
        ) from error
    raise InputError(f"pod: {name!r} has no log yet", field="pod")


def namespace_of(config: Any, context: str | None) -> str:
    """The context's namespace, ``default`` where it names none."""
    contexts, active = config.list_kube_config_contexts()
    chosen = next((each for each in contexts if each["name"] == context), None) if context else active
    return str((chosen or {}).get("context", {}).get("namespace") or "default")


def _container(pod: Any, asked: str | None) -> str:
    names = [each.name for each in pod.spec.containers]
    if asked is None:
        return _PREFERRED if _PREFERRED in names else str(names[0])
    if asked not in names:
        raise InputError(
            f"container: {asked!r} is not in pod {pod.metadata.name!r}",
            field="container",
            hint=f"its containers: {', '.join(names)}",
        )
    return asked
