"""Write plan, conditions and attempts as ``status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vlm_operator.engine.settings_json import settings_to_json
from vlm_operator.lifecycle.conditions import Condition, written
from vlm_operator.lifecycle.history import History
from vlm_operator.lifecycle.scale import scale_status
from vlm_operator.lifecycle.situation import Manifest, Situation
from vlm_operator.planning.asked_plan import AskedPlan, asked_plan_to_json
from vlm_operator.planning.report import plan_to_json
from vlm_operator.units import GIB

if TYPE_CHECKING:
    from vlm_operator.lifecycle.planned import Planned
    from vlm_operator.lifecycle.server import Server

_BUDGET = (
    "total",
    "requested",
    "weights",
    "activationPeak",
    "nonTorch",
    "cudaGraph",
    "kvCache",
    "kvCacheLow",
    "kvCacheHigh",
)


def plan_status(planned: Planned, server: Server | None, before: Manifest) -> dict[str, Any]:
    """``status.plan``: as it stands where the plan stays in force, written anew otherwise."""
    if planned.plan is None:
        return dict(before["plan"])
    plan, offer, group = planned.plan, planned.offer, planned.group
    report = asked_plan_to_json(plan) if isinstance(plan, AskedPlan) else plan_to_json(plan)
    budget = report["budget"]
    status: dict[str, Any] = {
        "verdict": report["verdict"],
        "reason": report["reason"],
        "message": report["message"] if group is None else f"{report['message']}; on one GPU: {group.found.message}",
        "hint": report["hint"],
        "explanation": report["explanation"],
        "vllmVersion": report["vllmVersion"],
        "architecture": report["model"]["architecture"],
        "gpu": None
        if offer is None
        else {
            "product": offer.gpu.label,
            "resource": offer.resource,
            "count": plan.gpu_count,
            "nodes": offer.nodes,
            **({"claimed": True} if offer.claimed else {}),
            **({"shared": True} if offer.gpu.shared else {}),
            **({"sources": {fact: str(source) for fact, source in offer.gpu.sources}} if offer.gpu.sources else {}),
            **({"nodesPerReplica": planned.nodes} if planned.nodes > 1 else {}),
            **({"choice": offer.choice} if offer.choice else {}),
        },
        "share": None if group is None else {**group.status},
        "flags": {name: value for name, value in report["flags"].items() if value is not None},
        "pinned": report["pinned"],
        "command": None if server is None else list(server.command),
        "fingerprint": None if server is None else server.fingerprint,
        "settings": settings_to_json(planned.settings),
        "episode": planned.episode,
        "budget": None if budget is None else {f"{name}Bytes": budget[f"{name}Bytes"] for name in _BUDGET},
        "budgetGiB": None if budget is None else {name: f"{budget[f'{name}Bytes'] / GIB:.2f}" for name in _BUDGET},
        "cup": report["cup"],
        "container": report["container"],
    }
    return {name: value for name, value in status.items() if value is not None}


def status_with(
    situation: Situation,
    conditions: tuple[Condition, ...],
    plan: dict[str, Any] | None,
    history: History,
    observed: Manifest | None,
    *,
    dry_run: Manifest | None = None,
) -> dict[str, Any]:
    """The whole status."""
    target = situation.target
    flags = (plan or {}).get("flags") or {}
    gpu = (plan or {}).get("gpu")
    measured = None
    if observed and plan and observed.get("fingerprint") == plan.get("fingerprint"):
        measured = observed.get("kvTokens")
    predicted = ((plan or {}).get("container") or {}).get("capacityTokens")
    episode = history.episode((plan or {}).get("episode") or "")
    status: dict[str, Any] = {
        "observedGeneration": target.generation,
        "gpu": None if plan is None else f"{gpu['count']}x {gpu['product']}" if gpu else "CPU",
        "contextLength": flags.get("max_model_len"),
        "kvTokens": measured if measured is not None else predicted,
        **scale_status(target.name, situation.children),
        "attemptsMade": len(episode.attempts),
        "conditions": written(conditions, target.status, target.generation, situation.now),
        "plan": plan,
        "attempts": history.to_status(),
        "observed": observed,
        "dryRun": dry_run,
    }
    return {name: value for name, value in status.items() if value is not None}
