"""How much of a line is quoted in a failure: vLLM prints registries of hundreds of names in one sentence."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 700
"""Characters of a message; events of Kubernetes hold 1,024, with the remedy."""

_LONG_LIST: Final = 160
"""Characters from which on a list is cut."""

_SHOWN: Final = 3
"""Entries of a long list that are shown."""

_LIST: Final = re.compile(rf"(?P<open>[\[{{(])(?P<entries>[^\[\]{{}}()]{{{_LONG_LIST},}})(?P<close>[\]}})]|$)")


def bounded(message: str) -> str:
    """``message`` with long lists cut to their first entries, and no longer than ``LONGEST``.

    >>> bounded("Must be one of [" + ", ".join(f"'name{n}'" for n in range(100)) + "], not x")
    "Must be one of ['name0', 'name1', 'name2', and 97 more], not x"
    """
    short = _LIST.sub(_cut, message)
    return short if len(short) <= LONGEST else f"{short[: LONGEST - 1]}…"


def _cut(found: re.Match[str]) -> str:
    entries = found["entries"].split(", ")
    if len(entries) <= _SHOWN + 1:
        return found[0]
    more = f"{len(entries) - _SHOWN} more" if found["close"] else "more"  # what was kept of the line ends within it
    return f"{found['open']}{', '.join(entries[:_SHOWN])}, and {more}{found['close']}"
