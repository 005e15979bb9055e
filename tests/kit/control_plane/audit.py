"""Read the writes to the API server from its audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "Metadata"}],
}
"""Reads are not logged; of a write its metadata."""


@dataclass(frozen=True)
class Write:
    """One write, or attempt at one.

    Attributes:
        user: for instance ``system:serviceaccount:vlm-system:vlm-operator``.
        verb: create, patch, update, delete, …
        resource: plural, with ``/subresource`` where there is one.
        namespace: empty for cluster-scoped objects.
        name: empty for a create.
        code: HTTP status of the answer.
        time: RFC 3339, when the request came in.
    """

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    time: str

    @classmethod
    def of(cls, event: dict[str, Any]) -> Write:
        """A line of the audit log."""
        reference = event.get("objectRef", {})
        resource = reference.get("resource", "")
        if subresource := reference.get("subresource"):
            resource += f"/{subresource}"
        return cls(
            user=event["user"]["username"],
            verb=event["verb"],
            resource=resource,
            namespace=reference.get("namespace", ""),
            name=reference.get("name", ""),
            code=event.get("responseStatus", {}).get("code", 0),
            time=event["requestReceivedTimestamp"],
        )


class AuditLog:
    """The audit log's file; a mark is a place in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        """Here and now: hand it to ``since``."""
        return self.path.stat().st_size if self.path.exists() else 0

    def since(self, mark: int = 0, *, user: str | None = None) -> list[Write]:
        """Writes after the mark, of one user if named."""
        return [write for write in self._read(mark) if user is None or write.user == user]

    def _read(self, mark: int) -> Iterator[Write]:
        with self.path.open("rb") as file:
            file.seek(mark)
            for line in file:
                if line.endswith(b"\n"):
                    yield Write.of(json.loads(line))
