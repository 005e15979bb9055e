"""Cut what is new out of a log that the kubelet gave with timestamps: each line once, whole failures only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

SETTLED_AFTER: Final = timedelta(seconds=2)
"""Younger lines wait for the next look: a failure prints its tracebacks within it, and they belong together."""


def new_lines(text: str, since: str | None, now: datetime, *, cut: bool = False) -> tuple[tuple[str, ...], str | None]:
    """The lines after ``since`` without their timestamps, and the timestamp of the last of them (``since`` for none).

    Args:
        text: lines as ``pods/log?timestamps=true`` gives them.
        since: timestamp of the last line that was taken before, None for none.
        cut: the text ends within a line, because no more bytes were asked for.
    """
    after = nanoseconds(since) if since is not None else None
    newest = _nanoseconds(now - SETTLED_AFTER)
    lines = text.split("\n")
    if cut:
        lines = lines[:-1]
    taken: list[str] = []
    until, taking = since, False
    for line in lines:
        stamp, _, words = line.partition(" ")
        moment = nanoseconds(stamp)
        if moment is None:  # goes on with the line before
            if taking and line:
                taken.append(line)
            continue
        if moment > newest:
            break
        taking = after is None or moment > after
        if taking:
            taken.append(words)
            until = stamp
    return tuple(taken), until


def nanoseconds(stamp: str | None) -> int | None:
    """An RFC 3339 time as nanoseconds since 1970; None for other text.

    >>> nanoseconds("1970-01-01T00:00:01.000000002Z"), nanoseconds("1970-01-01T01:00:00+01:00"), nanoseconds("INFO")
    (1000000002, 0, None)
    """
    if stamp is None or len(stamp) < 20 or stamp[10:11] != "T":
        return None
    head, rest = stamp[:19], stamp[19:]
    digits = ""
    if rest.startswith("."):
        zone = rest[1:].lstrip("0123456789")
        digits, rest = rest[1 : len(rest) - len(zone)], zone
        if not digits:
            return None
    try:
        whole = datetime.fromisoformat(head + rest)
        fraction = int(digits[:9].ljust(9, "0")) if digits else 0
    except ValueError:
        return None
    return _nanoseconds(whole if whole.tzinfo else whole.replace(tzinfo=UTC)) + fraction


def _nanoseconds(moment: datetime) -> int:
    since_1970 = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since_1970.days * 86_400 + since_1970.seconds) * 10**9 + since_1970.microseconds * 1000
