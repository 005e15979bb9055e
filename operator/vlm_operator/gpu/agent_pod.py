"""Whether the agent that wrote a ``GPUNode`` is still there: told by its pod, since the agent itself writes nothing
while nothing changes.

The kubelet says that a container which was killed is not ready, the node controller the same of a node that does not
answer, and a pod that was removed is gone. None of this costs a write of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

UNHEARD_SECONDS: Final = 60.0
"""How long figures of an agent that is not ready are believed: the kubelet starts a killed one again within this."""


@dataclass(frozen=True, slots=True)
class AgentPod:
    """A pod of the agent.

    Attributes:
        name: namespace and name, with a slash.
        ready: it runs, as the kubelet or the node controller says.
        since: when that became so (RFC 3339).
    """

    name: str
    ready: bool
    since: str


def read_agent_pod(raw: Mapping[str, Any]) -> AgentPod:
    """The pod as the API server has it."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    condition: Mapping[str, Any] = next(
        (each for each in status.get("conditions") or () if each.get("type") == "Ready"), {}
    )
    since = condition.get("lastTransitionTime") or metadata.get("creationTimestamp") or ""
    return AgentPod(f"{metadata.get('namespace')}/{metadata['name']}", condition.get("status") == "True", str(since))


def unheard_since(agent_pod: str | None, observed_at: str | None, pods: Mapping[str, AgentPod]) -> str | None:
    """Since when nobody renews a ``GPUNode`` (RFC 3339); None while its agent runs, or where it runs in no pod.

    Args:
        agent_pod, observed_at: as its status says.
        pods: the agents' pods by name.
    """
    if not agent_pod:
        return None
    pod = pods.get(agent_pod)
    if pod is None:
        return observed_at or ""
    return None if pod.ready else pod.since


def is_believed(since: str | None, now: datetime) -> bool:
    """True where what was measured still counts."""
    if since is None:
        return True
    try:
        return (now - datetime.fromisoformat(since)).total_seconds() < UNHEARD_SECONDS
    except ValueError:
        return False


def unheard_words(node: str, since: str) -> str:
    """For people."""
    return f"the agent of node {node} has not been heard since {since or 'it wrote'}: what is free there is not known"
