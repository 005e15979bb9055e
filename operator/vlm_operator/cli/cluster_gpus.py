"""GPUs of a cluster's nodes: what they are and who says so, how many are in use, what is free, who holds the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import click

from vlm_operator.audit.gpu_objects import GPUObjects
from vlm_operator.cli.columns import Column, print_columns, terminal_width
from vlm_operator.errors import VlmOperatorError
from vlm_operator.gpu.agent_pod import unheard_words
from vlm_operator.gpu.devices import Device
from vlm_operator.gpu.measured import MeasuredGPU
from vlm_operator.gpu.node_gpus import node_gpus
from vlm_operator.gpu.node_labels import KERNEL_LABEL, NodeGPUs
from vlm_operator.gpu.platform import platform_of_kernel
from vlm_operator.units import format_gib


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """What the API server has of GPUs, as JSON."""

    nodes: tuple[Mapping[str, Any], ...]
    pods: tuple[Mapping[str, Any], ...] = ()
    others: GPUObjects = field(default_factory=GPUObjects)


@dataclass(frozen=True, slots=True)
class NodeWithGPUs:
    """One node.

    Attributes:
        kinds: GPUs by kind, each with how many are in use.
        measured: as the agent tells them; empty where there is none.
        problem: why its GPUs cannot be told, None where they can.
        unheard_since: since when its agent is not heard (RFC 3339), None while it is.
    """

    name: str
    kinds: tuple[tuple[NodeGPUs, int], ...]
    measured: tuple[MeasuredGPU, ...]
    labels: Mapping[str, str]
    problem: str | None = None
    unheard_since: str | None = None


def read_objects(context: str | None) -> ClusterObjects:
    """The objects of the cluster of a kubeconfig's context; kinds that it lacks are empty.

    Raises:
        InputError: no such context.
        ClusterUnreachable: the API server does not answer, or a right is missing.
    """
    from kubernetes import client

    from vlm_operator.cli.audit_cluster import Api, connect, gpu_objects

    api = Api(client.ApiClient(connect(context)))
    found = ClusterObjects(tuple(api.listed("nodes")), tuple(api.listed("pods")), gpu_objects(api))
    for words in api.missing:
        click.echo(words, err=True)
    return found


def nodes_with_gpus(found: ClusterObjects) -> tuple[NodeWithGPUs, ...]:
    """Nodes that have GPUs, by name."""
    from vlm_operator.audit.node_groups import gpus_asked

    devices, measured = found.others.devices, found.others.measured
    in_use = gpus_asked(found.pods) + found.others.claimed
    made = (
        _node(raw, devices.get(raw["metadata"]["name"], ()), measured.get(raw["metadata"]["name"], ()), in_use)
        for raw in found.nodes
    )
    unheard = found.others.unheard(found.pods)
    told = (replace(node, unheard_since=unheard.get(node.name)) for node in made if node is not None)
    return tuple(sorted(told, key=lambda node: node.name))


def _node(
    raw: Mapping[str, Any],
    devices: tuple[Device, ...],
    measured: tuple[MeasuredGPU, ...],
    in_use: Mapping[tuple[str, str], int],
) -> NodeWithGPUs | None:
    name, labels = raw["metadata"]["name"], raw["metadata"].get("labels") or {}
    try:
        kinds = node_gpus(labels, (raw.get("status") or {}).get("allocatable") or {}, devices, measured)
    except VlmOperatorError as error:
        return NodeWithGPUs(name, (), measured, labels, error.message)
    if not kinds and not measured:
        return None
    return NodeWithGPUs(name, tuple((each, in_use.get((name, each.resource), 0)) for each in kinds), measured, labels)


def to_json(nodes: Iterable[NodeWithGPUs]) -> dict[str, Any]:
    """The nodes as JSON: bytes as integers."""
    return {"nodes": [_node_json(node) for node in nodes]}


def _node_json(node: NodeWithGPUs) -> dict[str, Any]:
    return {
        "name": node.name,
        "gpus": [
            {
                "product": each.gpu.label,
                "resource": each.resource,
                "claimed": each.claimed,
                "shared": each.gpu.shared,
                "count": each.count,
                "inUse": in_use,
                "totalBytes": each.gpu.total_bytes,
                "sources": {fact: str(source) for fact, source in each.gpu.sources},
            }
            for each, in_use in node.kinds
        ],
        "measured": [
            {
                "index": each.index,
                "uuid": each.uuid,
                "product": each.label,
                "totalBytes": each.total_bytes,
                "freeBytes": each.free_bytes,
                "heldBytes": _held(node, each),
                "processes": [
                    {"pid": one.pid, "name": one.name, "usedBytes": one.used_bytes, "podUID": one.pod_uid}
                    for one in each.holders()
                ],
                "migInstances": [
                    {"profile": one.profile, "totalBytes": one.total_bytes, "freeBytes": one.free_bytes}
                    for one in each.mig
                ],
            }
            for each in node.measured
        ],
        "unheardSince": node.unheard_since,
        "problem": node.problem,
    }


def _held(node: NodeWithGPUs, gpu: MeasuredGPU) -> int:
    return gpu.held_bytes(platform_of_kernel(node.labels.get(KERNEL_LABEL, "")))


_COLUMNS: Final = (
    Column("NODE"),
    Column("GPU"),
    Column("BY", 2),
    Column("IN USE", 1, right=True),
    Column("TOTAL", 0, right=True),
    Column("FREE", 0, right=True),
    Column("SOURCE", 3),
    Column("HELD BY", 4),
)


def print_table(nodes: Iterable[NodeWithGPUs]) -> None:
    """For people: a line for each kind of GPU of a node, and one for each GPU that an agent measures."""
    rows: list[tuple[str, ...]] = []
    for node in nodes:
        if node.unheard_since is not None:
            words = unheard_words(node.name, node.unheard_since)
            rows.append((node.name, "agent not heard", "", "", "", "", "", words))
        if node.problem is not None:
            rows.append((node.name, "?", "", "", "", "", "", node.problem))
        for each, in_use in node.kinds:
            total, source = format_gib(each.gpu.total_bytes), str(each.gpu.source_of("memory"))
            label = f"{each.count}x {each.gpu.label}{' (shared)' if each.gpu.shared else ''}"
            way = "claim" if each.claimed else each.resource
            rows.append((node.name, label, way, f"{in_use} of {each.count}", total, "", source, ""))
        for gpu in node.measured:
            held = ", ".join(one.words for one in gpu.holders())
            total, free = format_gib(gpu.total_bytes), format_gib(gpu.free_bytes)
            rows.append((node.name, f"  GPU {gpu.index}", "", "", total, free, "agent", held))
            rows += [
                (
                    node.name,
                    f"    {one.profile}",
                    "",
                    "",
                    format_gib(one.total_bytes),
                    format_gib(one.free_bytes),
                    "",
                    "",
                )
                for one in gpu.mig
            ]
    print_columns(_COLUMNS, rows, terminal_width())
