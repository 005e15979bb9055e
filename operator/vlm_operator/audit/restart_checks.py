"""Checks of a server for what would keep it from starting again now, on its node, with its flags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from vlm_operator.audit.finding import Finding, FindingKind, Severity
from vlm_operator.audit.node_groups import Fleet
from vlm_operator.audit.server import Server, ranks_here
from vlm_operator.diagnosis import diagnose
from vlm_operator.engine.flag_releases import REPLACEMENTS, releases_with, takes
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.units import format_gib

_RESTARTS: Final = 3
"""So many restarts of a container that is not ready are a loop."""

_FITS_BUT_FOR_WHAT_IS_UNKNOWN: Final = frozenset({Reason.UNCOUNTED_FLAGS, Reason.MODEL_DERIVED})
"""Reasons of a plan that is not certain, although its figures fit."""

_ALLOWS_LONG: Final = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"

Check = Callable[[Server, Fleet], Iterator[Finding]]


def not_serving(server: Server, fleet: Fleet) -> Iterator[Finding]:
    """The container restarts again and again, or has failed."""
    state = server.pod.state
    looping = state.waiting == "CrashLoopBackOff" or (not state.serves and state.restarts >= _RESTARTS)
    if not looping and state.phase != "Failed":
        return
    failure = diagnose(state.last_words).failure if state.last_words else None
    why = f"; its last words say {failure.reason}: {failure.message}" if failure is not None else ""
    yield server.finding(
        FindingKind.NOT_SERVING,
        Severity.ERROR,
        f"the container {server.pod.container} was restarted {state.restarts} times and does not serve{why}",
        remedy=f"kubectl logs --previous -n {server.pod.workload.namespace} {server.pod.name} | vlmctl diagnose -",
        restarts=state.restarts,
        **({"reason": str(failure.reason)} if failure is not None else {}),
    )


def would_be_refused(server: Server, fleet: Fleet) -> Iterator[Finding]:
    """vLLM refuses the flags for a reason other than memory."""
    if server.refusal is not None:
        refusal = server.refusal
        yield server.finding(
            FindingKind.WOULD_BE_REFUSED, Severity.ERROR, refusal.message, remedy=refusal.hint,
            about=refusal.field or "", reason="InputError",
        )  # fmt: skip
        return
    made = server.plan
    if made is None:
        return
    if made.verdict is Verdict.UNSUPPORTED:
        first, *others = made.infeasible
        also = f"; also: {'; '.join(other.message for other in others)}" if others else ""
        yield server.finding(
            FindingKind.WOULD_BE_REFUSED, Severity.ERROR, f"{first.message}{also}", remedy=first.remedy,
            about=str(first.reason), reason=str(first.reason), source=first.source,
        )  # fmt: skip
    elif made.reason is Reason.CONTEXT_ABOVE_MODEL and server.pod.environment.get(_ALLOWS_LONG) != "1":
        yield server.finding(
            FindingKind.WOULD_BE_REFUSED, Severity.ERROR, made.message, remedy=made.hint, about=str(made.reason),
            reason=str(made.reason),
        )  # fmt: skip


def would_not_fit(server: Server, fleet: Fleet) -> Iterator[Finding]:
    """The prediction of the very command says that memory is not enough, or hardly enough."""
    made = server.plan
    if made is None or made.reason is Reason.CONTEXT_ABOVE_MODEL:
        return
    if made.verdict is Verdict.DOES_NOT_FIT:
        kind, severity = FindingKind.WOULD_NOT_FIT, Severity.ERROR
    elif made.verdict is Verdict.FITS_TIGHT and made.reason not in _FITS_BUT_FOR_WHAT_IS_UNKNOWN:
        kind, severity = FindingKind.MAY_NOT_FIT, Severity.INFO
    else:
        return
    budget, cup = made.budget, made.cup
    figures: dict[str, Any] = {} if budget is None or cup is None else {
        "kvCacheBytes": budget.kv_cache_bytes, "kvCacheLowBytes": budget.kv_cache_low_bytes,
        "neededBytes": cup.needed_bytes, "maxModelLen": cup.max_model_len,
    }  # fmt: skip
    where = f"{made.gpu_count}x {made.gpu.label}" if made.gpu else "its node"
    yield server.finding(
        kind, severity, f"on {where}: {made.message}", remedy=made.hint, reason=str(made.reason), **figures
    )


def unknown_flags(server: Server, fleet: Fleet) -> Iterator[Finding]:
    """Flags and variables that the release of the image does not know, and another does.

    A flag that no release knows may be the image's own (KServe's ``huggingfaceserver``): nothing is said of it.
    """
    version = server.pod.version
    if version is None:
        return
    for spelling in server.pod.command.spellings:
        flag = spelling.partition(".")[0]
        known = releases_with(flag)
        if known and not takes(version, flag):
            since = f"; 0.{known[0].first} to 0.{known[-1].last} know it"
            yield server.finding(
                FindingKind.FLAG_NOT_IN_RELEASE, Severity.ERROR, f"vLLM {version} has no {flag}{since}",
                remedy=REPLACEMENTS.get(flag), about=flag, flag=flag,
            )  # fmt: skip
    for name in server.pod.environment:
        if name.startswith("VLLM_") and releases_with(name) and not takes(version, name):
            runs = releases_with(name)
            yield server.finding(
                FindingKind.VARIABLE_NOT_IN_RELEASE, Severity.WARNING,
                f"vLLM {version} does not read {name}, which 0.{runs[0].first} to 0.{runs[-1].last} do: "
                "it has no effect",
                remedy=REPLACEMENTS.get(name), about=name, variable=name,
            )  # fmt: skip


def gpus_of_command(server: Server, fleet: Fleet) -> Iterator[Finding]:
    """GPUs that the pod asks for against those that the command uses."""
    pod = server.pod
    if not pod.gpus or pod.claims_devices or (server.group is not None and server.group.gpu.shared):
        return
    needed = ranks_here(pod)
    if needed is None or needed == pod.gpus:
        return
    figures: dict[str, Any] = {"gpus": pod.gpus, "ranks": needed}
    if needed > pod.gpus:
        yield server.finding(
            FindingKind.GPUS_MISSING, Severity.ERROR,
            f"the parallel sizes need {needed} GPUs in this pod, which asks for {pod.gpus}",
            remedy=f"set resources.limits.{pod.resource} to {needed}, or lower the parallel sizes", **figures,
        )  # fmt: skip
    else:
        yield server.finding(
            FindingKind.GPUS_IDLE, Severity.WARNING,
            f"the pod asks for {pod.gpus} GPUs and the command uses {needed}: {pod.gpus - needed} are idle",
            remedy=f"set resources.limits.{pod.resource} to {needed}, or raise --tensor-parallel-size", **figures,
        )  # fmt: skip


def placement(server: Server, fleet: Fleet) -> Iterator[Finding]:
    """Nodes that would take the pod if it had to be placed again."""
    pod = server.pod
    if not pod.resource or not fleet.sites:
        return
    enough = fleet.nodes_with(pod.resource, pod.gpus)
    refusals = {name: pod.placement.refusal(fleet.sites[name]) for name in enough}
    fitting = [name for name, refusal in refusals.items() if refusal is None]
    if not fitting:
        yield server.finding(
            FindingKind.NO_NODE_TAKES_IT, Severity.ERROR,
            f"no node would take the pod again: {_why_none(refusals, pod.gpus, pod.resource)}",
            gpus=pod.gpus, nodeSelector=dict(pod.placement.selector), nodesWithTheGPUs=len(enough),
        )  # fmt: skip
        return
    if pod.node not in fleet.closed:
        return
    free = {
        member.name: member.free
        for name in fitting
        if (group := fleet.group_of(name, pod.resource)) is not None
        for member in group.members
        if member.name == name and member.takes_pods
    }
    if not any(count >= pod.gpus for count in free.values()):
        most = max(free.values(), default=0)
        yield server.finding(
            FindingKind.NODE_CLOSED, Severity.WARNING,
            f"node {pod.node} takes no new pods, and the pod's {pod.gpus} {pod.resource} are free on no other node "
            f"(at most {most})",
            node=pod.node, gpus=pod.gpus, mostFree=most,
        )  # fmt: skip


def _why_none(refusals: Mapping[str, str | None], gpus: int, resource: str) -> str:
    """The refusals of nodes that have the GPUs, the commonest first."""
    if not refusals:
        return f"none has {gpus} {resource}"
    counted = Counter(refusals.values()).most_common(3)
    words = "; ".join(f"{refusal} ({count})" for refusal, count in counted)
    return f"of {len(refusals)} with {gpus} {resource} each lacks or has: {words}"


def unasked_gpu(server: Server, fleet: Fleet) -> Iterator[Finding]:
    """A server that uses GPUs which its pod does not ask for."""
    pod = server.pod
    if pod.resource or pod.claims_devices or "cpu" in pod.image.lower() or "VLLM_CPU_KVCACHE_SPACE" in pod.environment:
        return
    resources = [resource for node, resource in fleet.places if node == pod.node]
    visible = pod.environment.get("NVIDIA_VISIBLE_DEVICES", "")
    if not resources or visible in {"none", "void"}:
        return
    why = f"sets NVIDIA_VISIBLE_DEVICES={visible}" if visible else "asks for none"
    yield server.finding(
        FindingKind.GPU_NOT_REQUESTED, Severity.WARNING,
        f"the pod runs vLLM on node {pod.node}, which has GPUs, and {why}: other pods may be placed on the same GPU",
        remedy=f"set resources.limits.{resources[0]}", node=pod.node,
    )  # fmt: skip


def not_audited(server: Server, fleet: Fleet) -> Iterator[Finding]:
    """What kept the server from being compared with a plan."""
    if server.pod.is_worker or "cpu" in server.pod.image.lower():
        return
    made = server.plan
    reasons = [*server.pod.notes]
    if server.pod.claims_devices and not server.pod.resource:
        reasons.append("its GPUs are claimed by resourceClaims, which are not read")
    elif server.unknown and server.pod.resource:
        reasons.append(server.unknown)
    if made is not None and made.verdict is Verdict.UNKNOWN:
        reasons.append(made.message)
    if reasons:
        hint = made.hint if made is not None and made.verdict is Verdict.UNKNOWN else None
        yield server.finding(
            FindingKind.NOT_AUDITED, Severity.INFO, "; ".join(dict.fromkeys(reasons)), remedy=hint,
            model=server.pod.model,
        )  # fmt: skip


CHECKS: Final[tuple[Check, ...]] = (
    not_serving,
    would_be_refused,
    would_not_fit,
    unknown_flags,
    gpus_of_command,
    placement,
    unasked_gpu,
    not_audited,
)
"""In the order in which findings of one server are listed."""


def shared_gpus(servers: list[Server], fleet: Fleet) -> Iterator[Finding]:
    """Servers of one node that share GPUs and ask for more memory together than there is."""
    by_place: dict[tuple[str, str], list[Server]] = {}
    for server in servers:
        if server.group is not None and server.group.gpu.shared and server.plan and server.plan.budget:
            by_place.setdefault((server.pod.node, server.pod.resource), []).append(server)
    for (node, resource), sharers in sorted(by_place.items()):
        group = fleet.places[node, resource]
        member = next(each for each in group.members if each.name == node)
        physical = max(group.count // member.replicas, 1)
        asked = sum(server.plan.budget.requested_bytes for server in sharers if server.plan and server.plan.budget)
        total = physical * group.gpu.total_bytes
        if asked <= total:
            continue
        names = ", ".join(sorted(server.pod.name for server in sharers))
        for server in sharers:
            yield server.finding(
                FindingKind.SHARED_GPU_OVERCOMMITTED, Severity.ERROR,
                f"{len(sharers)} servers share {physical} {group.gpu.label} on {node} and ask for {format_gib(asked)} "
                f"of {format_gib(total)} together ({names}): the last to restart does not find its share",
                about=node, node=node, askedBytes=asked, totalBytes=total, servers=len(sharers),
            )  # fmt: skip
