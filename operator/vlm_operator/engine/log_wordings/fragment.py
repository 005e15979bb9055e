"""Pieces of sentences by which a failure is recognised that was pasted without its beginning or its end.

A fixed piece of a template names the failure by itself, if it is long and no failure with another reason has it. So
does the beginning of such a piece where a text ends, and its end where a text begins. Figures beside it are told,
except one at the edge of the text, which may have been cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureKind
from vlm_operator.engine.log_wordings.template import GAPS, NUMERIC_GAPS, Figure, Wording, figure

SHORTEST: Final = 24
"""Characters of the shortest piece that names a failure."""

_WORDS: Final = 3
"""It has at least that many words."""

_GAP: Final = re.compile(r"\{(\w*):(\w+)\}")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fixed piece of a failure's sentences.

    Attributes:
        pattern: the piece with as much of the sentence on either side as is there; its groups are the figures.
        constants: values that the wording itself tells.
    """

    kind: FailureKind
    literal: str
    pattern: re.Pattern[str]
    constants: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a text that holds a fragment tells: the failure, how much of the piece is there, whole figures."""

    kind: FailureKind
    length: int
    numbers: dict[str, Figure]


class FragmentTable:
    """The fragments of some kinds of failures.

    >>> from vlm_operator.engine.log_wordings import KINDS
    >>> table = FragmentTable(KINDS)
    >>> table.recognise("which is larger than the available KV cache mem").kind.reason.value
    'KVCacheTooSmall'
    >>> table.recognise("CUDA error: operation not") is None
    True
    """

    def __init__(self, kinds: tuple[FailureKind, ...]) -> None:
        fragments = [each for kind in kinds for each in _fragments_of(kind)]
        by_literal = {each.literal: each for each in reversed(fragments)}
        reasons: dict[str, set[str]] = {}
        for each in fragments:
            reasons.setdefault(each.literal, set()).add(each.kind.reason)
        self._fragments = tuple(
            each
            for literal, each in by_literal.items()
            if not any(literal in other and found != {each.kind.reason} for other, found in reasons.items())
        )

    def recognise(self, text: str) -> Recognised | None:
        """The failure whose piece ``text`` holds, or is cut within; None where none is, or several are."""
        whole = [(len(each.literal), each) for each in self._fragments if each.literal in text]
        cut = [(length, each) for each in self._fragments if (length := _cut_length(each.literal, text)) >= SHORTEST]
        found = whole or cut
        longest = max((length for length, _ in found), default=0)
        best = [each for length, each in found if length == longest]
        if not best or len({each.kind.reason for each in best}) > 1:
            return None
        return Recognised(best[0].kind, longest, _figures(best[0], text))


def _cut_length(literal: str, text: str) -> int:
    """How many characters of ``literal`` stand at the end of ``text``, at its beginning, or are all of it; else 0."""
    if len(text) < len(literal) and text in literal:
        return len(text) if _is_worded(text) else 0
    head, tail = literal[:SHORTEST], literal[-SHORTEST:]
    start = text.rfind(head)
    if start >= 0 and literal.startswith(text[start:]):
        return len(text) - start if _is_worded(text[start:]) else 0
    end = text.find(tail)
    if end >= 0 and literal.endswith(text[: end + len(tail)]):
        return end + len(tail) if _is_worded(text[: end + len(tail)]) else 0
    return 0


def _is_worded(piece: str) -> bool:
    return len(piece) >= SHORTEST and len(piece.split()) >= _WORDS


def _figures(fragment: Fragment, text: str) -> dict[str, Figure]:
    match = fragment.pattern.search(text)
    if match is None:
        return {}
    numbers: dict[str, Figure] = {}
    for name, value in match.groupdict().items():
        if value is not None and text[: match.start(name)].strip(".,-") and text[match.end(name) :].strip(".,"):
            numbers[name] = figure(value)
    return {**numbers, **fragment.constants} if numbers else {}


def _fragments_of(kind: FailureKind) -> Iterator[Fragment]:
    for wording in (*kind.wordings, *kind.details, *(Wording(piece) for piece in kind.pieces)):
        literals = _GAP.sub("\0", wording.template).split("\0")
        for index, literal in enumerate(literals):
            if _is_worded(literal.strip()):
                yield Fragment(kind, literal.strip(), _around(wording.template, index), wording.constants)


@cache
def _around(template: str, index: int) -> re.Pattern[str]:
    """The pattern of a template of which only its piece number ``index`` has to be there."""
    literals = [re.escape(piece) for piece in _GAP.sub("\0", template).split("\0")]
    gaps = [_gap(match[1], match[2]) for match in _GAP.finditer(template)]
    before = after = ""
    for number in range(index):
        before = f"(?:(?:{before}{literals[number]})?{gaps[number]})?"
    for number in range(len(gaps) - 1, index - 1, -1):
        after = f"(?:{gaps[number]}(?:{literals[number + 1]}{after})?)?"
    return re.compile(before + literals[index] + after)


def _gap(name: str, kind: str) -> str:
    """A gap; only figures are kept."""
    if kind in NUMERIC_GAPS:
        body = rf"(?<![\d.,]){GAPS[kind]}(?!\d|[.,]\d)"
        return f"(?P<{name}>{body})" if name else f"(?:{body})"
    return f"(?:{GAPS[kind]})"
