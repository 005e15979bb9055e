"""The cluster as the API server gives it: read-only, with the rights that it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import click

from vlm_operator.api.names import API_VERSION
from vlm_operator.audit.audit import Cluster, read_cluster
from vlm_operator.audit.container_command import config_maps_named
from vlm_operator.audit.gpu_objects import GPUObjects
from vlm_operator.audit.server_pod import ServerPod, read_servers
from vlm_operator.cli.audit_files import data_of, in_namespace
from vlm_operator.errors import ClusterUnreachable, InputError
from vlm_operator.planning.traffic import LARGEST_PAGE, Traffic, read_traffic

RIGHTS: Final = (
    ("list", "nodes", "GPUs and their labels"),
    ("list", "pods", "servers, and GPUs in use"),
    ("list", "resourceslices", "GPUs that claims are given (optional)"),
    ("list", "resourceclaims", "which of them are in use (optional)"),
    ("list", "gpunodes", "memory that agents measure (optional)"),
    ("get", "configmaps", "config files of servers (optional)"),
    ("get", "pods/proxy", "/metrics of servers (optional)"),
)
"""Verb, resource, what for. The chart's ``audit.rbac.create`` makes a ClusterRole of them."""

_PAGE: Final = 500
_TIMEOUT_SECONDS: Final = 30
_METRICS_SECONDS: Final = 5
_READERS: Final = 16
_PORT: Final = 8000


def read_live(context: str | None, namespace: str | None, *, with_metrics: bool) -> Cluster:
    """The cluster of a kubeconfig's context.

    Raises:
        InputError: no such context.
        ClusterUnreachable: the API server does not answer, or a right is missing that the audit cannot do without.
    """
    from kubernetes import client

    api = Api(client.ApiClient(connect(context)))
    nodes, pods = list(api.listed("nodes")), list(api.listed("pods"))
    own = [pod for pod in pods if namespace in (None, pod["metadata"]["namespace"])]
    servers = {(each.workload.namespace, each.name): each for each in read_servers(own, {})}
    config_maps = api.config_maps([pod for pod in own if _name(pod) in servers])
    traffic = api.traffic(own, servers) if with_metrics else {}
    others = gpu_objects(api)
    for words in api.missing:
        click.echo(words, err=True)
    return in_namespace(read_cluster(nodes, pods, data_of(config_maps), traffic, others), namespace)


def gpu_objects(api: Api) -> GPUObjects:
    """Devices, claims and measurements; a kind that the cluster lacks is empty, one that may not be read is said."""

    def listed(plural: str, root: str) -> tuple[dict[str, Any], ...]:
        try:
            return tuple(api.listed(plural, root))
        except ClusterUnreachable as error:
            if error.hint is not None and "right" in error.hint:
                api.missing.append(f"{plural} are not read: {error.message}; {error.hint}")
            elif "404" not in error.message:
                raise
            return ()

    dra = "/apis/resource.k8s.io/v1"
    slices, claims = listed("resourceslices", dra), listed("resourceclaims", dra)
    return GPUObjects(slices, claims, listed("gpunodes", f"/apis/{API_VERSION}"))


def connect(context: str | None) -> Any:
    """Configuration of a connection: a kubeconfig's, or in a pod without one that of its ServiceAccount.

    Raises:
        InputError: no such context, or nothing says which cluster.
    """
    from kubernetes import client, config
    from urllib3 import Retry

    try:
        configuration = config.new_client_from_config(context=context).configuration  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        configuration = client.Configuration()
        try:
            if context is not None:
                raise error
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            raise InputError(
                f"context: {error}", field="context", hint="kubectl config get-contexts lists them"
            ) from None
    configuration.retries = Retry(total=0, raise_on_status=False)
    return configuration


def _name(pod: dict[str, Any]) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


class Api:
    """Reads raw JSON; typed objects take ten times as long.

    Attributes:
        missing: what could not be read for want of a right, each in one sentence.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self.missing: list[str] = []

    def listed(self, plural: str, root: str = "/api/v1") -> Iterator[dict[str, Any]]:
        """Every object of one kind, page by page.

        Args:
            root: path of the API group and version.
        """
        more: str | None = None
        while True:
            query = [("limit", str(_PAGE)), *([("continue", more)] if more else [])]
            page = self._get(f"{root}/{plural}", query, verb="list", resource=plural)
            yield from page["items"]
            more = page["metadata"].get("continue")
            if not more:
                return

    def config_maps(self, pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """ConfigMaps that the commands of these pods may depend on."""
        names = sorted({(pod["metadata"]["namespace"], name) for pod in pods for name in config_maps_named(pod)})
        found = []
        for namespace, name in names:
            try:
                path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
                found.append(self._get(path, [], verb="get", resource="configmaps"))
            except ClusterUnreachable as error:
                if error.hint is None:
                    continue  # not there
                self.missing.append(f"config files are not read: {error.message}; {error.hint}")
                break
        return found

    def traffic(
        self, pods: list[dict[str, Any]], servers: dict[tuple[str, str], ServerPod]
    ) -> dict[tuple[str, str], Traffic]:
        """Metrics of the servers that serve, through the API server."""
        named = [(_name(pod), _port(pod, servers[_name(pod)])) for pod in pods if _name(pod) in servers]
        named = [(name, port) for name, port in named if servers[name].state.serves]
        if not named:
            return {}
        first, *others = named
        try:
            pages = [self.metrics(*first)]
        except ClusterUnreachable as error:
            self.missing.append(f"metrics are not read: {error.message}; {error.hint or 'see --no-metrics'}")
            return {}
        with ThreadPoolExecutor(_READERS) as readers:
            pages += readers.map(lambda each: self._metrics_or_none(*each), others)
        return {name: page for (name, _), page in zip(named, pages, strict=True) if page is not None}

    def _metrics_or_none(self, name: tuple[str, str], port: int) -> Traffic | None:
        try:
            return self.metrics(name, port)
        except ClusterUnreachable:
            return None

    def metrics(self, name: tuple[str, str], port: int) -> Traffic | None:
        """The page of metrics of a pod, through the API server; None where there is none.

        Raises:
            ClusterUnreachable: only where the right is missing.
        """
        path = f"/api/v1/namespaces/{name[0]}/pods/{name[1]}:{port}/proxy/metrics"
        try:
            data = self._call(path, [], "get", "pods/proxy", _METRICS_SECONDS)
        except ClusterUnreachable as error:
            if error.hint is not None and "pods/proxy" in error.hint:
                raise
            return None
        return read_traffic(data[:LARGEST_PAGE].decode(errors="replace"))

    def _get(self, path: str, query: list[tuple[str, str]], *, verb: str, resource: str) -> Any:
        return json.loads(self._call(path, query, verb, resource, _TIMEOUT_SECONDS))

    def _call(self, path: str, query: list[tuple[str, str]], verb: str, resource: str, seconds: int) -> bytes:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        request = self._client.param_serialize("GET", path, query_params=query, auth_settings=["BearerToken"])
        try:
            answer = self._client.call_api(*request, _request_timeout=seconds)
            data: bytes = answer.read() or b""
        except ApiException as error:
            raise _refused(error.status, error.reason, verb, resource) from None
        except (HTTPError, OSError) as error:
            raise ClusterUnreachable(
                f"cluster: the API server does not answer: {error}", hint="check the context and the network"
            ) from None
        if answer.status >= 400:
            raise _refused(answer.status, answer.reason, verb, resource)
        return data


def _refused(status: int, reason: str, verb: str, resource: str) -> ClusterUnreachable:
    """What the API server refused; the hint names the right where one is missing."""
    message = f"cluster: the API server answered {status} {reason} to {verb} {resource}"
    if status in (401, 403):
        hint = f"the right to {verb} {resource} is missing; an audit needs: {rights_words()}"
        return ClusterUnreachable(message, hint=hint)
    return ClusterUnreachable(message)


def rights_words() -> str:
    """The rights of an audit for people."""
    return ", ".join(f"{verb} {resource}: {purpose}" for verb, resource, purpose in RIGHTS)


def _port(pod: dict[str, Any], server: ServerPod) -> int:
    """The port that the server listens on: by its flag, else its container's first, else vLLM's own."""
    given = server.command.value("--port") or ""
    if given.isdecimal():
        return int(given)
    containers = [each for each in pod["spec"]["containers"] if each["name"] == server.container]
    ports = [int(port["containerPort"]) for container in containers for port in container.get("ports") or ()]
    return ports[0] if ports else _PORT
