"""Entries that a person added on this machine with ``vlmctl models add``: facts that are there without a network.

They are kept in ``$XDG_DATA_HOME/vlm-operator/models`` (``~/.local/share`` where that is not set), a file a model, in
the form of the built-in catalogue, and come before it. A file may be copied to another machine, or removed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from json import dumps
from pathlib import Path
from typing import Any, Final

from vlm_operator.errors import InputError, ModelNotFound
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources.json_document import read_object
from vlm_operator.sources.serialization import decode_facts, encode_facts

_FORM: Final = 1
"""Changes where a file written before could not be read, or would mean something else."""

_LARGEST_ENTRY_BYTES: Final = 32 * 2**20


def folder() -> Path:
    """Where the entries are."""
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else _home() / ".local" / "share") / "vlm-operator" / "models"


def file_of(name: str) -> Path:
    """The file of an id, whether it is there or not; upper and lower case alike."""
    return folder() / f"{name.lower()}.json"


def find(name: str) -> ModelFacts | None:
    """The facts that were added under an id, or None.

    Raises:
        InputError: the file is there and is not an entry; the file and the remedy are named.
    """
    if ".." in name or name.count("/") > 1:
        return None
    file = file_of(name)
    try:
        there = file.is_file()
    except OSError:
        return None  # a home that may not be read holds no entries
    return _read(file) if there else None


def all_facts() -> Iterator[ModelFacts]:
    """The facts of every entry, in the order of the ids.

    Raises:
        InputError: a file is not an entry.
    """
    for file in sorted(folder().rglob("*.json")):
        yield _read(file)


def write(facts: ModelFacts, name: str) -> Path:
    """Keep facts under an id, in place of what was kept under it.

    Raises:
        InputError: the name cannot be an id, the facts were not read from the model's own files, or the folder cannot
            be written.
    """
    if not _is_id(name):
        raise InputError(f"models add: {name[:80]!r} is no id", field="as", hint="give --as OWNER/NAME")
    if facts.derived is not None:
        raise InputError(
            f"models add: the config of {name} cannot be read here; what is known was derived from its name",
            field="model",
            hint="run it where the Hub can be reached, and copy the file; or give the model's folder or config.json",
        )
    file = file_of(name)
    document = {"form": _FORM, "facts": encode_facts(replace(facts, model=name, source=f"added: {facts.source}"))}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".part", delete=False, encoding="utf-8") as part:
            part.write(dumps(document, ensure_ascii=False, separators=(",", ":")))
        Path(part.name).replace(file)
    except OSError as error:
        raise InputError(f"models add: {file} cannot be written: {error.strerror}", field=str(file)) from error
    return file


def remove(name: str) -> Path:
    """Remove the entry of an id.

    Raises:
        ModelNotFound: none was added under that id.
    """
    file = file_of(name)
    if not _is_id(name) or not file.is_file():
        raise ModelNotFound(
            f"models remove: no entry was added as {name[:80]}", field="model", hint="vlmctl models lists them"
        )
    file.unlink()
    return file


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without an entry, as containers run them
        return Path("/")


def _is_id(name: str) -> bool:
    from vlm_operator.sources.hugging_face import require_repository

    try:
        require_repository(name, None)
    except ModelNotFound:
        return False
    return True


def _read(file: Path) -> ModelFacts:
    document: dict[str, Any] = read_object(file, _LARGEST_ENTRY_BYTES)
    try:
        if document.get("form") != _FORM:
            raise InputError(f"form {str(document.get('form'))[:20]} is not {_FORM}")
        return decode_facts(document.get("facts"))
    except InputError as error:
        raise InputError(
            f"{file} is not an entry of this version: {error.message}",
            field=str(file),
            hint="add the model again with vlmctl models add, or remove the file",
        ) from error
