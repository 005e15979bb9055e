"""``vlmctl diagnose``: what a vLLM start-up log says, from a file, standard input or a pod."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from vlm_operator.cli import completions
from vlm_operator.cli.output import emit, output_option
from vlm_operator.diagnosis import Diagnosis, Outcome, diagnose, document
from vlm_operator.diagnosis.document import SHOWN, camel_case
from vlm_operator.diagnosis.refused_requests import SHARE, RefusedRequests
from vlm_operator.engine.log_wordings import UNKNOWN_REASON
from vlm_operator.errors import InputError

if TYPE_CHECKING:
    from vlm_operator.diagnosis import Advice, Failure

CHUNK_BYTES: Final = 256 * 1024

GZIP_MARK: Final = b"\x1f\x8b"

UNKNOWN_EXIT_CODE: Final = 4


@click.command("diagnose")
@click.argument("log", shell_complete=completions.files)
@click.option("--context", help="Kubeconfig context; LOG is then a pod's name.")
@click.option("-n", "--namespace", help="Namespace; LOG is then a pod's name.")
@click.option("-c", "--container", help="Container of the pod; default: the one named vllm, else the first.")
@output_option
def command(log: str, context: str | None, namespace: str | None, container: str | None, output: str) -> int:
    """Say what failed in a vLLM log, with its numbers, and what to change.

    LOG is a file, - for standard input, or pod/NAME. With --context or --namespace it is the name of a pod; the
    container that ended last is read before the running one. Exit code 4: the failure, or the log, is not known.
    """
    if context is not None or namespace is not None or container is not None or log.startswith("pod/"):
        from vlm_operator.cli.pod_log import read_pod_log  # the Kubernetes client, only where a pod is asked for

        source = read_pod_log(log.removeprefix("pod/"), context=context, namespace=namespace, container=container)
        click.echo(f"reading {source.description}", err=True)
        answer = diagnose(source.chunks)
    else:
        answer = diagnose(_chunks(log))
    emit(document(answer), output, lambda: _print(answer))
    unknown = answer.failure is not None and answer.failure.reason == UNKNOWN_REASON
    return UNKNOWN_EXIT_CODE if unknown or not answer.recognised else 0


def _chunks(log: str) -> Iterator[bytes]:
    """The log's bytes, a piece at a time.

    Raises:
        InputError: the file cannot be read.
    """
    if log == "-":
        yield from iter(lambda: sys.stdin.buffer.read(CHUNK_BYTES), b"")
        return
    try:
        with Path(log).open("rb") as plain:
            packed = plain.peek(2)[:2] == GZIP_MARK
            file = gzip.GzipFile(fileobj=plain) if packed else plain
            yield from iter(lambda: file.read(CHUNK_BYTES), b"")
    except (OSError, EOFError) as error:
        raise InputError(
            f"log: {log!r} cannot be read: {getattr(error, 'strerror', None) or error}",
            field="log",
            hint="name a file, - for standard input, or a pod with --namespace NAMESPACE",
        ) from error


def _print(answer: Diagnosis) -> None:
    """The answer for people: outcome, cause, figures, the line, what to change."""
    failure = answer.failure
    version = f"vLLM {answer.vllm_version}" if answer.vllm_version else "vLLM (version not in the log)"
    if not answer.recognised and failure is None:
        click.echo("No sign of vLLM in this log.")
        click.echo("hint: give what 'vllm serve' printed, from its first line on", err=True)
        return
    click.echo(f"{answer.outcome}: {version}")
    if failure is not None:
        _print_failure(failure, answer.outcome)
    elif answer.outcome is Outcome.INCOMPLETE:
        click.echo("\nThe log ends before the server answers or fails.")
    figures = [
        (camel_case(name), value)
        for name, value in ((name, getattr(answer.observation, name)) for name in answer.observation.__slots__)
        if value is not None and name in SHOWN
    ]
    _print_pairs("Measured", figures)
    _print_pairs("Refused", list(_refused(answer.refused)))
    _print_advice(answer.advice)


def _refused(refused: RefusedRequests) -> Iterator[tuple[str, object]]:
    """Requests that a healthy server refused, in figures."""
    if refused.too_long:
        yield "refusedTooLong", refused.too_long
    if refused.longest is not None:
        yield "longestRefused", f"{refused.longest} tokens"
        yield "contextForMost", f"{refused.context_for()} tokens would have served {SHARE:.0%} of them"
    if refused.items:
        yield "refusedItems", refused.items


def _print_failure(failure: Failure, outcome: Outcome) -> None:
    mends = "flags can mend it" if failure.retunable else "no flag mends it"
    if outcome is Outcome.STARTED:
        mends = "the server is healthy, a request was refused"
    elif failure.reason == UNKNOWN_REASON:
        mends = "no known sentence names it; this is the deepest exception"
    group = "" if failure.reason == UNKNOWN_REASON else f"{failure.failure_class}; "
    click.echo(f"\nCause     {failure.reason} ({group}{mends})")
    if failure.stage:
        click.echo(f"Stage     {failure.stage}")
    click.echo(f"Line {failure.line:<5}{_shortened(failure.message)}")
    _print_pairs("Numbers", [(camel_case(name), value) for name, value in failure.numbers.items()])


def _print_pairs(title: str, pairs: Sequence[tuple[str, object]]) -> None:
    for index, (name, value) in enumerate(pairs):
        click.echo(f"{title if index == 0 else '':<10}{name:<22} {_shortened(str(value), 80)}")


def _print_advice(advice: Sequence[Advice]) -> None:
    if not advice:
        return
    click.echo("\nWhat to change")
    for number, each in enumerate(advice, 1):
        if each.flag is None:
            click.echo(f"  {number}. {each.why}")
            continue
        change = each.flag
        if each.to is not None:
            change += f" {_value(each.to)}" if each.from_ is None else f" {_value(each.from_)} -> {_value(each.to)}"
        click.echo(f"  {number}. {change}\n     {each.why}")


def _value(value: object) -> str:
    """A value as it is written on the command line; JSON in the quotes that a shell needs."""
    return f"'{json.dumps(value)}'" if isinstance(value, dict) else str(value)


def _shortened(text: str, length: int = 400) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
