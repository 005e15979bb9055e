"""A replica over several nodes needs a LeaderWorkerSet: whether the cluster has that kind, and what to do if not."""

from __future__ import annotations

from typing import Final

from vlm_operator.lifecycle.children import LEADER_WORKER_SET
from vlm_operator.lifecycle.planned import Planned
from vlm_operator.lifecycle.situation import Situation

RELEASE: Final = "v0.9.0"
"""The release of LeaderWorkerSet that the tests run."""

INSTALL: Final = (
    f"kubectl apply --server-side -f https://github.com/kubernetes-sigs/lws/releases/download/{RELEASE}/manifests.yaml"
)
"""The line that installs it, from its own release page."""

FORBIDDEN: Final = "forbidden"
"""What the words of an API server hold that shows a kind to nobody without the right to it."""


def leader_worker_set_missing(situation: Situation, planned: Planned) -> str | None:
    """Why the plan cannot run here, with the next step; None where it can.

    An API server that refuses the listing (403) does not say whether the kind is there.
    """
    refusal = situation.missing_kinds.get(LEADER_WORKER_SET.kind)
    if planned.nodes == 1 or refusal is None:
        return None
    needs = f"a replica takes {planned.nodes} nodes, which a LeaderWorkerSet runs"
    if FORBIDDEN in refusal.lower():
        return (
            f"{needs}, and the operator has no right to them: install the chart with "
            f"--set leaderWorkerSets.enabled=true ({refusal})"
        )
    return f"{needs}, and the cluster does not have that kind: {INSTALL}"
