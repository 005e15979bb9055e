"""How are requests to the API server made? Plain JSON in and out, through the kubernetes client's connection.

The typed models of the kubernetes package cost 16 times as much to read as JSON and drop fields they do not know, so
its transport, configuration and authentication are used and its models are not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Self

import kubernetes.client
import kubernetes.config
import urllib3

from vlm_operator.api.names import FIELD_MANAGER
from vlm_operator.controller.api_errors import NotFound, RetryLater, error_of
from vlm_operator.errors import ClusterUnreachable
from vlm_operator.lifecycle.children import CHILD_KINDS

REQUEST_SECONDS: Final = 30
"""Longest time one request may take."""

PAGE: Final = 500
"""Objects of one answer to a listing."""

METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Content type of a listing without ``spec`` and ``status``."""

PLURALS: Final = {
    **{kind.kind: kind.plural for kind in CHILD_KINDS},
    "VLMDeployment": "vlmdeployments",
    "StartupObservation": "startupobservations",
    "Event": "events",
    "Node": "nodes",
    "Pod": "pods",
}
"""Kinds this operator reads or writes, as they stand in a path."""

Object = dict[str, Any]


def path_of(api_version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
    """The path of an object, or of all of that kind.

    >>> path_of("apps/v1", "Deployment", "default", "qwen3-vl")
    '/apis/apps/v1/namespaces/default/deployments/qwen3-vl'
    """
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    parts = [root, *(["namespaces", namespace] if namespace else []), PLURALS[kind], *([name] if name else [])]
    return "/".join(parts)


class Client:
    """Requests to one API server. Safe to use from several threads."""

    def __init__(self, api: kubernetes.client.ApiClient) -> None:
        self._api = api

    @classmethod
    def connect(cls) -> Self:
        """As the pod's ServiceAccount inside a cluster, else as KUBECONFIG or ``~/.kube/config`` says.

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
        configuration.connection_pool_maxsize = 16
        return cls(kubernetes.client.ApiClient(configuration))

    def get(self, path: str) -> Object:
        """The object at this path.

        Raises:
            NotFound, RetryLater, Rejected: see ``api_errors``; so do all methods below.
        """
        return self._json("GET", path)

    def find(self, path: str) -> Object | None:
        """The object at this path, or None where there is none."""
        try:
            return self.get(path)
        except NotFound:
            return None

    def list(self, path: str, *, labels: str = "") -> list[Object]:
        """Objects at this path with these labels, each with its kind filled in."""
        answer = self._json("GET", path, {"labelSelector": labels} if labels else {})
        kind = str(answer.get("kind", "")).removesuffix("List")
        return [{"apiVersion": answer.get("apiVersion"), "kind": kind, **item} for item in answer.get("items", ())]

    def uids(self, path: str) -> set[str]:
        """UIDs of all objects at this path; the server sends their metadata only."""
        found: set[str] = set()
        query = {"limit": str(PAGE)}
        while True:
            page = json.loads(self._request("GET", path, query, accept=METADATA_ONLY))
            found.update(item["metadata"]["uid"] for item in page["items"])
            if not (rest := page["metadata"].get("continue")):
                return found
            query["continue"] = rest

    def apply(self, path: str, manifest: Mapping[str, Any]) -> Object:
        """Server-side apply: these fields are ours, whoever else wrote them."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._json("PATCH", path, query, manifest, "application/apply-patch+yaml")

    def create(self, path: str, manifest: Mapping[str, Any]) -> Object:
        """Create an object; 409 where it exists."""
        return self._json("POST", path, {"fieldManager": FIELD_MANAGER}, manifest)

    def delete(self, path: str, *, uid: str | None = None) -> None:
        """Delete the object, if it is still the one with this UID; fine if it is gone."""
        body = {"propagationPolicy": "Background", **({"preconditions": {"uid": uid}} if uid else {})}
        try:
            self._json("DELETE", path, body=body)
        except NotFound:
            return

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """An answer that is no JSON, such as a log."""
        return self._request("GET", path, query).decode("utf-8", errors="replace")

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        answer: Object = json.loads(self._request(method, path, query, body, content_type))
        return answer

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        *,
        accept: str = "application/json, */*",
    ) -> bytes:
        headers = {"Accept": accept, "Content-Type": content_type}
        try:
            method, url, headers, sent, _ = self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params=headers,
                body=dict(body) if body is not None else None,
                auth_settings=["BearerToken"],
            )
            answer = self._api.call_api(method, url, headers, sent, _request_timeout=REQUEST_SECONDS)
            content: bytes = answer.read()  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise RetryLater(f"{method} {path}: no answer: {error}") from error
        if answer.status >= 400:
            raise error_of(answer.status, _status(content), answer.headers, f"{method} {path}")
        return content


def _status(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        return {"message": content[:500].decode("utf-8", errors="replace")}
    return body if isinstance(body, dict) else {}
