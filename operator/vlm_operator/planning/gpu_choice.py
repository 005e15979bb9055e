"""Choose among the cluster's GPUs where the user named none.

The rule, in this order: GPUs that are free now; a plan that is certain; the fewest GPUs; nothing given up of what was
wanted; the smallest GPU. What nothing fits on is refused for the GPUs that come nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.evidence import NOTHING, Evidence
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.item_levers import CAPPING
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Verdict

_ORDER = ((Verdict.FITS, Verdict.FITS_TIGHT), (Verdict.DOES_NOT_FIT,), (Verdict.UNKNOWN,), (Verdict.UNSUPPORTED,))
"""Verdicts, the best first; what is not certain comes after what is, among those that are free."""

_RANK = {verdict: rank for rank, verdicts in enumerate(_ORDER) for verdict in verdicts}


_COSTS_NO_REQUEST = frozenset(
    {"gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "limit_mm_per_prompt"}
)


@dataclass(frozen=True, slots=True)
class GPUOffer:
    """GPUs of one kind on the cluster's nodes.

    Attributes:
        gpu: what one of them is.
        resource: resource name to ask for (``nvidia.com/gpu``, ``nvidia.com/mig-3g.40gb``).
        count: most of them on one node.
        nodes: how many nodes have them.
        node_label: value of ``nvidia.com/gpu.product`` on those nodes.
        free: most of them that no pod has asked for on one node that takes pods; None where that is not known.
        counts: how many each node has, the most first; empty where all nodes have ``count``.
        free_counts: how many are free on each node, the most first; None where that is not known.
        choice: why these GPUs, and what the runner-up would have been; empty where there was nothing to choose.
        claimed: True where a ResourceClaim takes them; ``resource`` then says which kind of device that is.
    """

    gpu: GPUFacts
    resource: str
    count: int
    nodes: int = 1
    node_label: str = ""
    free: int | None = None
    choice: str = ""
    counts: tuple[int, ...] = ()
    free_counts: tuple[int, ...] | None = None
    claimed: bool = False

    def nodes_with(self, gpus: int) -> int:
        """Nodes that have at least so many."""
        if not self.counts:
            return self.nodes if gpus <= self.count else 0
        return sum(count >= gpus for count in self.counts)

    def is_free(self, nodes: int, gpus: int) -> bool:
        """True where so many nodes have so many free, as far as is known."""
        if nodes > 1 and self.free_counts is not None:
            return sum(count >= gpus for count in self.free_counts) >= nodes
        return gpus <= (self.count if self.free is None else self.free)

    def asked(self, intent: Intent, per_node: int | None = None) -> Intent:
        """The intent with what these nodes bound it to.

        Args:
            per_node: GPUs of a node at most; by default the most that enough nodes have.
        """
        if per_node is None:
            sizes = [size for size in self.sizes if self.nodes_with(size) >= (intent.nodes or 1)]
            per_node = sizes[0] if sizes else self.count
        nodes = None if intent.nodes == 1 else self.nodes_with(per_node)
        return replace(intent, gpus_available=per_node, nodes_available=nodes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The different numbers of GPUs that nodes have, the most first."""
        return tuple(dict.fromkeys(self.counts)) or (self.count,)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A plan on one offer, with where it stands by the rule."""

    made: Plan
    offer: GPUOffer
    is_free: bool
    gives_up: tuple[str, ...]

    @property
    def key(self) -> tuple[int, bool, bool, int, bool, int, str]:
        """The smaller, the better."""
        made, total = self.made, self.offer.gpu.total_bytes
        rank = _RANK[made.verdict]
        size = total if made.fits else -made.gpu_count * total
        count = made.gpu_count if made.fits else 0
        tight = made.verdict is Verdict.FITS_TIGHT
        return rank, made.fits and not self.is_free, tight, count, bool(self.gives_up), size, self.offer.gpu.label

    def words(self) -> str:
        """For people: the GPUs, and what counts by the rule."""
        parts = ["free now" if self.is_free else "not free now"]
        if self.made.verdict is Verdict.FITS_TIGHT:
            parts.append("fits only by the best estimate")
        parts.append(f"gives up {', '.join(self.gives_up)}" if self.gives_up else "gives nothing up")
        return f"{self.made.gpu_count}x {self.offer.gpu.label} ({'; '.join(parts)})"


def choose_gpu(
    model: ModelFacts,
    offers: tuple[GPUOffer, ...],
    intent: Intent,
    evidence: Callable[[GPUOffer], Evidence] = lambda offer: NOTHING,
) -> tuple[Plan, GPUOffer] | None:
    """The best plan among the offers by the rule above; ties go to the product's name.

    Returns None where there is no offer at all. The offer says why it was chosen and what the runner-up was.

    Raises:
        InputError: the intent itself is wrong (every offer refuses it for the same reason).
    """
    found: list[_Candidate] = []
    refusal: InputError | None = None
    for offer in sorted(offers, key=lambda offer: (offer.gpu.label, offer.resource)):
        try:
            found += _candidates(model, offer, intent, evidence(offer))
        except InputError as error:
            refusal = error
    if not found and refusal is not None:
        raise refusal
    if not found:
        return None
    best = min(found, key=lambda candidate: candidate.key)
    others = [candidate for candidate in found if candidate.offer is not best.offer and candidate.made.fits]
    if not best.made.fits or not others:
        return best.made, best.offer
    second = min(others, key=lambda candidate: candidate.key)
    return best.made, replace(best.offer, choice=f"{best.words()}; runner-up: {second.words()}")


def _candidates(model: ModelFacts, offer: GPUOffer, intent: Intent, evidence: Evidence) -> Iterator[_Candidate]:
    """The plan on an offer; and, where it takes more GPUs than are free, the one on those that are."""
    if intent.nodes is not None and (intent.gpu_count or 0) > offer.count * intent.nodes:
        return
    free = offer.count if offer.free is None else offer.free
    made = _on_nodes(model, offer, intent, evidence)
    if made.gpus_per_node <= offer.count:
        yield _Candidate(made, offer, offer.is_free(made.nodes, made.gpus_per_node), _given_up(made))
    if 0 < free < made.gpus_per_node and intent.gpu_count is None:
        try:
            fewer = _planned(model, offer.gpu, offer.asked(intent, free), evidence)
        except InputError:
            return
        if fewer.fits and fewer.gpus_per_node <= free and offer.is_free(fewer.nodes, fewer.gpus_per_node):
            yield _Candidate(fewer, offer, True, _given_up(fewer))


def _on_nodes(model: ModelFacts, offer: GPUOffer, intent: Intent, evidence: Evidence) -> Plan:
    """The plan on the nodes with the most GPUs; where it does not fit on so few, on more nodes with fewer each.

    Raises:
        InputError: no nodes can share the GPUs that are asked for.
    """
    first = offer.asked(intent)
    refusal: InputError | None = None
    try:
        made = _planned(model, offer.gpu, first, evidence)
    except InputError as error:
        if intent.nodes == 1:
            raise
        refusal, made = error, None
    if made is not None and (made.fits or intent.nodes == 1):
        return made
    for size in offer.sizes:
        if size >= first.gpus_available:
            continue
        try:
            smaller = _planned(model, offer.gpu, offer.asked(intent, size), evidence)
        except InputError:
            continue
        if smaller.fits:
            return smaller
    if made is None:
        assert refusal is not None
        raise refusal
    return made


def _planned(model: ModelFacts, gpu: GPUFacts, intent: Intent, evidence: Evidence) -> Plan:
    """The plan; equal intents share it where nothing was measured."""
    return _unmeasured(model, gpu, intent) if evidence is NOTHING else plan(model, gpu, intent, evidence)


@cached_by_identity(2, kept=256)
def _unmeasured(model: ModelFacts, gpu: GPUFacts, intent: Intent) -> Plan:
    return plan(model, gpu, intent)


def _given_up(made: Plan) -> tuple[str, ...]:
    """Flags that had to give way, but for those whose price no request as described pays."""
    if not made.fits:
        return ()
    flags = {flag for move in made.ladder if move.applied for flag, _, _ in move.change}
    workload = made.intent.workload
    if workload is None or (workload.images is None and workload.videos is None):
        flags -= set(CAPPING)  # nobody described items that a cap would make smaller
    return tuple(f"--{flag.replace('_', '-')}" for flag in sorted(flags - _COSTS_NO_REQUEST))
