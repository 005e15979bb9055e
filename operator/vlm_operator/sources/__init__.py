"""Where model facts come from: a directory, the Hugging Face cache or Hub, the built-in catalogue.

Belongs here: file and network access that ends in ``ModelFacts``. Does not: interpretation of a config (``model``).
Called by ``cli`` and ``controller``.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm_operator.errors import InputError, ModelNotFound, SourceUnavailable
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources import added_models, catalogue, directory

__all__ = ["is_path", "load_model", "load_served_model", "read_model"]


def load_model(
    name: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
    hf_overrides: Mapping[str, Any] | None = None,
) -> ModelFacts:
    """Facts of the model that the user names; ``ModelFacts.source`` says where they were read.

    Looked up in this order: a path that exists (or ``-``, a config on standard input), what was added on this machine
    (``added_models``), the built-in catalogue, the local Hugging Face cache, the Hub; where the Hub cannot be read, a
    base model of the catalogue and a quantisation scheme that the name gives (``derived``). The catalogue answers only
    for the model as published: a pinned revision is read from the cache or the Hub (and from the catalogue, saying so,
    only where neither can be read), and so is a model with ``hf_overrides``, because these change the config that facts
    are derived from. The same holds for added models.

    Args:
        name: Hugging Face id, directory, path of a ``config.json``, or ``-``.
        revision: branch, tag or commit; None for the default branch.
        token: Hugging Face access token; None for the one its tools keep.
        offline: no network call.
        hf_overrides: as vLLM's ``--hf-overrides``.

    Raises:
        ModelNotFound: no source knows the model.
        InputError: a path, config or checkpoint is wrong, or a token is missing.
        SourceUnavailable: the Hub would have to be asked and cannot be.
        UnknownFact: the model's layout is not known.
    """
    if is_path(name):
        return directory.load_path(name, hf_overrides=hf_overrides)
    added = None if hf_overrides else added_models.find(name)
    if added is not None and revision is None:
        return added
    entry = catalogue.find(name)
    pinned = revision is not None and revision != (entry.revision if entry else None)
    if entry is not None and not pinned and not hf_overrides and not entry.is_assumed:
        return catalogue.load(entry)

    if entry is not None:
        name = entry.id
    try:
        return _from_repository(name, revision=revision, token=token, offline=offline, hf_overrides=hf_overrides)
    except SourceUnavailable as error:
        if added is not None:
            return _uncompared(added, revision, error)
        if entry is None:
            derived = None if revision or hf_overrides else _derived(name)
            if derived is not None:
                return derived
            hints = [hint for hint in (_suggestion(name), error.hint) if hint]
            raise SourceUnavailable(error.message, hint="; otherwise ".join(hints)) from error
        if hf_overrides:
            raise _config_needed(entry.id, error) from error
        return _uncompared(catalogue.load(entry), revision, error) if pinned else catalogue.load(entry)
    except ModelNotFound as error:
        if error.field != "model":
            raise
        raise ModelNotFound(error.message, field=error.field, hint=_suggestion(name) or error.hint) from error


def load_served_model(
    name: str,
    *,
    revision: str | None = None,
    offline: bool = False,
    hf_overrides: Mapping[str, Any] | None = None,
) -> ModelFacts:
    """Facts of a model as a server is to be started with it, whose config ``hf_overrides`` may change.

    Where the config that they change cannot be read, the facts are those of the model as published, and say so
    (``ModelFacts.hf_overrides`` is None): a plan with them is not certain.

    Raises:
        ModelNotFound, InputError, SourceUnavailable, UnknownFact: as ``load_model``.
    """
    if not hf_overrides:
        return load_model(name, revision=revision, offline=offline)
    try:
        return load_model(name, revision=revision, offline=offline, hf_overrides=hf_overrides)
    except SourceUnavailable as error:
        facts = load_model(name, revision=revision, offline=offline)
        source = f"{facts.source}, without --hf-overrides, which could not be applied: {error.message}"
        return dataclasses.replace(facts, source=source)


def read_model(name: str, *, revision: str | None = None, offline: bool = False) -> ModelFacts:
    """Facts from the model's own files: a path, the Hugging Face cache or the Hub.

    Raises:
        ModelNotFound, InputError, SourceUnavailable, UnknownFact: as ``load_model``.
    """
    return directory.load_path(name) if is_path(name) else _from_repository(name, revision=revision, offline=offline)


def _from_repository(
    name: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    offline: bool = False,
    hf_overrides: Mapping[str, Any] | None = None,
) -> ModelFacts:
    from vlm_operator.sources import hugging_face

    hugging_face.require_repository(name, revision)
    cached = hugging_face.load_cached(name, revision=revision, hf_overrides=hf_overrides)
    if cached is not None:
        return cached
    if offline:
        raise _not_on_this_machine(name, revision)
    return hugging_face.load_from_hub(name, revision=revision, token=token, hf_overrides=hf_overrides)


def _derived(name: str) -> ModelFacts | None:
    """Facts from a base model and a scheme that the name gives, None where it names none.

    Raises:
        UnknownFact: the name describes an upload whose weights do not follow from the base model.
    """
    from vlm_operator.sources.derived import derive

    return derive(name)


def _uncompared(facts: ModelFacts, revision: str | None, error: SourceUnavailable) -> ModelFacts:
    """Facts that are there, for a revision that could not be read."""
    return dataclasses.replace(
        facts, source=f"{facts.source}; revision {revision} could not be compared: {error.message}"
    )


def is_path(name: str) -> bool:
    """True where the name is a path rather than a Hugging Face id: written as one, or there (``-``: standard input).

    Raises:
        InputError: it can be neither.
    """
    return name == directory.STANDARD_INPUT or _looks_like_path(name) or _exists(name)


def _not_on_this_machine(name: str, revision: str | None) -> SourceUnavailable:
    return SourceUnavailable(
        f"model: {name}{f' at {revision}' if revision else ''} is not on this machine, and no network call is allowed",
        hint="download it first, or allow network calls",
    )


def _config_needed(name: str, error: SourceUnavailable) -> SourceUnavailable:
    return SourceUnavailable(
        f"hf_overrides: they change the config of {name}, and the built-in catalogue holds only what was derived from "
        f"it; {error.message}",
        hint="download the model's config.json and give its path, or allow network calls",
    )


def _looks_like_path(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~")) or name.endswith((".json", os.sep)) or name in {".", ".."}


def _exists(name: str) -> bool:
    """True for a path that is there, or that only the operating system's refusal hides (a loop of links)."""
    try:
        return bool(name) and os.path.lexists(Path(name).expanduser())
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"model: {name[:80]!r} is neither a path nor a Hugging Face id", field="model") from error


def _suggestion(name: str) -> str | None:
    close = catalogue.close_names(name)
    return f"did you mean {' or '.join(close)}" if close else None
