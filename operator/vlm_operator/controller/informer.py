"""``Informer``: keeps a cache equal to what the API server has of one kind, by one list and then a watch.

kopf's watches are not used: after a broken watch they list anew and say nothing of what was deleted meanwhile, and
handling one event costs 1.1 ms of processor time, here 0.1 ms.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from vlm_operator.controller.api_errors import ApiError, NotFound, Outdated, Rejected, RetryLater
from vlm_operator.controller.client import Client, Object, path_of

LOGGER: Final = logging.getLogger(__name__)

PAGE: Final = 200
"""Objects of one answer to a listing: bounds the memory that reading one takes."""

WATCH_SECONDS: Final = 300
"""How long the API server holds one watch; the next goes on where it ended."""

SHORTEST_WATCH_SECONDS: Final = 0.5
"""A watch that ends sooner without a word is not asked for again at once."""

FIRST_DELAY_SECONDS: Final = 0.2
LONGEST_DELAY_SECONDS: Final = 5.0
"""Between two tries while the API server does not answer."""

REFUSED_DELAY_SECONDS: Final = 300.0
"""Longest time between two tries of a listing that is refused and not required."""

ABSENT_DELAY_SECONDS: Final = 15.0
"""Longest time between two looks whether a kind that is not required is there now."""


class Sink(Protocol):
    """What an informer fills. Called from the informer's thread."""

    def put(self, item: Object) -> None:
        """The object is there, or has changed."""

    def drop(self, item: Object) -> None:
        """The object was deleted; ``item`` is its last state."""

    def retain(self, namespace: str | None, uids: set[str], version: int) -> None:
        """Of this namespace (None: of all) only these were there at ``version``: others that are older went."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Which objects.

    Attributes:
        api_version: for instance ``apps/v1``.
        kind: one of ``client.PLURALS``.
        namespace: None for all namespaces, or for a kind that has none.
        labels: label selector.
        fields: field selector.
        required: False where the operator works without it if the API server refuses the listing, or has no such kind.
    """

    api_version: str
    kind: str
    namespace: str | None = None
    labels: str = ""
    fields: str = ""
    required: bool = True

    @property
    def path(self) -> str:
        """Where they are listed."""
        return path_of(self.api_version, self.kind, self.namespace)

    @property
    def query(self) -> dict[str, str]:
        """Which of them are wanted."""
        selectors = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {name: value for name, value in selectors.items() if value}


class Informer:
    """One list and watch, in a thread of its own, for as long as the process lives.

    Args:
        client: the API server.
        watched: which objects.
        sink: what is filled.
        synced: called once, when the first listing is in the sink, or was refused and is not required.
        answered: told of each listing what the API server said where it refused it, or None.

    Attributes:
        problem: why that is not so yet; None once it is.
    """

    def __init__(
        self,
        client: Client,
        watched: Watched,
        sink: Sink,
        synced: Callable[[], None],
        answered: Callable[[Watched, str | None], None] = lambda watched, refusal: None,
    ) -> None:
        self.watched = watched
        self.problem: str | None = f"{watched.path}: not listed yet"
        self._client = client
        self._sink = sink
        self._synced = synced
        self._answered = answered
        self._refusal: str | None = None
        self._stopped = threading.Event()
        self._failures = 0
        self._newest = 0

    def start(self) -> None:
        """Start the thread. It is a daemon: a read that hangs does not keep the process."""
        threading.Thread(target=self._run, name=f"watch {self.watched.path}", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end when its present read ends."""
        self._stopped.set()

    def _run(self) -> None:
        version: int | None = None
        while not self._stopped.is_set():
            try:
                if version is None:
                    version = self._list()
                    self._listed()
                version = self._watch(version)
            except Outdated:  # 410: the API server no longer has what happened since
                version = None
            except NotFound as error:  # the kind does not exist (any more), and so nothing of it
                version = None
                if self.problem is None:
                    self._sink.retain(self.watched.namespace, set(), _EVERYTHING)
                self._pause(error)
            except ApiError as error:
                if not isinstance(error, RetryLater):
                    version = None
                self._pause(error)
            except Exception as error:
                LOGGER.exception("watching %s: a defect of the operator; it is listed anew", self.watched.path)
                version = None
                self._pause(error)

    def _list(self) -> int:
        """Every object into the sink; the version of the listing."""
        uids: set[str] = set()
        query = {**self.watched.query, "limit": str(PAGE)}
        while True:
            page = self._client.get(self.watched.path, query)
            metadata = page.get("metadata")
            if not isinstance(metadata, dict) or not str(metadata.get("resourceVersion")).isdecimal():
                raise RetryLater(f"{self.watched.path}: what came is no list")
            for item in page.get("items") or ():
                uids.add(item["metadata"]["uid"])
                self._sink.put(self._typed(item))
            if not (rest := metadata.get("continue")):
                break
            query["continue"] = rest
        version = int(metadata["resourceVersion"])
        if version < self._newest:  # etcd was restored from a backup: what is known is of a time that never was
            self._newest = 0
            self._sink.retain(self.watched.namespace, set(), _EVERYTHING)
            return self._list()
        self._newest = version
        self._sink.retain(self.watched.namespace, uids, version)
        return version

    def _watch(self, version: int) -> int:
        """Follow until the server ends the watch; the version to go on from.

        Raises:
            Outdated: what happened since is not known any more.
        """
        query = {
            **self.watched.query,
            "resourceVersion": str(version),
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        began, heard = time.monotonic(), False
        try:
            for event in self._client.watch(self.watched.path, query):
                sort, item = event["type"], event["object"]
                if sort == "ERROR":
                    raise _error(item, self.watched.path)
                if sort in {"ADDED", "MODIFIED"}:
                    self._sink.put(self._typed(item))
                elif sort == "DELETED":
                    self._sink.drop(self._typed(item))
                version = int(item["metadata"]["resourceVersion"])
                self._failures, heard = 0, True
                if self._stopped.is_set():
                    break
        except RetryLater as error:  # what has been seen is seen: go on from there
            self._pause(error)
        if not heard and time.monotonic() - began < SHORTEST_WATCH_SECONDS:
            self._stopped.wait(SHORTEST_WATCH_SECONDS)
        return version

    def _typed(self, item: Object) -> Object:
        """Items of a listing do not say their kind."""
        return {"apiVersion": self.watched.api_version, "kind": self.watched.kind, **item}

    def _listed(self) -> None:
        self._failures = 0
        self._refusal = None
        self._answered(self.watched, None)
        self._settled()

    def _settled(self) -> None:
        if self.problem is not None:
            self.problem = None
            self._synced()

    def _pause(self, error: Exception) -> None:
        """Wait after an error, longer each time."""
        words = error.message if isinstance(error, ApiError) else repr(error)
        self._failures += 1
        log, longest = LOGGER.info if self._failures == 1 else LOGGER.warning, LONGEST_DELAY_SECONDS
        if isinstance(error, Rejected | NotFound) and not self.watched.required:
            # Said once: a cluster may do without.
            log = LOGGER.debug if self._refusal is not None else LOGGER.info
            longest = ABSENT_DELAY_SECONDS if isinstance(error, NotFound) else REFUSED_DELAY_SECONDS
            self._refusal = words
            self._answered(self.watched, words)
            self._settled()
        elif self.problem is not None:
            self.problem = words
        delay = min(FIRST_DELAY_SECONDS * 2 ** min(self._failures - 1, 16), longest) * random.uniform(0.5, 1.0)
        log("watching %s again in %.1f s: %s", self.watched.path, delay, words)
        self._stopped.wait(delay)


_EVERYTHING: Final = 1 << 63
"""A version that everything is older than."""


def _error(status: Object, path: str) -> ApiError:
    words = f"watch {path}: {status.get('code')} {status.get('reason')}: {status.get('message')}"
    if status.get("code") == 410:
        return Outdated(words, code=410)
    return RetryLater(words, code=int(status.get("code") or 0))
