"""The cluster as files: what ``kubectl get -o json`` and ``-o yaml`` wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from vlm_operator.audit.audit import Cluster, read_cluster
from vlm_operator.audit.container_command import ConfigMaps
from vlm_operator.audit.gpu_objects import KINDS, GPUObjects
from vlm_operator.errors import InputError
from vlm_operator.planning.traffic import Traffic, read_traffic

LARGEST_FILE: Final = 1024**3
"""Bytes read of one file: nodes of the largest clusters (5,000) take about 100 MB."""

_LARGEST_PAGE: Final = 16 * 1024**2


def read_files(values: dict[str, Any]) -> Cluster:
    """The cluster that ``--nodes``, ``--pods``, ``--config-maps`` and ``--metrics`` name.

    Raises:
        InputError: a file cannot be read, or holds something else.
    """
    nodes = _objects(values["nodes"], "nodes", "Node")
    pods = _objects(values["pods"], "pods", "Pod")
    config_maps = _objects(values["config_maps"], "config-maps", "ConfigMap") if values["config_maps"] else []
    others = GPUObjects(*(tuple(_listed(values["nodes"], "nodes", kind)[0]) for kind in KINDS))
    cluster = read_cluster(nodes, pods, data_of(config_maps), _metrics(values["metrics"]), others)
    return in_namespace(cluster, values["namespace"])


def in_namespace(cluster: Cluster, namespace: str | None) -> Cluster:
    """The cluster with the servers of one namespace only; GPUs that others hold stay held."""
    if namespace is None:
        return cluster
    servers = tuple(server for server in cluster.servers if server.workload.namespace == namespace)
    return Cluster(servers, cluster.fleet, cluster.traffic)


def data_of(config_maps: list[dict[str, Any]]) -> ConfigMaps:
    """Data of ConfigMaps by namespace and name."""
    return {
        (each["metadata"].get("namespace", "default"), each["metadata"]["name"]): each.get("data") or {}
        for each in config_maps
    }


def read_document(path: str, field: str) -> Any:
    """The one document of a file.

    Raises:
        InputError: as ``documents``, or it holds several.
    """
    found = list(documents(path, field))
    if len(found) != 1:
        raise InputError(f"{field}: {path} holds {len(found)} documents", field=field, hint="give one document")
    return found[0]


def documents(path: str, field: str) -> Iterator[Any]:
    """The JSON or YAML documents of a file; JSON is read far faster.

    Raises:
        InputError: it cannot be read, is neither, or is larger than 1 GiB.
    """
    text = _text(path, field)
    try:
        if text.lstrip()[:1] in {"{", "["}:
            yield json.loads(text)
        else:
            yield from (each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each is not None)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        words = str(error).replace("\n", " ")[:200]
        raise InputError(f"{field}: {path} is neither JSON nor YAML: {words}", field=field) from None


def _text(path: str, field: str) -> str:
    try:
        if path == "-":
            data = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise InputError(f"{field}: {path} is larger than 1 GiB", field=field)
        return data.decode()
    except OSError as error:
        raise InputError(f"{field}: {path}: {error.strerror}", field=field, hint="give a readable file") from None
    except UnicodeDecodeError:
        raise InputError(f"{field}: {path} is not UTF-8 text", field=field) from None


def _objects(path: str, field: str, kind: str) -> list[dict[str, Any]]:
    """Objects of one kind: of a List, or one document each; others are left out.

    Raises:
        InputError: there is none, and the file is not an empty list.
    """
    found, is_empty_list = _listed(path, field, kind)
    if not found and not is_empty_list:
        resource = {"Node": "nodes", "Pod": "pods -A", "ConfigMap": "configmaps -A"}[kind]
        raise InputError(
            f"{field}: {path} holds no {kind}", field=field, hint=f"kubectl get {resource} -o json > {field}.json"
        )
    return found


def _listed(path: str, field: str, kind: str) -> tuple[list[dict[str, Any]], bool]:
    """Objects of one kind, and whether the file is an empty list.

    Raises:
        InputError: it holds none of Kubernetes, or one without a name.
    """
    found: list[dict[str, Any]] = []
    is_empty_list = False
    for document in documents(path, field):
        if not isinstance(document, dict):
            raise InputError(f"{field}: {path} holds no Kubernetes objects", field=field)
        items = document.get("items")
        if isinstance(items, list):
            is_empty_list = is_empty_list or not items
            listed = str(document.get("kind", "")).removesuffix("List")
            found += [item for item in items if isinstance(item, dict) and item.get("kind", listed) in {kind, ""}]
        elif document.get("kind") == kind:
            found.append(document)
    for item in found:
        if not isinstance(item.get("metadata"), dict) or not item["metadata"].get("name"):
            raise InputError(f"{field}: {path} holds a {kind} without metadata.name", field=field)
    return found, is_empty_list


def _metrics(folder: str | None) -> dict[tuple[str, str], Traffic]:
    """Pages of metrics, ``NAMESPACE_POD.txt`` each.

    Raises:
        InputError: no such folder.
    """
    if folder is None:
        return {}
    root = Path(folder)
    if not root.is_dir():
        raise InputError(
            f"metrics: {folder} is no folder", field="metrics", hint="one file NAMESPACE_POD.txt for each pod"
        )
    found: dict[tuple[str, str], Traffic] = {}
    for path in sorted(root.glob("*_*.txt")):
        namespace, _, pod = path.stem.partition("_")
        with path.open("rb") as file:
            traffic = read_traffic(file.read(_LARGEST_PAGE).decode(errors="replace"))
        if traffic is not None:
            found[namespace, pod] = traffic
    return found
