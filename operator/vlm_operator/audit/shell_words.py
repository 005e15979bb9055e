"""Split a shell script into simple commands, as far as the commands of model servers need it.

Quotes, escapes, line continuations, comments, separators and variables are understood. Command substitution,
arithmetic and here-documents are not: a word with one is marked as unresolved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

UNRESOLVED: Final = "\N{REPLACEMENT CHARACTER}"
"""Stands in a word for what is not known before the container runs."""

_SEPARATORS: Final = ";|&\n()"
_BLANKS: Final = " \t\r"
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?[-=]([^}]*))?\})", re.ASCII)
_SUBSTITUTION: Final = re.compile(r"\$\((?:[^()]|\([^()]*\))*\)|`[^`]*`")
_DEEPEST: Final = 4
"""``eval`` in ``eval``: nobody nests deeper."""


class _Words:
    """Words of the command that is being read."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.open: list[str] | None = None

    def add(self, text: str) -> None:
        if self.open is None:
            self.open = []
        self.open.append(text)

    def end(self) -> None:
        if self.open is not None:
            self.done.append("".join(self.open))
            self.open = None

    def take(self) -> list[str]:
        self.end()
        words, self.done = self.done, []
        return words


def commands(script: str, variables: Mapping[str, str], depth: int = 0) -> Iterator[list[str]]:
    """Every simple command of a script in order, its words without quotes, variables replaced.

    >>> list(commands("export A=1; exec vllm serve $M --x '{\\"a\\": 1}' \\\\\\n  --y 2", {"M": "org/m"}))
    [['export', 'A=1'], ['exec', 'vllm', 'serve', 'org/m', '--x', '{"a": 1}', '--y', '2']]
    """
    for words in _simple(script, dict(variables)):
        if words[:1] == ["eval"] and depth < _DEEPEST:
            yield from commands(" ".join(words[1:]), variables, depth + 1)
        else:
            yield words


def _simple(script: str, variables: dict[str, str]) -> Iterator[list[str]]:
    words, place, text = _Words(), 0, script
    while place < len(text):
        char = text[place]
        if char == "\\":
            if text[place + 1 : place + 2] != "\n":
                words.add(text[place + 1 : place + 2])
            place += 2
        elif char == "'":
            end = _until(text, place + 1, "'")
            words.add(text[place + 1 : end])
            place = end + 1
        elif char == '"':
            content, place = _double_quoted(text, place + 1)
            words.add(expanded(content, variables))
        elif char == "#" and words.open is None:
            place = _until(text, place, "\n")
        elif char in "$`":
            place = _unquoted(text, place, variables, words)
        elif char in _SEPARATORS:
            found = words.take()
            _assign(found, variables)
            if found:
                yield found
            place += 1
        elif char in _BLANKS:
            words.end()
            place += 1
        else:
            words.add(char)
            place += 1
    if found := words.take():
        yield found


def _unquoted(text: str, place: int, variables: Mapping[str, str], words: _Words) -> int:
    """Add a variable outside quotes, which the shell splits into words; the place after it."""
    match = _SUBSTITUTION.match(text, place)
    if match is not None:
        words.add(UNRESOLVED)
        return match.end()
    match = _VARIABLE.match(text, place)
    if match is None:
        words.add(text[place])
        return place + 1
    value = _value(match, variables)
    for index, part in enumerate(re.split(r"(\s+)", value)):
        if index % 2:
            words.end()
        elif part:
            words.add(part)
    return match.end()


def _double_quoted(text: str, place: int) -> tuple[str, int]:
    """The content up to the closing quote, escapes resolved but for ``\\$``, and the place after it."""
    content: list[str] = []
    while place < len(text) and text[place] != '"':
        if text[place] == "\\" and text[place + 1 : place + 2] in {'"', "\\", "\n", "`"}:
            content.append("" if text[place + 1] == "\n" else text[place + 1])
            place += 2
        else:
            content.append(text[place])
            place += 1
    return "".join(content), place + 1


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """The text with ``$NAME``, ``${NAME}`` and ``${NAME:-default}`` replaced; unknown ones are marked."""
    text = _SUBSTITUTION.sub(UNRESOLVED, text)
    return _VARIABLE.sub(lambda match: _value(match, variables), text)


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    value = variables.get(match[1] or match[2])
    if value:
        return value
    if match[3] is not None:
        return expanded(match[3], variables)
    return UNRESOLVED if value is None else value


def _assign(words: list[str], variables: dict[str, str]) -> None:
    """Note what a command of assignments sets: ``A=1``, ``export A=1 B=2``."""
    assigned = words[1:] if words[:1] in (["export"], ["declare"], ["local"]) else words
    pairs = [re.fullmatch(r"(\w+)=(.*)", word, re.ASCII | re.DOTALL) for word in assigned]
    if assigned and all(pairs):
        variables.update({pair[1]: pair[2] for pair in pairs if pair is not None})


def _until(text: str, place: int, char: str) -> int:
    end = text.find(char, place)
    return len(text) if end < 0 else end
