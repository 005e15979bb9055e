"""``vlmctl models``: which models are known without a network, and where their facts come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from vlm_operator.cli import completions
from vlm_operator.cli.columns import Column, print_columns, terminal_width
from vlm_operator.cli.output import emit, output_option
from vlm_operator.sources import catalogue
from vlm_operator.sources.catalogue import CatalogueEntry, Origin
from vlm_operator.units import gib


class _ListByDefault(click.Group):
    """A group whose first argument is a command or, as in all releases before, a word to look for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; what names no command is given to ``list``."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group("models", cls=_ListByDefault)
def command() -> None:
    """Models that are known without a network.

    `vlmctl models [WORD]...` lists them; `vlmctl models add ID|DIR` adds one on this machine.
    """


@command.command("list")
@click.argument("words", nargs=-1, metavar="[WORD]...", shell_complete=completions.models)
@output_option
def list_models(words: tuple[str, ...], output: str) -> None:
    """List the models of the built-in catalogue, and those added on this machine.

    With WORDs, only those whose id, architecture, modality, quantisation or origin contains every one of them:
    `vlmctl models qwen3-vl fp8`. A model that is not listed is read from a folder, the Hugging Face cache or the Hub;
    offline, a quantisation of a listed model by another uploader is derived from its name.
    """
    added = _added()
    known = [entry for key, entry in catalogue.entries().items() if key not in {one.id.lower() for one in added}]
    chosen = [entry for entry in (*added, *known) if _matches(entry, words)]
    emit({"models": [_row(entry) for entry in chosen]}, output, lambda: _print_table(chosen))


@command.command("add")
@click.argument("model", metavar="ID|DIR", shell_complete=completions.files)
@click.option("--as", "name", metavar="ID", help="The id to keep it under; otherwise ID, or the folder's name.")
@click.option("--revision", help="Branch, tag or commit of the repository.")
@click.option("--offline", is_flag=True, help="Read the local Hugging Face cache only.")
def add(model: str, name: str | None, revision: str | None, offline: bool) -> None:
    """Keep a model's facts on this machine, to plan it without a network.

    DIR is a folder with config.json (headers of safetensors files beside it give exact weights) or a config.json; ID is
    read from the Hugging Face cache or the Hub. The entry comes before the built-in catalogue, for every command, until
    `vlmctl models remove ID`. It is one file, printed at the end, that may be copied to the same folder elsewhere.
    """
    from vlm_operator.sources import added_models, is_path, read_model

    facts = read_model(model, revision=revision, offline=offline)
    file = added_models.write(facts, name or (_name_of(model) if is_path(model) else facts.model))
    click.echo(file)


@command.command("remove")
@click.argument("name", metavar="ID")
def remove(name: str) -> None:
    """Remove what `vlmctl models add` added under ID."""
    from vlm_operator.sources import added_models

    click.echo(f"removed {added_models.remove(name)}")


def _name_of(path: str) -> str:
    """The name of the folder at a path, or of the folder that holds the config; none for standard input."""
    if path == "-":
        return ""
    place = Path(path).expanduser().resolve()
    return place.name if place.is_dir() else place.parent.name


def _added() -> list[CatalogueEntry]:
    from vlm_operator.sources import added_models

    facts = list(added_models.all_facts())
    if not facts:
        return []
    from vlm_operator.sources.catalogue_row import entry_of

    return [entry_of(one, origin=Origin.ADDED) for one in facts]


def _matches(entry: CatalogueEntry, words: tuple[str, ...]) -> bool:
    quantization = entry.quantization or "unquantized"
    parts = (entry.id, *entry.aliases, entry.architecture, quantization, *entry.modalities, entry.origin)
    text = " ".join(parts).lower()
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
        "origin": str(entry.origin),
    }


_COLUMNS: Final = (
    Column("MODEL"),
    Column("ARCHITECTURE", 5),
    Column("PARAMETERS", 4),
    Column("WEIGHTS", 0),
    Column("CONTEXT", 1),
    Column("QUANTIZATION", 3),
    Column("MODALITIES", 2),
    Column("FACTS", 6),
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
        str(entry.origin),
    )
