"""Shapes of a replica: over how many GPUs a layer, over how many stages the layers are divided, on how many nodes.

Tensor-parallel ranks talk in every layer, so they stay inside a node; stages hand on one row a token, so they may stand
on different nodes. On one node the fewest GPUs are tried first. Several nodes are taken whole: a replica that leaves
GPUs of its nodes idle would be faster on fewer nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from vlm_operator.engine.multi_node import MULTI_NODE_SINCE
from vlm_operator.errors import InputError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.validation import tensor_parallel_problem

MOST_NODES: Final = 8
"""Nodes that a plan takes at most where it may choose."""


class Shape(NamedTuple):
    """One way to lay a replica over GPUs.

    Attributes:
        tensor: ranks that divide each layer.
        stages: pipeline stages.
        nodes: nodes that hold them, each as many ranks.
    """

    tensor: int
    stages: int
    nodes: int = 1


def shapes(model: ModelFacts, intent: Intent) -> Iterator[Shape]:
    """Shapes to try, the best first: the pinned one, those of the wanted count, or what the nodes have.

    Raises:
        InputError: more GPUs than the nodes have, or a count that cannot be divided so.
    """
    if "tensor_parallel_size" in intent.pinned or (intent.is_prediction and intent.gpu_count is None):
        found = _predicted(intent) if intent.is_prediction else _pinned(intent)
    else:
        found = _free(model, intent) if intent.gpu_count is None else _counted(model, intent)
    return (_supported(shape, intent) for shape in found)


def _predicted(intent: Intent) -> Iterator[Shape]:
    """The sizes as given, on as many nodes as they take."""
    settings = intent.settings
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size
    nodes = -(-ranks * settings.data_parallel_size // intent.gpus_available)
    yield Shape(settings.tensor_parallel_size, settings.pipeline_parallel_size, nodes)


def _pinned(intent: Intent) -> Iterator[Shape]:
    """The pinned tensor-parallel size; where the stages are free as many as nodes, or as the wanted count asks for."""
    settings, per_node, count = intent.settings, intent.gpus_available, intent.gpu_count
    one_stage, stages = settings.tensor_parallel_size * settings.data_parallel_size, _pinned_stages(intent)
    if stages is None and count is not None:
        stages = max(count // one_stage, 1)
    found = False
    for nodes in _node_counts(intent):
        here = stages or (nodes if settings.tensor_parallel_size <= per_node else 1)
        if one_stage * here % nodes or one_stage * here > nodes * per_node:
            continue
        found = True
        yield Shape(settings.tensor_parallel_size, here, nodes)
        if stages is not None:
            return
    if not found:
        raise _too_many("tensor-parallel-size", one_stage * (stages or 1), intent)


def _counted(model: ModelFacts, intent: Intent) -> Iterator[Shape]:
    """Shapes of exactly ``gpu_count`` GPUs, on as few nodes as hold them."""
    count, replicas = intent.gpu_count or 1, intent.settings.data_parallel_size
    for nodes in _node_counts(intent):
        here, rest = divmod(count, nodes)
        if rest or here > intent.gpus_available:
            continue
        if nodes > 1:
            yield from whole_nodes(model, intent, nodes, here)
            return
        stages = _pinned_stages(intent) or 1
        size, rest = divmod(count, stages * replicas)
        if size < 1 or rest:
            raise InputError(
                f"gpu-count: {count} GPUs cannot hold {stages} pipeline stages x {replicas} replicas",
                field="gpu-count",
                hint=f"use a multiple of {stages * replicas}",
            )
        yield Shape(size, stages)
        return
    raise _too_many("gpu-count", count, intent)


def _free(model: ModelFacts, intent: Intent) -> Iterator[Shape]:
    """What the nodes have: on one node the fewest GPUs first, then whole nodes, the fewest first."""
    per_node, replicas, pinned = intent.gpus_available, intent.settings.data_parallel_size, _pinned_stages(intent)
    if (pinned or 1) * replicas > per_node * _most_nodes(intent):
        raise _too_many("pipeline-parallel-size", (pinned or 1) * replicas, intent)
    for nodes in _node_counts(intent):
        if nodes > 1:
            yield from whole_nodes(model, intent, nodes, per_node)
            continue
        for size in range(1, per_node // ((pinned or 1) * replicas) + 1):
            if tensor_parallel_problem(model, size) is None:
                yield Shape(size, pinned or 1)


def whole_nodes(model: ModelFacts, intent: Intent, nodes: int, per_node: int) -> Iterator[Shape]:
    """Shapes that use ``per_node`` GPUs of each node, the fewest stages first; a stage never spans nodes."""
    pinned = _pinned_stages(intent)
    for size in range(per_node, 0, -1):
        stages, rest = divmod(per_node * nodes, size * intent.settings.data_parallel_size)
        if rest or per_node % size or tensor_parallel_problem(model, size) is not None:
            continue
        if stages >= 1 and pinned in (None, stages):
            yield Shape(size, stages, nodes)


def _node_counts(intent: Intent) -> range:
    """Numbers of nodes to try, ascending."""
    if intent.nodes is None:
        return range(1, _most_nodes(intent) + 1)
    return range(intent.nodes, intent.nodes + 1)


def _most_nodes(intent: Intent) -> int:
    """The number of nodes, or the most that may be chosen."""
    if intent.nodes is not None:
        return intent.nodes
    return MOST_NODES if intent.nodes_available is None else max(min(MOST_NODES, intent.nodes_available), 1)


def _pinned_stages(intent: Intent) -> int | None:
    stages = intent.settings.pipeline_parallel_size
    return stages if "pipeline_parallel_size" in intent.pinned or stages != 1 else None


def _supported(shape: Shape, intent: Intent) -> Shape:
    """The shape, where the release can run it."""
    if shape.nodes > 1 and intent.version < MULTI_NODE_SINCE and not intent.is_prediction:
        raise InputError(
            f"nodes: {shape.nodes} nodes, and vLLM {intent.version} spans nodes only with Ray, which is not rendered",
            field="nodes",
            hint=f"use vLLM {MULTI_NODE_SINCE} or newer, or GPUs of one node",
        )
    return shape


def _too_many(field: str, count: int, intent: Intent) -> InputError:
    per_node, nodes = intent.gpus_available, _most_nodes(intent)
    has = f"a node has {per_node}" if nodes == 1 else f"{nodes} nodes of {per_node} cannot share them evenly"
    span = -(-count // per_node)
    return InputError(
        f"{field}: {count} GPUs are needed for a replica, and {has}",
        field=field,
        hint=f"span nodes with --nodes {max(span, 2)} (spec.topology.nodes), lower the number to {per_node * nodes} or "
        "fewer, or say with --gpus-per-node (spec.topology.gpusPerNode) that nodes have more",
    )
