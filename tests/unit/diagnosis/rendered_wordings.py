"""Sentences rendered from the templates themselves, with values that tell each gap from the next."""

from __future__ import annotations

import re

from vlm_operator.engine.log_wordings import KINDS, FailureKind, Figure, Wording

_VALUES = {
    "int": ("131072", "41376", "16", "7"),
    "last": ("3",),
    "signed": ("-9",),
    "code": ("-15",),
    "count": ("3,581,232", "262,144"),
    "number": ("10.50", "4.25", "79.15", "2.0", "0.92"),
    "limit": ("8192.0", "None"),
    "word": ("image", "video", "audio"),
    "token": ("cuda:0", "/dev/shm/nccl-1"),
    "name": ("compressed-tensors", "awq"),
    "url": ("https://huggingface.co/a/b",),
    "engine_version": ("0.32.1rc2.dev5+g1234",),
    "list": ("['awq', 'fp8']",),
    "set": ("{A: [x not supported]}",),
    "text": ("some words", "other words"),
    "rest": ("words to the end of the line",),
}
_GAP = re.compile(r"\{(\w*):(\w+)\}")


def render(wording: Wording) -> tuple[str, dict[str, str]]:
    """A sentence of ``wording``, and the text that stands in each named gap."""
    seen: dict[str, int] = {}
    values: dict[str, str] = {}

    def fill(match: re.Match[str]) -> str:
        choices = _VALUES[match[2]]
        value = choices[seen.get(match[2], 0) % len(choices)]
        seen[match[2]] = seen.get(match[2], 0) + 1
        if match[1]:
            values[match[1]] = value
        return value

    return _GAP.sub(fill, wording.template), values


def all_wordings() -> list[tuple[FailureKind, Wording]]:
    """Every wording of every failure."""
    return [(kind, wording) for kind in KINDS for wording in kind.wordings]


def same(told: Figure | None, printed: str) -> bool:
    """Whether a figure is the one that was printed."""
    try:
        return told is not None and float(told) == float(printed.replace(",", ""))
    except ValueError:
        return told == printed
