"""``vlmctl``: finds the command by name and imports only that one, so that every command starts fast."""

from __future__ import annotations

import difflib
import importlib
import io
import sys
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from vlm_operator import __version__
from vlm_operator.errors import VlmOperatorError

COMMANDS: Final = {
    "plan": "Flags that fit a model on a GPU, with the budget and why",
    "share": "Several models on one GPU: the sum, each one's utilisation, the order",
    "render": "Manifests of a VLMDeployment: the bytes the operator applies",
    "diff": "What changes for the pods: another file, a git revision, the cluster",
    "capacity": "KV-cache and weight arithmetic of a model, no GPU needed",
    "tokens": "Tokens that images, videos and sounds cost a model",
    "dry-run": "Let vLLM itself load and profile a model, without a GPU",
    "audit": "What fits where, what runs wastefully, what would not come back",
    "recommend": "What the traffic of a server needs, from its metrics",
    "diagnose": "What a vLLM start-up log says, and what to change",
    "models": "Models of the built-in catalogue",
    "gpus": "GPU products of the built-in catalogue",
    "observations": "Measured start-ups: export what a cluster has learnt",
    "completion": "The script by which bash, zsh or fish completes all this",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own name and are imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"vlm_operator.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the closest name where there is no such command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, 1, 0.5)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin so, without importing any."""
        return [CompletionItem(name, help=words) for name, words in COMMANDS.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in ``--help``, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, "-V", "--version", prog_name="vlmctl")
def vlmctl() -> None:
    """Plan, render and diagnose vLLM servers for vision-language models.

    Exit codes: 0 fits or recognised, 1 the audit found something, 2 bad input, 3 does not fit, 4 unknown, 5 cluster not
    reachable.
    """


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs the command and turns every error of ours into words and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a character that the terminal has not is a question mark, no error
    try:
        result: Any = vlmctl.main(args=arguments, standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except VlmOperatorError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"\nhint: {error.hint}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(result if isinstance(result, int) else 0)
