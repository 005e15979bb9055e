"""ConfigMaps that hold configs of models, as the watch has seen them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vlm_operator.controller.client import Object
from vlm_operator.engine.flags import canonical_json

CONFIG_MAP: Final = "ConfigMap"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The files of one ConfigMap.

    Attributes:
        uid: identity of this very ConfigMap.
        version: its resource version.
        data: text by file name.
        digest: 16 hexadecimal digits of ``data``.
    """

    uid: str
    version: int
    data: Mapping[str, str]
    digest: str


class ModelConfigs:
    """Every labelled ConfigMap, a sink of its informer. Safe to use from several threads.

    Args:
        changed: told the namespace where files have changed, were added or went.
    """

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._known: dict[tuple[str, str], ModelConfig] = {}
        self._lock = threading.Lock()

    def find(self, namespace: str, name: str) -> ModelConfig | None:
        """The ConfigMap of that name, or None where none with the label is there."""
        with self._lock:
            return self._known.get((namespace, name))

    def put(self, item: Object) -> None:
        """See ``informer.Sink``."""
        metadata, data = item["metadata"], item.get("data") or {}
        digest = hashlib.sha256(canonical_json(data).encode()).hexdigest()[:16]
        found = ModelConfig(metadata["uid"], int(metadata["resourceVersion"]), data, digest)
        key = (metadata["namespace"], metadata["name"])
        with self._lock:
            before = self._known.get(key)
            if before is not None and before.version >= found.version:
                return
            self._known[key] = found
        if before is None or before.digest != digest:
            self._changed(key[0])

    def drop(self, item: Object) -> None:
        """See ``informer.Sink``."""
        metadata = item["metadata"]
        key = (metadata["namespace"], metadata["name"])
        with self._lock:
            known = self._known.get(key)
            if known is None or known.uid != metadata["uid"]:
                return
            del self._known[key]
        self._changed(key[0])

    def retain(self, namespace: str | None, uids: set[str], version: int) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            gone = [
                key
                for key, known in self._known.items()
                if namespace in (None, key[0]) and known.uid not in uids and known.version <= version
            ]
            for key in gone:
                del self._known[key]
        for where in sorted({key[0] for key in gone}):
            self._changed(where)
