"""A Deployment's pod stands on one node: a plan that spans several is refused with what runs it."""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.planning.plan import Plan, Refusal
from vlm_operator.planning.verdict import Reason, Verdict


def on_one_node(made: Plan) -> Plan:
    """The plan as it is where a replica stands on one node; refused where it spans several."""
    if made.nodes == 1 or not made.fits:
        return made
    words = f"the plan takes {made.gpus_per_node} GPUs on each of {made.nodes} nodes; one pod has the GPUs of one node"
    return replace(
        made,
        verdict=Verdict.UNSUPPORTED,
        reason=Reason.SPANS_NODES,
        refusal=Refusal(words, Reason.SPANS_NODES.remedy),
    )
