"""The MIG profile that would hold a model where the asked one does not, and whether any node has it configured."""

from __future__ import annotations

from vlm_operator.gpu.resources import GPU_RESOURCE, MIG_PREFIX, PRODUCT_LABEL
from vlm_operator.lifecycle.planned import Planned
from vlm_operator.lifecycle.situation import GpuNode, Situation
from vlm_operator.planning.asked_plan import AskedPlan
from vlm_operator.planning.mig_profiles import profiles_that_hold


def larger_slice(situation: Situation, planned: Planned) -> str | None:
    """For people: a remedy, None where no profile of the product helps or it is no plan for a slice.

    One that a node has configured is named before a smaller one that none has. With the strategy ``mixed`` each profile
    is a resource of its own; with ``single`` all GPUs of a node have one, which the node's product label names.
    """
    if planned.offer is None or planned.plan is None or isinstance(planned.plan, AskedPlan):
        return None
    gpu, smallest = planned.offer.gpu, None
    for profile in profiles_that_hold(planned.plan):
        smallest = smallest or profile
        if any(_has(node, gpu.product, profile) for node in situation.nodes):
            if planned.offer.resource == GPU_RESOURCE:
                return f"{profile} fits: set spec.gpu.product to {gpu.product}-MIG-{profile}"
            return f"{profile} fits: set spec.gpu.resource to {MIG_PREFIX}{profile}"
    return None if smallest is None else f"{smallest} fits; none is configured"


def _has(node: GpuNode, product: str, profile: str) -> bool:
    resource, label = f"{MIG_PREFIX}{profile}", node.labels.get(PRODUCT_LABEL, "")
    if label == f"{product}-MIG-{profile}":
        return True
    return resource in node.allocatable or any(device.resource == resource for device in node.devices)
