"""``vlmctl completion SHELL``: the script by which a shell completes commands, options, models, GPUs and releases."""

from __future__ import annotations

import sys
from typing import Final

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

SHELLS: Final = ("bash", "zsh", "fish")
_PROGRAM: Final = "vlmctl"
_VARIABLE: Final = "_VLMCTL_COMPLETE"
"""What click reads when the script asks it."""

_NO_FILES, _FILES = ":4", ":0"
"""How kubectl (cobra) is told whether files are to be offered where nothing else is."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """The script that lets SHELL complete vlmctl's commands, options, models, GPU products and vLLM releases.

    In bash, for this session: source <(vlmctl completion bash); docs/howto/shell.md says where each shell keeps it.
    """
    from vlm_operator.cli.main import vlmctl

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(vlmctl, {}, _PROGRAM, _VARIABLE).source())
    return 0


def kubectl() -> None:
    """Entry point ``kubectl_complete-vlm``: kubectl calls it with the words after ``kubectl vlm``, and reads a line for
    each completion and one that says whether files may follow.
    """
    *words, incomplete = sys.argv[1:] or [""]
    for line in kubectl_lines(words, incomplete):
        click.echo(line)


def kubectl_lines(words: list[str], incomplete: str) -> list[str]:
    """What kubectl reads."""
    from vlm_operator.cli.main import vlmctl

    found = ShellComplete(vlmctl, {}, _PROGRAM, _VARIABLE).get_completions(words, incomplete)
    plain = [_line(item) for item in found if item.type == "plain"]
    return [*plain, _FILES if len(plain) < len(found) else _NO_FILES]


def _line(item: CompletionItem) -> str:
    return f"{item.value}\t{item.help}" if item.help else str(item.value)
