"""``vlm-operator agent``: keeps one node's ``GPUNode`` equal to what NVML tells, and writes only what differs enough.

An agent that is told to stop deletes its ``GPUNode``: what nobody measures any more is not to be planned with.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from vlm_operator.agent.node_status import is_news, node_status
from vlm_operator.agent.nvml import LocalGPU, local_gpus
from vlm_operator.api.names import API_VERSION
from vlm_operator.controller.api_errors import ApiError, NotFound
from vlm_operator.controller.client import Client, path_of
from vlm_operator.errors import InputError

LOGGER: Final = logging.getLogger(__name__)

READ_AGAIN_SECONDS: Final = 300.0
"""How often the object is read: somebody may have changed or deleted it. A read, not a write."""


class NodeAgent:
    """Keeps the ``GPUNode`` of one node.

    Args:
        client: the API server.
        node: the node's name.
        read: the GPUs as NVML tells them now.
        clock: seconds, for the time between two reads of the object.
        pod: namespace and name of the pod that it runs in, None for none.
    """

    def __init__(
        self,
        client: Client,
        node: str,
        read: Callable[[], Sequence[LocalGPU]] = local_gpus,
        clock: Callable[[], float] = time.monotonic,
        pod: str | None = None,
    ) -> None:
        self._client = client
        self._node = node
        self._read = read
        self._clock = clock
        self._pod = pod
        self._path = path_of(API_VERSION, "GPUNode", None, node)
        self._written: Mapping[str, Any] | None = None
        self._exists = False
        self._looked = float("-inf")
        self._problem = ""

    def look(self) -> bool:
        """Look at the GPUs once; True where something was written.

        Raises:
            ApiError: the API server does not take it.
        """
        try:
            gpus = self._read()
        except InputError as error:
            if error.message != self._problem:
                LOGGER.warning("%s; %s", error.message, error.hint)
            self._problem = error.message
            return False
        self._problem = ""
        if self._clock() - self._looked >= READ_AGAIN_SECONDS:
            live = self._client.find(self._path)
            self._exists, self._written = live is not None, (live or {}).get("status") or None
            self._looked = self._clock()
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        status = node_status(gpus, now, self._pod)
        if not is_news(self._written, status):
            return False
        self._write(status)
        return True

    def end(self) -> None:
        """Delete the object."""
        self._client.delete(self._path)

    def _write(self, status: Mapping[str, Any]) -> None:
        identity = {"apiVersion": API_VERSION, "kind": "GPUNode"}
        if not self._exists:
            node = self._client.get(path_of("v1", "Node", None, self._node))
            owner = {"apiVersion": "v1", "kind": "Node", "name": self._node, "uid": node["metadata"]["uid"]}
            self._client.apply(self._path, {**identity, "metadata": {"name": self._node, "ownerReferences": [owner]}})
            self._exists = True
        try:
            self._client.apply(
                f"{self._path}/status", {**identity, "metadata": {"name": self._node}, "status": dict(status)}
            )
        except NotFound:  # deleted meanwhile: made anew at the next look
            self._looked = float("-inf")
            raise
        self._written = status
        LOGGER.info("wrote GPUNode %s: %d GPUs", self._node, len(status.get("gpus") or ()))


def run(node: str, interval_seconds: float, pod: str | None = None) -> None:
    """Look every so many seconds until told to stop (SIGINT, SIGTERM).

    Args:
        pod: namespace and name of the pod that it runs in, None for none.
    """
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    agent = NodeAgent(Client.connect(connections=1), node, pod=pod)
    LOGGER.info("watching the GPUs of node %s", node)
    while not stopped.is_set():
        try:
            agent.look()
        except ApiError as error:
            LOGGER.warning("again in %.0f s: %s", interval_seconds, error.message)
        stopped.wait(interval_seconds)
    try:
        agent.end()
    except ApiError as error:
        LOGGER.warning("GPUNode %s was not deleted: %s", node, error.message)
