"""What a shell may complete: models, GPU products, releases of vLLM and files. Nothing is asked of a network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import click
from click.shell_completion import CompletionItem

MOST: Final = 200
"""Values that are offered at once."""


def models(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the catalogue and of models added on this machine; files where a path is begun."""
    if incomplete.startswith((".", "/", "~")):
        return _files(incomplete)
    from vlm_operator.sources import added_models, catalogue

    known = {entry.id: _size(entry.weights_bytes) for entry in catalogue.entries().values()}
    known |= {facts.model: "added on this machine" for facts in added_models.all_facts()}
    return _beginning(known.items(), incomplete)


def gpus(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``local``, and products by their labels and short names."""
    from vlm_operator.gpu.catalogue import aliases_of, all_gpus

    named = [("local", "this machine's")]
    for gpu in all_gpus():
        named += [(name, f"{gpu.total_bytes / 2**30:.1f} GiB") for name in (gpu.label, *aliases_of(gpu))]
    return _beginning(named, incomplete)


def releases(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Releases of vLLM whose rules are known, newest first."""
    from vlm_operator.engine.version import OLDEST_KNOWN, READ_UP_TO

    minors = range(READ_UP_TO.minor, OLDEST_KNOWN.minor - 1, -1)
    return _beginning([(f"{READ_UP_TO.major}.{minor}.0", "") for minor in minors], incomplete)


def files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files, by the shell's own completion."""
    return _files(incomplete)


def _files(incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


def _beginning(known: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """Those that begin so, upper and lower case alike; a model's name without its owner, too."""
    begun = incomplete.lower()
    found = [
        CompletionItem(name, help=words or None)
        for name, words in known
        if name.lower().startswith(begun) or (begun and name.lower().rpartition("/")[2].startswith(begun))
    ]
    return found[:MOST]


def _size(weights_bytes: int | None) -> str:
    return "" if weights_bytes is None else f"{weights_bytes / 2**30:.1f} GiB of weights"
