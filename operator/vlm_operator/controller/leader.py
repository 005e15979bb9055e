"""``Leadership``: of several operators one works; which one, a Lease of ``coordination.k8s.io`` says.

As client-go does it: the holder renews the Lease; another takes it once it has not seen it renewed for as long as it
lasts, by its own clock. A holder that could not renew stops writing before anybody may take over, by the clock and
not by an event: a process that was frozen does not wake up as a second writer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from vlm_operator.controller.api_errors import ApiError, Outdated
from vlm_operator.controller.client import Client, Object, path_of

LOGGER: Final = logging.getLogger(__name__)

LEASE_SECONDS: Final = 10
"""How long the Lease lasts after its last renewal: with ``RETRY_SECONDS``, the longest time without a leader."""

WRITING_SECONDS: Final = 8.0
"""How long after a renewal the holder writes: less than the Lease lasts, so that two never do."""

RENEW_SECONDS: Final = 2.0
"""Between two renewals."""

RETRY_SECONDS: Final = 1.0
"""Between two looks of an operator that waits."""

REQUEST_SECONDS: Final = 4
"""Longest time that one request about the Lease may take."""

API_VERSION: Final = "coordination.k8s.io/v1"


class Leadership:
    """One operator's claim to a Lease. ``may_write`` is safe to use from several threads; the rest from one at a time.

    Args:
        client: the API server; not the client whose writes ask ``may_write``.
        namespace: of the Lease.
        name: of the Lease.
        identity: of this process; no other may have the same.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._seen: tuple[str, float] = ("", clock())

    def may_write(self) -> bool:
        """True while this process is the leader."""
        with self._lock:
            return self._clock() < self._until

    def hold(self) -> bool:
        """Take the Lease, or renew it; True if it is held afterwards.

        Raises:
            ApiError: the API server does not answer, or refuses.
        """
        asked = self._clock()
        lease = self._client.find(self._path())
        try:
            if lease is None:
                self._client.create(self._path(""), self._manifest(None))
            elif self._is_mine(lease) or self._is_free(lease):
                self._client.update(self._path(), self._manifest(lease))
            else:
                return False
        except Outdated:  # another was faster
            return self.may_write()
        self._set(asked + WRITING_SECONDS)
        return True

    def release(self) -> None:
        """Give it back, so that another need not wait; nothing where it is not held."""
        if not self.may_write():
            return
        self._set(float("-inf"))
        try:
            lease = self._client.find(self._path())
            if lease is not None and self._is_mine(lease):
                spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                self._client.update(self._path(), {**lease, "spec": spec})
        except ApiError as error:
            LOGGER.info("the lease was not given back: %s", error.message)

    def _set(self, until: float) -> None:
        with self._lock:
            self._until = until

    def _path(self, name: str | None = None) -> str:
        return path_of(API_VERSION, "Lease", self._namespace, (self._name if name is None else name) or None)

    def _is_mine(self, lease: Object) -> bool:
        return bool((lease.get("spec") or {}).get("holderIdentity") == self._identity)

    def _is_free(self, lease: Object) -> bool:
        """True if nobody holds it, or its holder has not renewed it for as long as it lasts by this clock."""
        spec, version = lease.get("spec") or {}, lease["metadata"]["resourceVersion"]
        if not spec.get("holderIdentity"):
            return True
        if self._seen[0] != version:
            self._seen = (version, self._clock())
        return self._clock() - self._seen[1] > float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)

    def _manifest(self, lease: Object | None) -> Object:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        before = (lease or {}).get("spec") or {}
        mine = lease is not None and self._is_mine(lease)
        return {
            "apiVersion": API_VERSION,
            "kind": "Lease",
            "metadata": (lease or {}).get("metadata") or {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": before.get("acquireTime", now) if mine else now,
                "renewTime": now,
                "leaseTransitions": int(before.get("leaseTransitions") or 0) + (0 if mine or not lease else 1),
            },
        }
