"""How commands print: ``-o table|json|yaml``, data on stdout, words on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="How to print the answer.",
)


def emit(answer: Mapping[str, Any], output: str, table: Callable[[], None]) -> None:
    """Print ``answer`` as JSON or YAML, or call ``table`` to print it for people.

    The same answer gives the same bytes: keys keep the order of the contract, floats their shortest form.
    """
    if output == "json":
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False))
    elif output == "yaml":
        import yaml  # only where YAML is asked for

        click.echo(yaml.dump(answer, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True), nl=False)
    else:
        table()
