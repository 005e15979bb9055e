"""Facts of models from ``sources``, read once per model and revision."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from vlm_operator.api.base import parse
from vlm_operator.api.names import MODEL_CONFIG_LABEL
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.controller.model_configs import ModelConfig
from vlm_operator.engine.flags import canonical_json
from vlm_operator.engine.hf_overrides import as_text, hf_overrides
from vlm_operator.errors import InputError, SourceUnavailable, UnknownFact, VlmOperatorError
from vlm_operator.lifecycle.dry_run.knowledge import bearing, model_files
from vlm_operator.lifecycle.situation import Manifest
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources import load_served_model
from vlm_operator.sources.given_files import GIVEN, facts_of_files, files_of_config_map
from vlm_operator.sources.model_files import ModelFiles

REMEMBER_SECONDS: Final = 3600.0
"""How long facts are used before the source is asked again: a branch may move."""

REMEMBER_REFUSAL_SECONDS: Final = 300.0
"""How long ``no such model`` or ``layout not known`` holds: a repository may appear or be repaired."""

REMEMBER_OUTAGE_SECONDS: Final = 20.0
"""How long a source that did not answer is left alone."""


MOST_OBJECTS: Final = 256
"""Models read from objects that are remembered."""

ACCEPT_SECOND_BEST_AFTER_SECONDS: Final = 120.0
"""How long the source must have been away before a plan rests on facts that are not of the config: derived from the
model's name, or of the model as published where ``--hf-overrides`` change it."""


class ModelKey(NamedTuple):
    """What is asked for: facts of a model, with what ``--hf-overrides`` replace in its config (canonical JSON)."""

    name: str
    revision: str | None
    hf_overrides: str | None


class ModelSource(Protocol):
    """How facts are asked for: the signature of ``sources.load_served_model``."""

    def __call__(
        self, name: str, *, revision: str | None = None, hf_overrides: Mapping[str, Any] | None = None
    ) -> ModelFacts:
        """Facts, or one of our errors."""
        ...


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """Facts, or the error that there are none; ``stale_after`` by the cache's clock."""

    facts: ModelFacts | None
    error: VlmOperatorError | None
    stale_after: float


class Models:
    """Facts by model. Safe to use from several threads; two that ask for the same wait for one answer."""

    def __init__(self, source: ModelSource = load_served_model, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._answers: dict[ModelKey, ModelAnswer] = {}
        self._locks: dict[ModelKey, threading.Lock] = {}
        self._of_objects: dict[tuple[str, str], ModelAnswer] = {}
        self._guard = threading.Lock()
        self._away_since: dict[ModelKey, float] = {}

    def ask(
        self,
        spec: Mapping[str, Any],
        facts: Sequence[Manifest] = (),
        namespace: str = "",
        config_map: ModelConfig | None = None,
    ) -> ModelAnswer:
        """What is known of ``spec.model``. Never raises: the answer holds the error.

        Args:
            facts: ``EngineFacts`` with the model's label: where the source has no answer, the files that a dry run read
                may have one.
            namespace: of the VLMDeployment.
            config_map: the one that ``spec.model.config`` names, None where it names none or there is none.
        """
        try:
            replaced = _hf_overrides(spec)
        except InputError as error:
            return ModelAnswer(None, error, float("inf"))
        model = spec.get("model") or {}
        has_config = bool(model.get("config"))
        answer = self._of_config(model, config_map, replaced) if has_config else self._of_source(model, replaced)
        if not facts or (answer.facts is not None and answer.facts.derived is None):
            return answer
        return self._of_files(spec, facts, namespace) or answer

    def _of_source(self, model: Mapping[str, Any], replaced: str | None) -> ModelAnswer:
        if "id" not in model:
            return ModelAnswer(None, _unreadable_path(str(model.get("path", ""))), float("inf"))
        key = ModelKey(str(model["id"]), model.get("revision"), replaced)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            known = self._answers.get(key)
            if known is None or known.stale_after <= self._clock():
                known = self._answers[key] = self._asked(key)
            return known

    def _of_config(self, model: Mapping[str, Any], config_map: ModelConfig | None, replaced: str | None) -> ModelAnswer:
        """By the files that the spec gives; read once for each content."""
        name, config = str(model.get("id") or model.get("path") or ""), model["config"]
        named = (config.get("configMapRef") or {}).get("name")
        if named is None:
            digest = hashlib.sha256(canonical_json(config).encode()).hexdigest()
        elif config_map is None:
            return ModelAnswer(None, _no_config_map(str(named)), self._clock())
        else:
            digest = config_map.digest
        key = (name, f"{named or ''} {digest} {replaced or ''}")
        with self._guard:
            known = self._of_objects.get(key)
        if known is None:
            given = config_map if named else None
            known = _read_given(config.get("inline") or {}, given, name, name=str(named), replaced=replaced)
            self._remember(key, known)
        return known

    def _of_files(self, spec: Mapping[str, Any], facts: Sequence[Manifest], namespace: str) -> ModelAnswer | None:
        """By the config that a dry run read where the model lies; None where none did. Read once for each object."""
        try:
            about = bearing(facts, parse(VLMDeploymentSpec, spec, where="spec"), namespace)
        except InputError:
            return None
        for item in about:
            files = model_files((item,))
            if files is None:
                continue
            key = (str(item["metadata"].get("uid")), str(item["metadata"].get("resourceVersion")))
            with self._guard:
                known = self._of_objects.get(key)
            if known is None:
                known = _read_files(files, item)
                self._remember(key, known)
            return known
        return None

    def _remember(self, key: tuple[str, str], answer: ModelAnswer) -> None:
        with self._guard:
            if len(self._of_objects) >= MOST_OBJECTS:
                self._of_objects.clear()
            self._of_objects[key] = answer

    def _asked(self, key: ModelKey) -> ModelAnswer:
        replaced = json.loads(key.hf_overrides) if key.hf_overrides else None
        try:
            facts = self._source(key.name, revision=key.revision, hf_overrides=replaced)
        except SourceUnavailable as error:
            return ModelAnswer(None, error, self._clock() + REMEMBER_OUTAGE_SECONDS)
        except VlmOperatorError as error:
            return ModelAnswer(None, error, self._clock() + REMEMBER_REFUSAL_SECONDS)
        if facts.derived is not None or facts.hf_overrides != key.hf_overrides:
            return self._of_second_best(key, facts)
        self._away_since.pop(key, None)
        return ModelAnswer(facts, None, self._clock() + REMEMBER_SECONDS)

    def _of_second_best(self, key: ModelKey, facts: ModelFacts) -> ModelAnswer:
        """Facts that are not of the config: the Hub cannot be read, which may pass; they are used once it has not."""
        now = self._clock()
        waited = now - self._away_since.setdefault(key, now)
        if waited >= ACCEPT_SECOND_BEST_AFTER_SECONDS:
            return ModelAnswer(facts, None, now + REMEMBER_REFUSAL_SECONDS)
        rests = "derived from its name" if facts.derived is not None else "of the model without --hf-overrides"
        error = SourceUnavailable(
            f"model: the config of {key.name} cannot be read for now; if it cannot for "
            f"{ACCEPT_SECOND_BEST_AFTER_SECONDS:.0f} s, the plan rests on facts {rests}",
            hint="let the operator reach the Hub or a mirror (HF_ENDPOINT)",
        )
        return ModelAnswer(None, error, now + REMEMBER_OUTAGE_SECONDS)


def _hf_overrides(spec: Mapping[str, Any]) -> str | None:
    """What the further arguments replace in the config, as canonical JSON.

    Raises:
        InputError: no JSON object.
    """
    arguments = (spec.get("engine") or {}).get("extraArgs") or ()
    return as_text(hf_overrides([str(each) for each in arguments], field="engine.extraArgs"))


def _read_files(files: Mapping[str, Any], item: Manifest) -> ModelAnswer:
    """Facts by the files' contents, or the error that they give none."""
    model, name = str(item["spec"]["model"]), str(item["metadata"]["name"])
    try:
        replaced = json.loads(item["spec"].get("hfOverrides") or "null")
        found = ModelFiles.read(lambda each: files[each], frozenset(files))
        source = f"{found.read_from}, read by the dry run of EngineFacts {name}"
        facts = found.facts(model=model, source=source, hf_overrides=replaced)
        return ModelAnswer(facts, None, float("inf"))
    except VlmOperatorError as error:
        return ModelAnswer(None, error, float("inf"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        words = f"model: the config in EngineFacts {name} cannot be read: {type(error).__name__}: {error}"
        return ModelAnswer(None, UnknownFact(words, field="model"), float("inf"))


def _read_given(
    inline: Mapping[str, Mapping[str, Any]],
    config_map: ModelConfig | None,
    model: str,
    *,
    name: str,
    replaced: str | None,
) -> ModelAnswer:
    """Facts by the files that a spec gives, or the error that they give none."""
    try:
        place = GIVEN if config_map is None else f"ConfigMap {name}"
        files = inline if config_map is None else files_of_config_map(config_map.data, place)
        overrides = json.loads(replaced) if replaced else None
        facts = facts_of_files(files, model=model, where=place, hf_overrides=overrides)
        return ModelAnswer(facts, None, float("inf"))
    except VlmOperatorError as error:
        return ModelAnswer(None, error, float("inf"))


def _no_config_map(name: str) -> VlmOperatorError:
    return SourceUnavailable(
        f"model.config.configMapRef: the operator sees no ConfigMap {name} with the label {MODEL_CONFIG_LABEL} in this "
        "namespace",
        hint=f"kubectl create configmap {name} --from-file=config.json, kubectl label configmap {name} "
        f"{MODEL_CONFIG_LABEL}=true, and set modelConfigs.enabled in the chart's values; or give the files in "
        "model.config.inline",
    )


def _unreadable_path(path: str) -> VlmOperatorError:
    """A directory in the pod's volume: the operator has no such volume, so it cannot know what lies there."""
    if not path:
        return InputError("model: neither id nor path is set", field="model", hint="set spec.model.id")
    return UnknownFact(
        f"model.path: {path} lies in a volume that only the model server's pod can read, so its facts are not known",
        field="model.path",
        hint="set spec.dryRun: WhenUnknown to have vLLM asked in a pod that has the volume, or name the model by "
        "spec.model.id, or give its config.json in spec.model.config",
    )
