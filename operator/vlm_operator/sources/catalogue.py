"""The built-in catalogue: facts of published models in this project's own form, with their origin.

``catalogue/index.json`` has one row a model, enough to list and find it; the facts of one model are a file of their
own, so that one look-up reads two small files. ``hack/generators/catalogue`` writes both.
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources.serialization import decode_facts

FOLDER: Final = Path(__file__).with_name("catalogue")
INDEX_NAME: Final = "index.json"


class Origin(StrEnum):
    """How the facts of an entry came about."""

    READ = "read"
    """From the model's own config, or from one that says the same."""
    DERIVED = "derived"
    """From a sibling's config and what the publisher states; ``source`` says what was not read."""
    ADDED = "added"
    """On this machine, by ``vlmctl models add``."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One row of the catalogue.

    Attributes:
        id: the Hugging Face id.
        architecture: class name that vLLM builds.
        parameters: elements of all weights as vLLM holds them, before quantisation; None where not known.
        weights_bytes: bytes of the weights on one GPU; None where not known.
        context_tokens: longest context that vLLM derives.
        quantization: vLLM's name of the method, or None.
        modalities: what a prompt may hold beside text.
        revision: commit that the facts were read at; None where the copy that was read does not say.
        source: where the facts come from.
        aliases: ids that the Hub leads to the same checkpoint: it was renamed.
        origin: how its facts came about.
        like: the entry that has the same facts, but for what this row says; None where the entry has its own.
    """

    id: str
    architecture: str
    parameters: int | None
    weights_bytes: int | None
    context_tokens: int
    quantization: str | None
    modalities: tuple[str, ...]
    revision: str | None
    source: str
    aliases: tuple[str, ...] = ()
    origin: Origin = Origin.READ
    like: str | None = None

    @property
    def owner(self) -> str:
        """Whose model it is: the id's first part."""
        return self.id.rpartition("/")[0]

    @property
    def is_assumed(self) -> bool:
        """True where it has the facts of a sibling, and its own config was not read."""
        return self.like is not None

    @property
    def file(self) -> Path:
        """Where the facts are."""
        return FOLDER / f"{self.like or self.id}.json"


@functools.cache
def entries() -> Mapping[str, CatalogueEntry]:
    """All entries, by their id in lower case, in the order of the ids."""
    rows: list[dict[str, Any]] = json.loads((FOLDER / INDEX_NAME).read_bytes())
    return {
        row["id"].lower(): CatalogueEntry(
            **{
                **row,
                "modalities": tuple(row["modalities"]),
                "aliases": tuple(row.get("aliases", ())),
                "origin": Origin(row.get("origin", Origin.READ)),
            }
        )
        for row in rows
    }


@functools.cache
def _by_name() -> Mapping[str, CatalogueEntry]:
    """All entries, by their id and by each alias, in lower case."""
    renamed = {alias.lower(): entry for entry in entries().values() for alias in entry.aliases}
    return renamed | dict(entries())


def find(name: str) -> CatalogueEntry | None:
    """The entry of a Hugging Face id or of an alias of it, upper and lower case alike, or None."""
    return _by_name().get(name.lower())


def named(short: str) -> tuple[CatalogueEntry, ...]:
    """The entries that have this name, whoever their owners, upper and lower case alike."""
    return _by_short_name().get(short.lower(), ())


@functools.cache
def _by_short_name() -> Mapping[str, tuple[CatalogueEntry, ...]]:
    found: dict[str, tuple[CatalogueEntry, ...]] = {}
    for name, entry in _by_name().items():
        short = name.rpartition("/")[2]
        found[short] = (*found.get(short, ()), entry)
    return found


def load(entry: CatalogueEntry) -> ModelFacts:
    """The facts of an entry; those taken from a sibling are never certain."""
    facts = decode_facts(json.loads(entry.file.read_bytes()))
    if entry.like is None:
        return facts
    return replace(
        facts,
        model=entry.id,
        source=entry.source,
        derived_max_model_len=entry.context_tokens,
        derived=f"{entry.like}, whose sizes it is known to have; its own config was not read",
    )


def close_names(name: str, count: int = 3) -> list[str]:
    """Ids of the catalogue that look like ``name``, likeliest first: those that go on where it ends or end where it
    goes on (a size without its variant, a quantisation that is not there), then those that are spelt alike.

    >>> close_names("qwen3-vl-30b-a3b-instruct")[0]
    'Qwen/Qwen3-VL-30B-A3B-Instruct'
    >>> close_names("example/Qwen3-VL-8B-Instruct-W4A16")[0]
    'Qwen/Qwen3-VL-8B-Instruct'
    """
    known = _by_name()
    by_name = {key.rpartition("/")[2]: entry.id for key, entry in known.items()}
    wanted = name.lower()
    short = wanted.rpartition("/")[2]
    akin = [known_name for known_name in by_name if known_name.startswith(short) or short.startswith(known_name)]
    akin = sorted(akin, key=lambda known_name: abs(len(known_name) - len(short))) if short else []
    close = [by_name[key] for key in akin]
    close += [known[key].id for key in difflib.get_close_matches(wanted, known, n=count, cutoff=0.75)]
    close += [by_name[key] for key in difflib.get_close_matches(short, by_name, n=count, cutoff=0.75)]
    return list(dict.fromkeys(close))[:count]
