"""Choose among the cluster's GPUs where the user named none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.evidence import NOTHING, Evidence
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Verdict

_RANK = {Verdict.FITS: 0, Verdict.FITS_TIGHT: 1, Verdict.DOES_NOT_FIT: 2, Verdict.UNKNOWN: 3, Verdict.UNSUPPORTED: 4}


@dataclass(frozen=True, slots=True)
class GPUOffer:
    """GPUs of one kind on the cluster's nodes.

    Attributes:
        gpu: what one of them is.
        resource: resource name to ask for (``nvidia.com/gpu``, ``nvidia.com/mig-3g.40gb``).
        count: most of them on one node.
        nodes: how many nodes have them.
        node_label: value of ``nvidia.com/gpu.product`` on those nodes.
    """

    gpu: GPUFacts
    resource: str
    count: int
    nodes: int = 1
    node_label: str = ""


def choose_gpu(
    model: ModelFacts,
    offers: tuple[GPUOffer, ...],
    intent: Intent,
    evidence: Callable[[GPUOffer], Evidence] = lambda offer: NOTHING,
) -> tuple[Plan, GPUOffer] | None:
    """The best plan among the offers: fitting before tight, then least GPU memory taken, then fewest GPUs.

    Returns None where there is no offer at all. Deterministic: ties go to the product's name.

    Raises:
        InputError: the intent itself is wrong (every offer refuses it for the same reason).
    """
    best: tuple[tuple[int, int, int, str], Plan, GPUOffer] | None = None
    refusal: InputError | None = None
    for offer in sorted(offers, key=lambda offer: (offer.gpu.label, offer.resource)):
        try:
            found = plan(model, offer.gpu, replace(intent, gpus_available=offer.count), evidence(offer))
        except InputError as error:
            refusal = error
            continue
        if found.gpu_count > offer.count:
            continue
        taken = found.gpu_count * offer.gpu.total_bytes
        size = -taken if found.verdict is Verdict.DOES_NOT_FIT else taken
        key = (_RANK[found.verdict], size, found.gpu_count, offer.gpu.label)
        if best is None or key < best[0]:
            best = (key, found, offer)
    if best is None and refusal is not None:
        raise refusal
    return best[1:] if best is not None else None
