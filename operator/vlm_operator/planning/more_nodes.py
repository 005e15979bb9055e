"""What several nodes would give where one does not hold a model: for people who may render more than a Deployment."""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.errors import InputError
from vlm_operator.planning.alternatives import PARALLEL_SIZES
from vlm_operator.planning.choose import plan
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Verdict


def nodes_that_hold(refused: Plan) -> str | None:
    """The fewest nodes on which the same intent fits, as a remedy; None where that does not help, or is pinned."""
    intent, gpu = refused.intent, refused.gpu
    if refused.verdict is not Verdict.DOES_NOT_FIT or gpu is None or intent.nodes is None or intent.is_prediction:
        return None
    if refused.evaluation is None or intent.gpu_count is not None or not intent.pinned.isdisjoint(PARALLEL_SIZES):
        return None
    try:
        spread = plan(refused.model, gpu, replace(intent, nodes=None))
    except InputError:
        return None
    if spread.verdict is not Verdict.FITS or spread.nodes <= intent.nodes:
        return None
    return (
        f"{spread.nodes} nodes with {spread.gpus_per_node} GPUs each hold it: --nodes {spread.nodes}, or "
        f"spec.topology.nodes, and -o leaderworkerset"
    )
