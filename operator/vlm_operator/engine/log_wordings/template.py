"""Templates of sentences vLLM prints, with typed gaps, compiled to safe patterns.

``"max_num_seqs ({max_num_seqs:int}) exceeds"`` finds the sentence and gives back its figures. Gaps have bounded length
and stand between literal text, so matching takes time in proportion to the line, whatever the line holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, repeat
from operator import contains
from typing import Final, Generic, TypeVar

Owner = TypeVar("Owner")

Figure = int | float | str
"""A captured value: a number as printed (``2.0`` stays 2.0), or the text as printed (``None``, ``inf``, names)."""

_NUMBER: Final = r"-?\d{1,15}(?:\.\d{1,20})?"
GAPS: Final[Mapping[str, str]] = {
    "int": r"\d{1,19}",
    "last": r"\d{1,19}",
    "signed": r"-?\d{1,19}",
    "code": r"-?\d{1,3}",
    "count": r"\d[\d,]{0,24}",
    "number": _NUMBER,
    "limit": rf"(?:{_NUMBER}|inf|None)",
    "word": r"\w{1,120}",
    "token": r"[^\s]{1,400}?",
    "name": r"[\w.-]{1,160}",
    "url": r"[^\s]{0,400}[^\s.,]",
    "engine_version": r"\d{1,4}\.\d{1,4}[\w.+-]{0,120}",
    "list": r"\[[^\]]{0,4000}\]",
    "set": r"\{[^}]{0,4000}\}",
    "text": r"[^\n]{1,600}?",
    "rest": r"[^\n]{1,2000}",
}
"""What each kind of gap may hold; after ``last`` (an ``int``) and ``code`` (an exit code) the sentence ends."""

_LAST: Final = frozenset({"last", "code"})
NUMERIC_GAPS: Final = frozenset({"int", "signed", "count", "number", "limit"}) | _LAST
_GAP: Final = re.compile(r"\{(\w*):(\w+)\}")
_A_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")


def figure(text: str) -> Figure:
    """The number that ``text`` prints (thousands separators dropped), or the text itself where it is none.

    >>> figure("3,581,232"), figure("2.0"), figure("inf")
    (3581232, 2.0, 'inf')
    """
    plain = text.replace(",", "")
    if _A_NUMBER.fullmatch(plain) is None:
        return text
    return float(plain) if "." in plain else int(plain)


@dataclass(frozen=True)
class Wording:
    """One sentence of vLLM's, in the versions that print it.

    Args:
        template: literal text with gaps ``{name:kind}``; ``{:kind}`` is a gap whose text is not kept. Runs of blanks
            count as one blank, in the template and in the text that is searched.
        versions: first and last release seen with this wording, for instance ``0.9.1-0.13``, or the first alone
            where the newest read still prints it (``0.9.1-``); ``any`` for sentences of PyTorch, CUDA, NCCL,
            transformers or argparse.
        constants: values that the wording itself tells (``unit``), added to what it captures.
        whole: the sentence is the whole line; words that occur in other sentences too (``Killed``) are told apart so.
    """

    template: str
    versions: str = "any"
    constants: Mapping[str, Figure] = field(default_factory=dict)
    whole: bool = False

    @cached_property
    def literals(self) -> tuple[str, ...]:
        """The fixed pieces of text between the gaps."""
        return tuple(piece for piece in _GAP.sub("\0", self.template).split("\0") if piece)

    @cached_property
    def needle(self) -> str:
        """The longest fixed piece: a text without it cannot hold this wording."""
        return max(self.literals, key=len).strip()

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """Name of each kept gap, and its kind."""
        return {match[1]: match[2] for match in _GAP.finditer(self.template) if match[1]}

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled template."""
        parts: list[str] = []
        position = 0
        for match in _GAP.finditer(self.template):
            parts.append(re.escape(self.template[position : match.start()]))
            body = GAPS[match[2]]
            if match[2] in NUMERIC_GAPS:  # never a piece of a longer number
                body = rf"(?<![\d.,]){body}(?!\d|[.,]\d)"
            elif match.start() == 0:  # begins where a word begins, and nowhere within it
                body = rf"(?<![\w./-]){body}"
            parts.append(f"(?P<{match[1]}>{body})" if match[1] else f"(?:{body})")
            position = match.end()
        parts.append(re.escape(self.template[position:]))
        body = "".join(parts).replace(r"\ ", " ")
        return re.compile(rf"\A{body}\Z" if self.whole else body)

    def search(self, text: str) -> re.Match[str] | None:
        """Where ``text`` (blanks collapsed) holds this wording, or None."""
        return self.pattern.search(text) if self.needle in text else None

    def is_cut(self, match: re.Match[str], *, terminated: bool) -> bool:
        """Whether a text that breaks off may have cut the number with which a match ends."""
        if terminated or match.end() < len(match.string):
            return False
        return any(kind in NUMERIC_GAPS - _LAST and match.end(name) == match.end() for name, kind in self.kinds.items())

    def figures(self, match: re.Match[str]) -> dict[str, Figure]:
        """Values of a match, by name; gaps that are not there are left out."""
        found: dict[str, Figure] = {}
        for name, kind in self.kinds.items():
            value = match[name]
            found[name] = figure(value) if kind in NUMERIC_GAPS else value
        return {**found, **self.constants}


def _whole_word(needle: str) -> str:
    """The longest word of ``needle`` that has a blank on either side, or nothing: a text that holds one holds both."""
    return max(needle.split(" ")[1:-1], key=len, default="")


_INDEXED_ABOVE: Final = 100
"""Needles from which on it is faster to look up the words of a text than to search it for each needle."""


class WordingTable(Generic[Owner]):
    """Many wordings and what each belongs to, searched together: a text without any needle costs little.

    >>> table = WordingTable([("a", Wording("took {secs:int} secs")), ("b", Wording("{n:int} tokens"))])
    >>> [(owner, match["secs"]) for owner, _, match in table.search("took 9 secs")]
    [('a', '9')]
    """

    def __init__(self, pairs: Iterable[tuple[Owner, Wording]]) -> None:
        by_needle: dict[str, list[tuple[Owner, Wording]]] = {}
        for owner, wording in pairs:
            by_needle.setdefault(wording.needle, []).append((owner, wording))
        self._needles = tuple(by_needle)
        self._pairs = tuple(by_needle.values())
        self._by_word: dict[str, list[int]] = {}
        wordless: list[int] = []
        for number, needle in enumerate(self._needles):
            word = _whole_word(needle) if len(self._needles) > _INDEXED_ABOVE else ""
            (self._by_word.setdefault(word, []) if word else wordless).append(number)
        self._newest: tuple[str, list[int]] = ("", [])
        self._wordless = tuple(wordless)
        self._wordless_needles = tuple(self._needles[number] for number in wordless)

    def __iter__(self) -> Iterator[Wording]:
        return (wording for pairs in self._pairs for _, wording in pairs)

    @property
    def longest_needle(self) -> int:
        """Length of the longest needle."""
        return max(map(len, self._needles))

    def search(self, text: str) -> Iterator[tuple[Owner, Wording, re.Match[str]]]:
        """Each wording that ``text`` holds, with its owner and where."""
        return self.among(self.candidates(text), text)

    def candidates(self, text: str) -> list[int]:
        """Numbers of the needles that ``text`` holds, in order."""
        if text == self._newest[0]:
            return self._newest[1]
        found = list(compress(self._wordless, map(contains, repeat(text), self._wordless_needles)))
        if self._by_word:
            for word in self._by_word.keys() & text.split(" "):
                found += [number for number in self._by_word[word] if self._needles[number] in text]
            found.sort()
        self._newest = (text, found)
        return found

    def among(self, candidates: Iterable[int], text: str) -> Iterator[tuple[Owner, Wording, re.Match[str]]]:
        """The same as ``search``, of the wordings with these needles."""
        for number in candidates:
            for owner, wording in self._pairs[number]:
                match = wording.pattern.search(text)
                if match is not None:
                    yield owner, wording, match


def wordings(*templates: str, versions: str = "any", **constants: Figure) -> tuple[Wording, ...]:
    """Several wordings of the same versions."""
    return tuple(Wording(template, versions, constants) for template in templates)
