"""Facts of models from ``sources``, read once per model and revision."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vlm_operator.errors import InputError, SourceUnavailable, UnknownFact, VlmOperatorError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources import load_model

REMEMBER_SECONDS: Final = 3600.0
"""How long facts are used before the source is asked again: a branch may move."""

REMEMBER_REFUSAL_SECONDS: Final = 300.0
"""How long ``no such model`` or ``layout not known`` holds: a repository may appear or be repaired."""

REMEMBER_OUTAGE_SECONDS: Final = 20.0
"""How long a source that did not answer is left alone."""


class ModelSource(Protocol):
    """How facts are asked for: the signature of ``sources.load_model``."""

    def __call__(self, name: str, *, revision: str | None = None) -> ModelFacts:
        """Facts, or one of our errors."""
        ...


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """Facts, or the error that there are none; ``stale_after`` by the cache's clock."""

    facts: ModelFacts | None
    error: VlmOperatorError | None
    stale_after: float


class Models:
    """Facts by (id, revision). Safe to use from several threads; two that ask for the same wait for one answer."""

    def __init__(self, source: ModelSource = load_model, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._answers: dict[tuple[str, str | None], ModelAnswer] = {}
        self._locks: dict[tuple[str, str | None], threading.Lock] = {}
        self._guard = threading.Lock()

    def ask(self, spec: Mapping[str, Any]) -> ModelAnswer:
        """What is known of ``spec.model``. Never raises: the answer holds the error."""
        model = spec.get("model") or {}
        if "id" not in model:
            return ModelAnswer(None, _unreadable_path(str(model.get("path", ""))), float("inf"))
        key = (str(model["id"]), model.get("revision"))
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._answers.get(key)
            if known is None or known.stale_after <= self._clock():
                known = self._answers[key] = self._asked(*key)
            return known

    def _asked(self, name: str, revision: str | None) -> ModelAnswer:
        try:
            facts = self._source(name, revision=revision)
        except SourceUnavailable as error:
            return ModelAnswer(None, error, self._clock() + REMEMBER_OUTAGE_SECONDS)
        except VlmOperatorError as error:
            return ModelAnswer(None, error, self._clock() + REMEMBER_REFUSAL_SECONDS)
        return ModelAnswer(facts, None, self._clock() + REMEMBER_SECONDS)


def _unreadable_path(path: str) -> VlmOperatorError:
    """A directory in the pod's volume: the operator has no such volume, so it cannot know what lies there."""
    if not path:
        return InputError("model: neither id nor path is set", field="model", hint="set spec.model.id")
    return UnknownFact(
        f"model.path: {path} lies in a volume that only the model server's pod can read, so its facts are not known",
        field="model.path",
        hint="name the model by spec.model.id, or plan it where the directory is: vlmctl plan DIRECTORY",
    )
