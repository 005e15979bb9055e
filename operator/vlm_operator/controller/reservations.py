"""GPUs that VLMDeployments were given: until a pod holds them, only the operator knows that they are taken."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import Any

from vlm_operator.controller.queue import Key
from vlm_operator.lifecycle.situation import AwaitedGPUs


class Reservations:
    """What each VLMDeployment was given, by the status last decided. Safe to use from several threads.

    Attributes:
        choosing: held while one VLMDeployment chooses its GPUs, so that no two choose the same ones at once.
    """

    def __init__(self) -> None:
        self.choosing = threading.RLock()
        self._given: dict[Key, AwaitedGPUs] = {}

    def given(self, key: Key, status: Mapping[str, Any]) -> None:
        """Note what a status gives; nothing where it has no command, or where the server is stopped."""
        plan = status.get("plan") or {}
        gpu = plan.get("gpu") or {}
        stopped = any(item["type"] == "Stalled" and item["status"] == "True" for item in status.get("conditions") or ())
        with self.choosing:
            if plan.get("fingerprint") and gpu.get("count") and not stopped:
                nodes = int(gpu.get("nodesPerReplica") or 1)
                self._given[key] = AwaitedGPUs(gpu["product"], gpu["resource"], gpu["count"] // nodes, nodes)
            else:
                self._given.pop(key, None)

    def forget(self, key: Key) -> None:
        """The VLMDeployment is gone."""
        with self.choosing:
            self._given.pop(key, None)

    def awaited(self, but: Key, holders: Collection[Key]) -> tuple[AwaitedGPUs, ...]:
        """What others were given and no pod holds yet.

        Args:
            but: who asks.
            holders: VLMDeployments whose pods hold their GPUs: these count as in use.
        """
        with self.choosing:
            return tuple(gpus for key, gpus in self._given.items() if key != but and key not in holders)
