"""GPUs the cluster offers, grouped by kind and filtered by the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlm_operator.api.gpu_spec import GPUSpec
from vlm_operator.api.names import GPU_PRODUCT_LABEL
from vlm_operator.api.topology_spec import TopologySpec
from vlm_operator.errors import VlmOperatorError
from vlm_operator.gpu.catalogue import find_gpu, means, slice_of
from vlm_operator.gpu.facts import GPUFacts, Platform
from vlm_operator.gpu.node_gpus import node_gpus
from vlm_operator.gpu.node_labels import NodeGPUs
from vlm_operator.gpu.platform import on_platform
from vlm_operator.gpu.reserve import with_share
from vlm_operator.gpu.resources import GPU_RESOURCE, MIG_PREFIX
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.lifecycle.situation import AwaitedGPUs, GpuNode
from vlm_operator.planning.gpu_choice import GPUOffer
from vlm_operator.planning.shapes import MOST_NODES
from vlm_operator.units import parse_bytes

Place = tuple[str, str, bool]
"""Label of the GPU, resource, and whether pods share it: one product may be offered both ways."""


def place_of(gpu: GPUFacts, resource: str) -> Place:
    """Where the nodes of an offer are listed."""
    return gpu.label, resource, gpu.shared


@dataclass(frozen=True, slots=True)
class Offers:
    """GPUs that match a spec, and words for what does not.

    Attributes:
        matching: offers that the spec allows, one per kind of GPU and resource.
        others: labels of the GPUs that it does not allow.
        unreadable: nodes whose GPUs cannot be told, with the reason.
        sites: by ``place_of`` an offer, the nodes that have its GPUs with how many; 0 on a node that takes no pods now.
    """

    matching: tuple[GPUOffer, ...]
    others: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    sites: Mapping[Place, Sequence[tuple[str, int]]] = field(default_factory=dict)

    def refusal(self, gpu: GPUSpec | None, topology: TopologySpec | None = None) -> str:
        """Why nothing matches, with what the cluster has."""
        wanted = " and ".join(
            part
            for part in (
                f"product {gpu.product}" if gpu and gpu.product else "",
                f"resource {gpu.resource}" if gpu else "",
                f"at least {gpu.count} {_where(topology)}" if gpu and gpu.count else "",
            )
            if part
        )
        if topology and topology.most_nodes not in (None, 1) and not (gpu and gpu.count):
            wanted = f"{wanted} on {topology.nodes} nodes" if wanted else f"any product on {topology.nodes} nodes"
        has = f"the cluster has {', '.join(self.others)}" if self.others else "the cluster has no GPU that is known"
        unread = f"; not readable: {'; '.join(self.unreadable)}" if self.unreadable else ""
        return f"no node offers a GPU{f' with {wanted}' if wanted else ''}: {has}{unread}"


@cached_by_identity(kept=64)
def offers(nodes: Iterable[GpuNode], spec: GPUSpec | None, topology: TopologySpec | None = None) -> Offers:
    """GPUs of the nodes by kind; nodes that are not ready or cordoned still count: they come back.

    Remembered for each collection of nodes: the operator hands in the same one until a node changes, so that a thousand
    VLMDeployments do not each read the labels of 500 nodes, and plan for the same ``GPUFacts``.
    """
    found: dict[tuple[str, str, int, str], GPUOffer] = {}
    others: dict[str, None] = {}
    unreadable: list[str] = []
    sites: dict[Place, list[tuple[str, int]]] = {}
    for node in nodes:
        try:
            found_here = node_gpus(node.labels, node.allocatable, node.devices, node.measured)
            gpus = tuple(_bounded(_described(each, spec), topology) for each in found_here)
        except VlmOperatorError as error:
            unreadable.append(f"{node.name}: {error.message}")
            continue
        for offered in gpus:
            if not _allowed(offered, spec, topology):
                others[_other(offered, spec)] = None
                continue
            label = "" if offered.claimed else node.labels.get(GPU_PRODUCT_LABEL, "")
            key = (offered.gpu.label, offered.resource, offered.gpu.total_bytes, label)
            takes_pods = node.ready and not node.unschedulable
            sites.setdefault(place_of(offered.gpu, offered.resource), []).append(
                (node.name, offered.count if takes_pods else 0)
            )
            known = found.get(key)
            if known is None:
                found[key] = GPUOffer(
                    offered.gpu,
                    offered.resource,
                    offered.count,
                    node_label=label,
                    counts=(offered.count,),
                    claimed=offered.claimed,
                )
            else:
                counts = tuple(sorted((*known.counts, offered.count), reverse=True))
                found[key] = replace(known, count=counts[0], nodes=known.nodes + 1, counts=counts)
    for key, offer in list(found.items()):
        if not _enough_nodes(offer, spec, topology):
            others[f"{offer.count}x {offer.gpu.label} on {_number(offer.nodes)}"] = None
            del found[key]
    return Offers(tuple(found.values()), tuple(others), tuple(unreadable), sites)


def _enough_nodes(offer: GPUOffer, spec: GPUSpec | None, topology: TopologySpec | None) -> bool:
    """False where fewer nodes than a replica takes have the GPUs that each of them must have."""
    nodes, count = topology.most_nodes if topology else 1, spec.count if spec else None
    if nodes == 1 or (nodes is None and count is None):
        return True
    numbers = range(1, MOST_NODES + 1) if nodes is None else (nodes,)
    return any(offer.nodes_with(-(-(count or 1) // number)) >= number for number in numbers)


def _where(topology: TopologySpec | None) -> str:
    """For people: on what the GPUs of a replica must lie."""
    nodes = topology.most_nodes if topology else 1
    return "on nodes that share them evenly" if nodes is None else f"on {_number(nodes)}"


def _number(nodes: int) -> str:
    return "one node" if nodes == 1 else f"{nodes} nodes"


def with_free(
    found: Offers, in_use: Mapping[str, Mapping[str, int]] | None, awaited: Iterable[AwaitedGPUs] = ()
) -> Offers:
    """The offers with how many of their GPUs are free on one node; as they are where what pods ask for is not known.

    Args:
        in_use: by node and resource, GPUs that pods ask for.
        awaited: GPUs that other VLMDeployments were given and no pod holds yet.
    """
    if in_use is None:
        return found
    waiting = tuple(awaited)
    matching = []
    for offer in found.matching:
        key = (offer.gpu.label, offer.resource)
        sites = found.sites[place_of(offer.gpu, offer.resource)]
        counts = [max(count - in_use.get(node, {}).get(offer.resource, 0), 0) for node, count in sites]
        free = tuple(sorted(_without(counts, key, waiting), reverse=True))
        matching.append(replace(offer, free=free[0], free_counts=free))
    return replace(found, matching=tuple(matching))


def _without(free: list[int], key: tuple[str, str], awaited: Iterable[AwaitedGPUs]) -> list[int]:
    """GPUs free on each node once those that are awaited have gone to the fullest nodes that hold them."""
    left = sorted(free)
    for wanted in awaited:
        if (wanted.product, wanted.resource) != key:
            continue
        for _ in range(wanted.nodes):
            index = next((index for index, count in enumerate(left) if count >= wanted.count), None)
            if index is not None:
                left[index] -= wanted.count
                left.sort()
    return left


def _bounded(offered: NodeGPUs, topology: TopologySpec | None) -> NodeGPUs:
    """No more GPUs of a node than the spec allows a pod."""
    most = topology.gpus_per_node if topology else None
    return offered if most is None else replace(offered, count=min(offered.count, most))


def _described(offered: NodeGPUs, spec: GPUSpec | None) -> NodeGPUs:
    """The GPUs of a node on the platform that the spec states, where it does, and of them the share that it claims."""
    if spec is None:
        return offered
    gpu = offered.gpu if spec.platform is None else on_platform(offered.gpu, Platform(spec.platform))
    return replace(offered, gpu=_shared(gpu, spec) if offered.claimed else gpu)


def _shared(gpu: GPUFacts, spec: GPUSpec) -> GPUFacts:
    memory = spec.claim.memory if spec.claim else None
    return gpu if memory is None else with_share(gpu, parse_bytes(str(memory), field="gpu.claim.memory"))


def _allowed(offered: NodeGPUs, spec: GPUSpec | None, topology: TopologySpec | None) -> bool:
    gpu = offered.gpu
    if offered.claimed != (spec is not None and spec.claim is not None):
        return False
    if spec is None:
        return gpu.supported and not gpu.shared and offered.resource == GPU_RESOURCE
    nodes = topology.most_nodes if topology else 1
    if spec.resource != offered.resource:
        return False
    if spec.count is not None and nodes is not None and spec.count > offered.count * nodes:
        return False
    return spec.product is None or _same_product(spec.product, gpu)


def _other(offered: NodeGPUs, spec: GPUSpec | None) -> str:
    """For people: GPUs that the spec does not allow, with how they would be asked for where that is the reason."""
    words = f"{offered.count}x {offered.gpu.label}"
    claims = spec is not None and spec.claim is not None
    if offered.claimed == claims:
        return words
    return f"{words} by claims (set spec.gpu.claim)" if offered.claimed else f"{words} by name (unset spec.gpu.claim)"


def _same_product(product: str, gpu: GPUFacts) -> bool:
    wanted = product.removesuffix("-SHARED")
    if wanted in {gpu.product, gpu.label}:
        return True
    return means(wanted, gpu)


def find_product(
    product: str, resource: str, count: int, platform: str | None = None, *, spec: GPUSpec | None = None
) -> GPUOffer:
    """An offer of GPUs that no node was read for: ``count`` of ``product`` on a node, as the catalogue has them.

    Args:
        spec: says whether a ResourceClaim takes them, or a share of them.

    Raises:
        InputError, UnknownFact: the product is not known, or its memory on ``platform``.
    """
    gpu = on_platform(find_gpu(product), Platform(platform or Platform.LINUX))
    claimed = spec is not None and spec.claim is not None
    label = "" if claimed else gpu.label
    if resource.startswith(MIG_PREFIX) and gpu.mig_profile is None:
        gpu = slice_of(gpu, resource.removeprefix(MIG_PREFIX))
    return GPUOffer(gpu if spec is None else _shared(gpu, spec), resource, count, node_label=label, claimed=claimed)
