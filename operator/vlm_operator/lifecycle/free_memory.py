"""What is free of the GPUs that a replica may be given, as agents on the nodes measure it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from vlm_operator.gpu.agent_pod import is_believed, unheard_words
from vlm_operator.gpu.facts import FactSource, GPUFacts
from vlm_operator.gpu.measured import MeasuredGPU, MigInstance, present_gpu, present_slice
from vlm_operator.gpu.resources import GPU_RESOURCE
from vlm_operator.lifecycle.offers import Offers, place_of
from vlm_operator.lifecycle.situation import GpuNode
from vlm_operator.planning.gpu_choice import GPUOffer
from vlm_operator.units import MIB

UNTOLD_BYTES: Final = 256 * MIB
"""An agent does not tell of smaller changes: so much more may be held by now."""


def with_free_memory(
    found: Offers,
    nodes: Iterable[GpuNode],
    in_use: Mapping[str, Mapping[str, int]] | None,
    own: Collection[str],
    now: datetime,
) -> Offers:
    """The offers with what is free of their GPUs at start; as they are where no agent measures.

    Which GPU of a node a pod gets is not known beforehand: the fullest one that it may get counts. Of several nodes the
    one with the most counts. Figures of an agent that has not been heard for a minute do not count.

    Args:
        in_use: by node and resource, GPUs that pods of others have.
        own: UIDs of this VLMDeployment's pods, which end before a new one starts.
        now: the time.
    """
    measured = {node.name: node for node in nodes if node.measured}
    if not measured:
        return found
    matching = []
    for offer in found.matching:
        sites = found.sites[place_of(offer.gpu, offer.resource)]
        matching.append(replace(offer, gpu=_present(offer, sites, measured, in_use or {}, own=own, now=now)))
    return replace(found, matching=tuple(matching))


def _present(
    offer: GPUOffer,
    sites: Sequence[tuple[str, int]],
    measured: Mapping[str, GpuNode],
    in_use: Mapping[str, Mapping[str, int]],
    *,
    own: Collection[str],
    now: datetime,
) -> GPUFacts:
    idle = offer.gpu
    if not idle.mig_profile and offer.resource.removesuffix(".shared") != GPU_RESOURCE:
        return idle
    best: GPUFacts | None = None
    for name, count in sites:
        if not count:
            continue
        if name not in measured:
            return idle  # nothing says that this node's GPUs are not empty
        since = measured[name].unheard_since
        if since is not None and not is_believed(since, now):
            return idle.with_(notes=(*idle.notes, unheard_words(name, since)))
        taken = in_use.get(name, {}).get(offer.resource, 0)
        found = _free_of(measured[name], idle, taken, own)
        if found:
            fullest = min(found, key=lambda gpu: gpu.free_estimate_bytes)
            if best is None or fullest.free_estimate_bytes > best.free_estimate_bytes:
                best = fullest
    if best is None:
        return idle
    if best.free_estimate_bytes >= idle.free_estimate_bytes:
        return idle.told(FactSource.AGENT, ("free",))
    return idle.with_(free_at_start_bytes=best.free_at_start_bytes, held_by=best.held_by, sources=best.sources)


def _free_of(node: GpuNode, idle: GPUFacts, in_use: int, own: Collection[str]) -> list[GPUFacts]:
    """GPUs of the node, or its MIG instances, that a pod may be given, as it finds them."""
    if idle.mig_profile:
        instances = [each for card in node.measured if card.label == idle.product for each in card.mig]
        alike = [each for each in instances if each.profile == idle.mig_profile]
        given = _available(alike, lambda each: each.held_bytes(own), idle, in_use, own)
        return [present_slice(each, idle, own, UNTOLD_BYTES, node.name) for each in given]
    cards = [each for each in node.measured if each.label == idle.product and not each.mig_enabled]
    left = _available(cards, lambda card: card.held_bytes(idle.platform, own), idle, in_use, own)
    return [present_gpu(card, idle.platform, own, UNTOLD_BYTES, node.name) for card in left]


Part = TypeVar("Part", MeasuredGPU, MigInstance)


def _available(
    parts: list[Part], held: Callable[[Part], int], gpu: GPUFacts, in_use: int, own: Collection[str]
) -> list[Part]:
    """Those that a pod may be given: not those that other pods have.

    A pod is seen on its GPU once it holds memory; of pods that are not seen, the fullest GPUs are taken to be theirs.
    """
    if gpu.shared:
        return parts
    unseen = [part for part in parts if not _of_another_pod(part, own)]
    seen = len(parts) - len(unseen)
    unseen.sort(key=held)
    return unseen[: max(len(unseen) - max(in_use - seen, 0), 0)]


def _of_another_pod(part: MeasuredGPU | MigInstance, own: Collection[str]) -> bool:
    return any(each.pod_uid is not None and each.pod_uid not in own for each in part.processes)
