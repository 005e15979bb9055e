"""``vlmctl models``: which models are known without a network, and where their facts come from."""

from __future__ import annotations

from typing import Any, Final

import click

from vlm_operator.cli.columns import Column, print_columns, terminal_width
from vlm_operator.cli.output import emit, output_option
from vlm_operator.sources import catalogue
from vlm_operator.sources.catalogue import CatalogueEntry
from vlm_operator.units import gib


@click.command("models")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@output_option
def command(words: tuple[str, ...], output: str) -> None:
    """List the models of the built-in catalogue.

    With WORDs, only those whose id, architecture, modality or quantisation contains every one of them:
    `vlmctl models qwen3-vl fp8`. A model that is not listed is read from a folder, the Hugging Face cache or the Hub.
    """
    chosen = [entry for entry in catalogue.entries().values() if _matches(entry, words)]
    emit({"models": [_row(entry) for entry in chosen]}, output, lambda: _print_table(chosen))


def _matches(entry: CatalogueEntry, words: tuple[str, ...]) -> bool:
    quantization = entry.quantization or "unquantized"
    text = " ".join((entry.id, *entry.aliases, entry.architecture, quantization, *entry.modalities)).lower()
    return all(word.lower() in text for word in words)


def _row(entry: CatalogueEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "aliases": list(entry.aliases),
        "architecture": entry.architecture,
        "parameters": entry.parameters,
        "weightsBytes": entry.weights_bytes,
        "weightsGiB": None if entry.weights_bytes is None else round(gib(entry.weights_bytes), 2),
        "contextTokens": entry.context_tokens,
        "quantization": entry.quantization,
        "modalities": list(entry.modalities),
        "revision": entry.revision,
        "source": entry.source,
    }


_COLUMNS: Final = (
    Column("MODEL"),
    Column("ARCHITECTURE", 5),
    Column("PARAMETERS", 4),
    Column("WEIGHTS", 0),
    Column("CONTEXT", 1),
    Column("QUANTIZATION", 3),
    Column("MODALITIES", 2),
)


def _print_table(entries: list[CatalogueEntry]) -> None:
    print_columns(_COLUMNS, [_cells(entry) for entry in entries], terminal_width())
    click.echo(f"\n{len(entries)} models; -o json says where each one's facts come from", err=True)


def _cells(entry: CatalogueEntry) -> tuple[str, ...]:
    return (
        entry.id,
        entry.architecture,
        "unknown" if entry.parameters is None else f"{entry.parameters / 1e9:.2f}B",
        "unknown" if entry.weights_bytes is None else f"{gib(entry.weights_bytes):.1f} GiB",
        f"{entry.context_tokens:,}",
        entry.quantization or "-",
        ", ".join(entry.modalities) or "text",
    )
