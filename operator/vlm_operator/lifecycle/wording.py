"""Words of failures: the remedy first, then vLLM's sentence with its lists cut."""

from __future__ import annotations

import re
from typing import Final

from vlm_operator.diagnosis import Advice

LONGEST_CAUSE: Final = 400
"""Characters of a quoted sentence: with remedy and reason it fits an event's 1,024 bytes."""

LONGEST_LIST: Final = 6
"""Items of a quoted list; of a longer one the first three are quoted, and how many follow."""

_LIST: Final = re.compile(r"([\[({])([^\[\](){}]*,[^\[\](){}]*)([\])}]|$)")
_GENERAL_ADVICE: Final = re.compile(
    r"\s+(?:Try increasing|Please try|See https?://|For more details|To resolve:).*", re.S
)


def shortened(sentence: str, limit: int = LONGEST_CAUSE) -> str:
    """A sentence of vLLM without its general advice and without the middle of long lists, at most ``limit`` characters.

    >>> shortened("not one of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']")
    "not one of ['a', 'b', 'c', … 5 more]"
    """
    text = _GENERAL_ADVICE.sub("", " ".join(sentence.split()))
    text = _LIST.sub(_cut, text)
    return text if len(text) <= limit else f"{text[: limit - 2].rstrip()} …"


def _cut(match: re.Match[str]) -> str:
    items = match[2].split(", ")
    if len(items) <= LONGEST_LIST:
        return match[0]
    more = f"{len(items) - 3} more" if match[3] else "and so on"  # the sentence was cut off before the list's end
    return f"{match[1]}{', '.join(items[:3])}, … {more}{match[3]}"


def with_remedy(cause: str, remedy: str, *, source: str = "vLLM said: ") -> str:
    """The next step, then the cause: whatever is cut off at the end, the next step stays."""
    if not remedy:
        return cause
    return f"{remedy[0].upper()}{remedy[1:].rstrip('.')}. {source}{cause}"


def advised(advice: Advice) -> str:
    """Advice as one sentence: the flag, its value where one is known, and why."""
    if advice.flag is None:
        return advice.why
    if advice.to is None:
        return f"change {advice.flag}: {advice.why}"
    return f"set {advice.flag} to {advice.to}: {advice.why}"


def truncated(text: str, limit: int) -> str:
    """Text in at most ``limit`` bytes of UTF-8."""
    encoded = text.encode()
    return text if len(encoded) <= limit else encoded[: limit - 3].decode(errors="ignore") + "…"
