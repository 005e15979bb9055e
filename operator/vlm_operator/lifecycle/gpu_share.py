"""One GPU for the VLMDeployments of a group: what each takes, whether their pods can meet, who starts when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from vlm_operator.api.base import parse
from vlm_operator.api.gpu_spec import GPUSpec
from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.lifecycle_reasons import LifecycleReason
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.errors import InputError, VlmOperatorError
from vlm_operator.gpu.node_labels import COUNT, REPLICAS, STRATEGY
from vlm_operator.gpu.resources import GPU_RESOURCE, MIG_PREFIX
from vlm_operator.lifecycle.offers import Offers, place_of
from vlm_operator.lifecycle.situation import GpuNode, Neighbour, Situation
from vlm_operator.planning.evidence import Evidence
from vlm_operator.planning.gpu_choice import GPUOffer
from vlm_operator.planning.share import Held, Part, Share, Sharer, share_beside
from vlm_operator.units import parse_bytes

MPS: Final = "mps"
"""Sharing strategy of NVIDIA's device plugin that bounds each client to its fraction of the memory."""


WAITING: Final = LifecycleReason.GPU_SHARE_WAITING.value


class GPUShareImpossible(InputError):
    """The pods of a group cannot be brought onto one GPU."""


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """The plan of a group on one kind of GPU, as one member sees it.

    Attributes:
        group: ``spec.gpu.share.group``.
        own: the part of the member that is planned for.
    """

    group: str
    offer: GPUOffer
    found: Share
    own: Part

    @property
    def status(self) -> dict[str, Any]:
        """``status.plan.share``."""
        return {
            "group": self.group,
            "takesBytes": self.own.takes_bytes,
            "sumBytes": self.found.sum_bytes,
            "availableBytes": self.found.available_bytes,
            "keptBytes": self.found.kept_bytes,
        }


def group_of(spec: Mapping[str, Any]) -> str | None:
    """``gpu.share.group`` of a spec as it stands on the API server; None where it shares nothing, or runs nowhere."""
    if spec.get("replicas") == 0:
        return None
    share = (spec.get("gpu") or {}).get("share") or {}
    return str(share["group"]) if share.get("group") else None


def group_plan(
    situation: Situation, spec: GPUSpec, offers: Offers, me: Sharer, evidence: Callable[[GPUOffer], Evidence]
) -> GroupPlan | None:
    """The plan of the whole group on the GPU where it runs, else on the smallest that holds all of it.

    What members in force take is not planned again; the others are planned beside the new one, the largest first, so
    that whichever member is looked at first, each comes to the same parts.

    Args:
        me: the member that is planned for.
        evidence: what was measured of it on an offer.

    Returns None where no GPU matches.

    Raises:
        GPUShareImpossible: pods cannot meet on any that do.
        InputError: a flag of this member contradicts the model or what is left.
    """
    group = spec.share.group if spec.share else ""
    held = [each for each in map(_held, situation.neighbours) if each is not None]
    names = {each.name for each in held}
    others = [_sharer(each) for each in situation.neighbours if each.target.name not in names]
    sharers = [each for each in others if each is not None]
    kept = max(map(_reserve, (spec, *filter(None, map(_spec, situation.neighbours)))))
    possible = _where_pods_meet(situation, spec, offers, group, len(names) + len(sharers) + 1)
    plans = [
        GroupPlan(group, offer, found, next(part for part in found.parts if part.name == me.name))
        for offer in _on_the_same(possible, situation.neighbours)
        for mine in (replace(me, evidence=evidence(offer)),)
        for found in (share_beside(offer.gpu, held, [mine, *sharers], kept),)
    ]
    if not plans:
        return None
    return min(plans, key=lambda each: (not each.own.plan.fits, not each.found.fits, _size(each)))


def _size(plan: GroupPlan) -> tuple[int, str]:
    """The smallest GPU where it fits, the largest where it does not."""
    total = plan.offer.gpu.total_bytes
    return (total if plan.own.plan.fits else -total), plan.offer.gpu.label


def _spec(neighbour: Neighbour) -> GPUSpec | None:
    try:
        return parse(VLMDeploymentSpec, neighbour.target.spec, where="spec").gpu
    except VlmOperatorError:
        return None  # refused itself


def _reserve(spec: GPUSpec) -> int:
    return parse_bytes(str(spec.reserve), field="gpu.reserve") if spec.reserve else 0


def _held(neighbour: Neighbour) -> Held | None:
    """What a member in force takes; None for one that has no plan, or is stopped and has ended."""
    plan = neighbour.target.status.get("plan") or {}
    taken = (plan.get("share") or {}).get("takesBytes")
    if not plan.get("fingerprint") or taken is None or (is_stopped(neighbour) and not neighbour.pods):
        return None
    return Held(neighbour.target.name, int(taken))


def _sharer(neighbour: Neighbour) -> Sharer | None:
    """A member that is yet to be planned; None for one that is refused itself, whatever the others take."""
    if neighbour.model is None or is_stopped(neighbour):
        return None
    try:
        spec = parse(VLMDeploymentSpec, neighbour.target.spec, where="spec")
        return Sharer(neighbour.target.name, neighbour.model, intent_of(spec, engine_version(spec)))
    except VlmOperatorError:
        return None


_ABSENT: Final = {"status": "", "reason": ""}


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions") or () if each["type"] == kind), _ABSENT)


def is_stopped(neighbour: Neighbour) -> bool:
    """True where nothing more happens to it until a person changes something."""
    current = neighbour.target.status.get("observedGeneration") == neighbour.target.generation
    return current and _condition(neighbour.target.status, "Stalled")["status"] == "True"


def _on_the_same(offers: Sequence[GPUOffer], neighbours: Iterable[Neighbour]) -> Sequence[GPUOffer]:
    """Those of the GPU on which members in force run; all where none does.

    Raises:
        GPUShareImpossible: none of them is.
    """
    for neighbour in neighbours:
        if _held(neighbour) is None:
            continue
        gpu = neighbour.target.status["plan"].get("gpu") or {}
        place = gpu.get("product"), gpu.get("resource"), bool(gpu.get("shared")), bool(gpu.get("claimed"))
        found = [each for each in offers if (*place_of(each.gpu, each.resource), each.claimed) == place]
        if offers and not found:
            way = "by a claim" if gpu.get("claimed") else f"by {gpu.get('resource')}"
            raise GPUShareImpossible(
                f"gpu.share: {neighbour.target.name} of the same group runs on {gpu.get('product')} {way}, which "
                "spec.gpu does not ask for",
                field="gpu.share",
                hint="give all members of a group the same product, resource and claim",
            )
        return found
    return offers


# --- whether their pods can meet -------------------------------------------------------------------------------------


def _where_pods_meet(situation: Situation, spec: GPUSpec, offers: Offers, group: str, members: int) -> list[GPUOffer]:
    if spec.claim is not None:
        return list(offers.matching)
    nodes = {node.name: node for node in situation.nodes}
    found, refusals = [], []
    for offer in offers.matching:
        said = [
            (name, _why_not(nodes[name], offer, count, members))
            for name, count in offers.sites[place_of(offer.gpu, offer.resource)]
        ]
        able = [name for name, why in said if why is None]
        if able:
            found.append(replace(offer, nodes=len(able)))
        refusals += [f"{name}: {why}" for name, why in said if why is not None]
    if not found and refusals:
        shown = "; ".join(refusals[:3]) + (f"; and {len(refusals) - 3} nodes more" if len(refusals) > 3 else "")
        raise GPUShareImpossible(
            f"gpu.share: the {members} pods of group {group} would not get the same GPU by {spec.resource}: {shown}",
            field="gpu.share",
            hint="set spec.gpu.claim where NVIDIA's DRA driver runs, or replicate the GPU of a node that has one by "
            "time slicing",
        )
    return found


def _why_not(node: GpuNode, offer: GPUOffer, count: int, members: int) -> str | None:
    """Why pods that ask for the resource by name do not meet on one GPU of that node; None where they do."""
    prefix = label_prefix(offer.resource)
    if not offer.gpu.shared:
        each = f"each of its {count}" if count > 1 else "its"
        return f"{each} {offer.gpu.label} goes to one pod alone"
    if node.labels.get(f"{prefix}.{STRATEGY}") == MPS or node.labels.get(f"{GPU_RESOURCE}.{STRATEGY}") == MPS:
        return "MPS of the device plugin gives each pod an equal fraction of the memory and no more"
    gpus = node.labels.get(f"{prefix}.{COUNT}", "")
    if gpus != "1":
        told = f"it has {gpus} GPUs" if gpus else f"label {prefix}.{COUNT} does not say that it has one GPU"
        return f"{told}, and the device plugin chooses which of them a pod gets"
    if 0 < count < members:
        return f"it takes {count} of the group's {members} pods (label {prefix}.{REPLICAS})"
    return None


def label_prefix(resource: str) -> str:
    """What the labels of gpu-feature-discovery about a resource begin with."""
    plain = resource.removesuffix(".shared")
    return plain if plain.startswith(MIG_PREFIX) else GPU_RESOURCE


def node_labels(offer: GPUOffer) -> dict[str, str]:
    """Labels of nodes with one GPU of the kind; none where it is claimed."""
    return {} if offer.claimed else {f"{label_prefix(offer.resource)}.{COUNT}": "1"}


# --- who starts when -------------------------------------------------------------------------------------------------


def waits_for(situation: Situation, plan: Mapping[str, Any]) -> tuple[str, str] | None:
    """(reason, message) while another member must serve first; None where this one may start, or has.

    One starts at a time, the largest of those that wait first. Who was let go once stays so: the node starts its
    container again whenever it has to.

    Args:
        plan: as ``status.plan``, which is about to be written.
    """
    was = situation.target.status
    released = (was.get("plan") or {}).get("fingerprint") == plan["fingerprint"] and not _is_waiting(was)
    if released or any(not pod.deleting for pod in situation.pods):
        return None
    mine = (-plan["share"]["takesBytes"], situation.target.name)
    for each in situation.neighbours:
        held, name = _held(each), each.target.name
        if held is None or _condition(each.target.status, "Available")["status"] == "True":
            continue
        if not _is_waiting(each.target.status):
            what = "starts now"
        elif (-held.takes_bytes, name) < mine:
            what = "starts before it"
        else:
            continue
        return WAITING, f"{name} {what} on the same GPU: this server starts as soon as {name} serves"
    return None


def _is_waiting(status: Mapping[str, Any]) -> bool:
    return bool(_condition(status, "CapacityVerified")["reason"] == WAITING)
