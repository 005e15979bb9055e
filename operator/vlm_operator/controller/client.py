"""Requests to the API server: plain JSON in and out, through the kubernetes client's connections.

The kubernetes package's models cost 16 times as much to read as JSON and drop fields they do not know, and its request
serialization walks every body in Python. Its configuration, authentication and connection pool are used, no more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self
from urllib.parse import urlencode

import kubernetes.client
import kubernetes.config
import urllib3

from vlm_operator.api.names import FIELD_MANAGER
from vlm_operator.controller.api_errors import NotFound, RetryLater, error_of
from vlm_operator.errors import ClusterUnreachable
from vlm_operator.lifecycle.children import CHILD_KINDS

REQUEST_SECONDS: Final = 30
"""Longest time one request may take."""

CONNECT_SECONDS: Final = 10
"""Longest time until a connection for a watch is there."""

SILENCE_SECONDS: Final = 90
"""A watch that says nothing for so long is dead: the API server sends a bookmark about once a minute."""

CHUNK_BYTES: Final = 1 << 16
"""Most bytes taken from a stream at once."""

UNAUTHORIZED: Final = 401

AUTHORIZATION_SECONDS: Final = 10.0
"""How long one set of authorization headers is used. The kubernetes client looks for a new token at most once a minute;
asking it for every request costs a tenth of a reconcile's processor time."""

PLURALS: Final = {
    **{kind.kind: kind.plural for kind in CHILD_KINDS},
    "VLMDeployment": "vlmdeployments",
    "StartupObservation": "startupobservations",
    "EngineFacts": "enginefacts",
    "GPUFitReport": "gpufitreports",
    "GPUNode": "gpunodes",
    "Job": "jobs",
    "ConfigMap": "configmaps",
    "Event": "events",
    "Node": "nodes",
    "Pod": "pods",
    "Lease": "leases",
    "ResourceSlice": "resourceslices",
    "ResourceClaim": "resourceclaims",
    "DeviceClass": "deviceclasses",
}
"""Kinds this operator reads or writes, as they stand in a path."""

NO_VERSION: Final = "1"
"""A resource version that no object has: the first that etcd gives is 2."""

Object = dict[str, Any]


def path_of(api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
    """The path of an object, or of all of that kind.

    >>> path_of("apps/v1", "Deployment", "default", "qwen3-vl")
    '/apis/apps/v1/namespaces/default/deployments/qwen3-vl'
    """
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    parts = [root, *(["namespaces", namespace] if namespace else []), PLURALS[kind], *([name] if name else [])]
    return "/".join(parts)


def _nothing(_: Object) -> None:
    """Nobody wants to know what was written."""


class Client:
    """Requests to one API server. Safe to use from several threads.

    Args:
        api: configuration, authentication and connections.

    Attributes:
        wrote: called with every object as the API server returned it after a write.
        may_write: False where this process must not write now; each write asks.
        request_seconds: longest time one request may take.
    """

    def __init__(self, api: kubernetes.client.ApiClient) -> None:
        self._api = api
        self.request_seconds: float = REQUEST_SECONDS
        self.wrote: Callable[[Object], None] = _nothing
        self.may_write: Callable[[], bool] = lambda: True
        self._authorization: tuple[float, dict[str, str]] = (float("-inf"), {})
        self._pool, self._root = _connections(api)

    @classmethod
    def connect(cls, *, connections: int = 16) -> Self:
        """As the pod's ServiceAccount inside a cluster, else as KUBECONFIG or ``~/.kube/config`` says.

        Args:
            connections: kept open at once.

        Raises:
            ClusterUnreachable: nothing says which cluster.
        """
        configuration = kubernetes.client.Configuration()
        try:
            kubernetes.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except kubernetes.config.ConfigException:
            try:
                kubernetes.config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            except kubernetes.config.ConfigException as error:
                raise ClusterUnreachable(
                    f"neither a pod's ServiceAccount nor a kubeconfig says which cluster: {error}",
                    hint="run it in a cluster, or let KUBECONFIG name a kubeconfig",
                ) from error
        configuration.retries = urllib3.Retry(total=0, redirect=0, raise_on_status=False)  # the queue backs off
        configuration.connection_pool_maxsize = connections
        return cls(kubernetes.client.ApiClient(configuration))

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """The object at this path.

        Raises:
            NotFound, RetryLater, Rejected: see ``api_errors``; so do all methods below.
        """
        return self._json("GET", path, query)

    def find(self, path: str) -> Object | None:
        """The object at this path, or None where there is none."""
        try:
            return self.get(path)
        except NotFound:
            return None

    def list(self, path: str, *, labels: str = "") -> list[Object]:
        """Objects at this path with these labels, each with its kind filled in."""
        answer = self.get(path, {"labelSelector": labels} if labels else {})
        kind = str(answer.get("kind", "")).removesuffix("List")
        return [{"apiVersion": answer.get("apiVersion"), "kind": kind, **item} for item in answer.get("items", ())]

    def watch(self, path: str, query: Mapping[str, str]) -> Iterator[Object]:
        """Events of a watch as they come, until the server ends it.

        Raises:
            RetryLater: the connection broke, was silent for too long, or what came is not JSON.
        """
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS)
        answer = self._send("GET", path, {**query, "watch": "true"}, timeout=timeout, stream=True)
        rest = b""
        try:
            if answer.status >= 400:
                raise error_of(answer.status, _status(answer.data), answer.headers, f"GET {path}?watch")
            for chunk in answer.stream(CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (_event(line) for line in lines if line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise RetryLater(f"watch {path} broke: {error}") from error
        finally:
            answer.close()

    def apply(self, path: str, manifest: Mapping[str, Any]) -> Object:
        """Server-side apply: these fields are ours, whoever else wrote them."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._written(self._json("PATCH", path, query, manifest, "application/apply-patch+yaml"))

    def apply_new(self, path: str, manifest: Mapping[str, Any]) -> Object:
        """Server-side apply of what is not there; ``Outdated`` where an object of that name exists, whoever made it.

        No object has the version that is asked for, so an existing one is a conflict. (Tested on a real API server.)
        """
        return self.apply(path, {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": NO_VERSION}})

    def create(self, path: str, manifest: Mapping[str, Any]) -> Object:
        """Create an object; 409 where it exists."""
        return self._written(self._json("POST", path, {"fieldManager": FIELD_MANAGER}, manifest))

    def update(self, path: str, manifest: Mapping[str, Any]) -> Object:
        """Replace an object; 409 where it is no longer the version that ``manifest`` names."""
        return self._written(self._json("PUT", path, {"fieldManager": FIELD_MANAGER}, manifest))

    def delete(self, path: str, *, uid: str | None = None, grace_seconds: int | None = None) -> None:
        """Delete the object, if it is still the one with this UID; fine if it is gone.

        Args:
            grace_seconds: time a pod is given to end; None leaves it to the pod.
        """
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            self._json("DELETE", path, body=body)
        except NotFound:
            return

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """An answer that is no JSON, such as a log."""
        return self._request("GET", path, query).decode("utf-8", errors="replace")

    def _written(self, answer: Object) -> Object:
        self.wrote(answer)
        return answer

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        content = self._request(method, path, query, body, content_type)
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise RetryLater(f"{method} {path}: the answer is not JSON: {content[:200]!r}") from error
        if not isinstance(answer, dict):
            raise RetryLater(f"{method} {path}: the answer is no object: {content[:200]!r}")
        return answer

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        answer = self._send(
            method, path, query, body, content_type, timeout=urllib3.Timeout(total=self.request_seconds), stream=False
        )
        if answer.status == UNAUTHORIZED:
            self._authorization = (float("-inf"), {})  # the token has expired before its time
        if answer.status >= 400:
            raise error_of(answer.status, _status(answer.data), answer.headers, f"{method} {path}")
        return answer.data

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        *,
        timeout: urllib3.Timeout,
        stream: bool,
    ) -> urllib3.BaseHTTPResponse:
        if method != "GET" and not self.may_write():
            raise RetryLater(f"{method} {path}: not sent, another operator holds the lease")
        try:
            headers = {"Accept": "application/json", **self._api.default_headers, **self._authorized()}
            if body is not None:
                headers["Content-Type"] = content_type
            return self._pool.urlopen(
                method,
                f"{self._root}{path}{f'?{urlencode(query)}' if query else ''}",
                body=None if body is None else json.dumps(body, separators=(",", ":")).encode(),
                headers=headers,
                timeout=timeout,
                preload_content=not stream,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise RetryLater(f"{method} {path}: no answer: {error}") from error

    def _authorized(self) -> dict[str, str]:
        """The authorization headers: those of the last seconds, or asked for again."""
        asked, headers = self._authorization
        if time.monotonic() - asked > AUTHORIZATION_SECONDS:
            headers = {}
            self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
            self._authorization = (time.monotonic(), headers)
        return headers


def _connections(api: kubernetes.client.ApiClient) -> tuple[urllib3.HTTPConnectionPool | urllib3.PoolManager, str]:
    """What sends requests, and what their paths begin with.

    It is the pool of the one host's connections: looking for it anew took a tenth of each request's processor time. A
    proxy for plain HTTP wants whole addresses, which only the manager sends it.
    """
    host, manager = api.configuration.host, api.rest_client.pool_manager
    parts = urllib3.util.parse_url(host)
    if parts.scheme != "https" and isinstance(manager, urllib3.ProxyManager):
        return manager, host
    return manager.connection_from_url(host), (parts.path or "").rstrip("/")


def _event(line: bytes) -> Object:
    event = json.loads(line)
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict) or "type" not in event:
        raise ValueError(f"no event: {line[:200]!r}")
    return event


def _status(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        return {"message": content[:500].decode("utf-8", errors="replace")}
    return body if isinstance(body, dict) else {}
