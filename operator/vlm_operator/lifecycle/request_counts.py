"""``status.requests``: requests that the serving command refused, counted from its pods' logs, each line once.

Where a log was read up to stands beside the counts and is written with them, so that neither a restart of the operator
nor of a pod counts a line twice. Another command counts anew: what an earlier context refused says nothing of this one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from vlm_operator.diagnosis import diagnose
from vlm_operator.diagnosis.refused_requests import RefusedRequests
from vlm_operator.lifecycle.conditions import timestamp
from vlm_operator.lifecycle.situation import Manifest, ServiceLog, StartupKey


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """What the status holds of refused requests.

    Attributes:
        fingerprint: of the command that refused them.
        since: when counting began, RFC 3339.
        refused: the counts.
        read_until: by run, the time of the last line that was counted.
    """

    fingerprint: str
    since: str
    refused: RefusedRequests = field(default_factory=RefusedRequests)
    read_until: Mapping[StartupKey, str] = field(default_factory=dict)

    @classmethod
    def of_status(cls, status: Manifest) -> RequestCounts | None:
        """As written by ``to_status``; None where nothing has been counted."""
        item: Mapping[str, Any] | None = status.get("requests")
        if not item or not item.get("fingerprint"):
            return None
        sizes = {
            name: Counter({int(size): int(count) for size, count in counted.items()})
            for name, counted in (item.get("sizes") or {}).items()
        }
        refused = RefusedRequests(
            too_long=int(item.get("refusedTooLong") or 0),
            longest=item.get("longestRefused"),
            items=int(item.get("refusedItems") or 0),
            sizes=sizes,
        )
        runs = {_key(name): str(until) for name, until in (item.get("readUntil") or {}).items()}
        return cls(item["fingerprint"], str(item.get("since") or ""), refused, runs)

    def to_status(self) -> dict[str, Any]:
        """As ``status.requests``."""
        refused = self.refused
        status: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "since": self.since,
            "refusedTooLong": refused.too_long,
            "longestRefused": refused.longest,
            "contextForMost": refused.context_for(),
            "refusedItems": refused.items,
            "sizes": {
                name: {str(size): n for size, n in sorted(c.items())} for name, c in sorted(refused.sizes.items())
            },
            "readUntil": {_name(key): until for key, until in sorted(self.read_until.items())},
        }
        return {name: value for name, value in status.items() if value is not None and value != {}}


def counted(
    before: RequestCounts | None,
    logs: Iterable[ServiceLog],
    fingerprint: str,
    pods: Collection[str],
    now: datetime,
) -> RequestCounts | None:
    """The counts with what these logs hold; ``before`` itself where they hold nothing new.

    Args:
        before: of the same or of another command, None where nothing has been counted.
        logs: of runs of the command ``fingerprint``, each from where it was read up to before.
        pods: UIDs of the pods that are there: of others no log is read again.
    """
    readable = [log for log in logs if log.lines is not None]
    known = before if before is not None and before.fingerprint == fingerprint else None
    if not readable:
        return known
    found = [diagnose("\n".join(log.lines or ()) + "\n").refused for log in readable]
    if known is not None and not any(each.too_long or each.items for each in found):
        return known
    start = known or RequestCounts(fingerprint, timestamp(now))
    until = {log.key: log.until for log in readable if log.until is not None}
    kept = {key: at for key, at in start.read_until.items() if key.pod_uid in pods}
    refused = RefusedRequests.together((start.refused, *found))
    return replace(start, refused=refused, read_until={**kept, **until})


def _name(key: StartupKey) -> str:
    return f"{key.pod_uid}/{key.container}/{key.run}"


def _key(name: str) -> StartupKey:
    pod, container, run = name.split("/")
    return StartupKey(pod, container, int(run))
