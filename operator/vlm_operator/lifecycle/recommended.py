"""``status.recommendation``: worked out anew where the traffic says more, kept as it is otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.api.conditions import ConditionType
from vlm_operator.lifecycle.conditions import status_of
from vlm_operator.lifecycle.history import History
from vlm_operator.lifecycle.planned import Planned, Planner
from vlm_operator.lifecycle.recommendation import PlanOf, Recommendation, Serving, recommend, remembered
from vlm_operator.lifecycle.situation import Manifest
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.seen_traffic import SeenTraffic

MORE_REQUESTS: Final = 1.5
"""So many times the requests of the last recommendation make a new one: it is written ever more rarely."""


def recommendation_status(planner: Planner, planned: Planned, history: History) -> dict[str, Any] | None:
    """As ``status.recommendation``; None where too few requests were seen, or nothing fits for certain."""
    situation = planner.situation
    status, fingerprint = situation.target.status, planner.server(planned).fingerprint
    known: Mapping[str, Any] = status.get("recommendation") or {}
    before = dict(known) if known.get("fingerprint") == fingerprint else None
    if status_of(status, ConditionType.CAPACITY_VERIFIED) != "True":
        return before  # what its start-up measured is only being written down
    if situation.seen is None or planner.model is None or planner.unknown is not None:
        return before
    seen = remembered(situation.seen, status)
    if (
        before is not None
        and not _says_more(seen, before)
        and status.get("observedGeneration") == situation.target.generation
    ):
        return before
    server = Serving(
        situation.target.spec,
        planner.version,
        planned.settings,
        _plan_of(planner, planned, history),
        int((status.get("requests") or {}).get("contextForMost") or 0) if _is_of(status, fingerprint) else 0,
    )
    found = recommend(server, seen)
    if not isinstance(found, Recommendation):
        return before
    return {"fingerprint": fingerprint, **found.to_json(), "message": found.message, "patch": dict(found.patch)}


def _is_of(status: Manifest, fingerprint: str) -> bool:
    return bool((status.get("requests") or {}).get("fingerprint") == fingerprint)


def _says_more(seen: SeenTraffic, before: Mapping[str, Any]) -> bool:
    """True where far more requests were seen, or a peak that the recommendation does not allow for."""
    return (
        seen.requests >= MORE_REQUESTS * int(before.get("requests") or 0)
        or seen.peak_requests > int(before.get("peakRequests") or 0)
        or seen.longest.low > int(before.get("contextLength") or 0)
    )


def _plan_of(planner: Planner, planned: Planned, history: History) -> PlanOf:
    """Plans of other intents on the GPUs of the plan in force."""
    model, offer = planner.model, planned.offer
    assert model is not None
    evidence = planner.evidence(offer, history)
    if offer is None:
        return lambda intent: cpu_plan(model, intent, evidence)
    return lambda intent: plan(model, offer.gpu, offer.asked(intent), evidence)
