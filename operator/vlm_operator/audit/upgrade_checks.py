"""Checks: what breaks or changes for a running server with another vLLM release."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vlm_operator.audit.finding import Finding, FindingKind, Severity
from vlm_operator.audit.planner import Planner
from vlm_operator.audit.server import Server
from vlm_operator.engine.flag_releases import REPLACEMENTS, releases_with, takes
from vlm_operator.engine.flags import plain_value
from vlm_operator.engine.settings import FLAGS
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Verdict
from vlm_operator.units import format_gib

SHRINKS: Final = 0.9
"""A KV cache below this share of the old one is reported."""


def upgrade(server: Server, to: EngineVersion, planner: Planner) -> Iterator[Finding]:
    """Everything that the release ``to`` changes for the server; nothing where it runs that release already."""
    if server.pod.version == to:
        return
    yield from _names_gone(server, to)
    made = server.plan
    if server.model is None or server.group is None or (made is None and server.refusal is None):
        return
    try:
        after = planner.prediction(server.model, server.group.gpu, server.pod.command, to)
    except InputError as error:
        if server.refusal is None:
            yield _breaks(server, to, error.message, error.hint, "InputError")
        return
    if made is not None and made.fits:
        yield from _compared(server, to, made, after)


def _names_gone(server: Server, to: EngineVersion) -> Iterator[Finding]:
    """Flags and variables that the present release knows and the new one does not."""
    present = server.version
    for spelling in server.pod.command.spellings:
        flag = spelling.partition(".")[0]
        if takes(present, flag) and not takes(to, flag):
            last = releases_with(flag)[-1].last if releases_with(flag) else present.minor
            yield server.finding(
                FindingKind.FLAG_GONE, Severity.ERROR, f"vLLM {to} has no {flag}; 0.{last} was the last to have it",
                remedy=REPLACEMENTS.get(flag), about=f"{flag} {to}", flag=flag, to=str(to),
            )  # fmt: skip
    for name in server.pod.environment:
        if name.startswith("VLLM_") and takes(present, name) and not takes(to, name):
            yield server.finding(
                FindingKind.VARIABLE_GONE, Severity.WARNING,
                f"vLLM {to} does not read {name}: it would have no effect",
                remedy=REPLACEMENTS.get(name), about=f"{name} {to}", variable=name, to=str(to),
            )  # fmt: skip


def _breaks(server: Server, to: EngineVersion, message: str, remedy: str | None, reason: str) -> Finding:
    return server.finding(
        FindingKind.UPGRADE_BREAKS, Severity.ERROR, f"with vLLM {to}: {message}", remedy=remedy, about=f"{reason} {to}",
        reason=reason, to=str(to),
    )  # fmt: skip


def _compared(server: Server, to: EngineVersion, before: Plan, after: Plan) -> Iterator[Finding]:
    if after.verdict is Verdict.UNKNOWN:
        yield server.finding(
            FindingKind.NOT_AUDITED, Severity.INFO, f"with vLLM {to}: {after.message}", remedy=after.hint,
            about=f"upgrade {to}", to=str(to),
        )  # fmt: skip
        return
    if not after.fits:
        yield _breaks(server, to, after.message, after.hint, str(after.reason))
        return
    old, new = before.budget, after.budget
    if old is not None and new is not None and new.kv_cache_bytes < SHRINKS * old.kv_cache_bytes:
        yield server.finding(
            FindingKind.UPGRADE_SHRINKS_CACHE, Severity.WARNING,
            f"vLLM {to} leaves {format_gib(new.kv_cache_bytes)} of KV cache, {before.version} leaves "
            f"{format_gib(old.kv_cache_bytes)}",
            about=str(to), kvCacheBytes=old.kv_cache_bytes, kvCacheBytesAfter=new.kv_cache_bytes, to=str(to),
        )  # fmt: skip
    yield from _defaults(server, to, before, after)


def _defaults(server: Server, to: EngineVersion, before: Plan, after: Plan) -> Iterator[Finding]:
    if before.evaluation is None or after.evaluation is None:
        return
    old, new = before.evaluation.settings, after.evaluation.settings
    changed = {
        flag.spelling: (plain_value(name, getattr(old, name)), plain_value(name, getattr(new, name)))
        for name, flag in FLAGS.items()
        if flag.spelling and name not in server.pod.command.pinned and getattr(old, name) != getattr(new, name)
    }
    if changed:
        words = ", ".join(f"{flag} {before} -> {after}" for flag, (before, after) in changed.items())
        yield server.finding(
            FindingKind.DEFAULT_CHANGED, Severity.INFO, f"vLLM {to} changes defaults: {words}", about=str(to),
            changes={flag: list(values) for flag, values in changed.items()}, to=str(to),
        )  # fmt: skip
