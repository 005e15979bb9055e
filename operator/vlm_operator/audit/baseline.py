"""Known findings: the ids of a file that an earlier audit wrote, or that a person keeps."""

from __future__ import annotations

from typing import Any

from vlm_operator.errors import InputError


def known_ids(document: Any) -> frozenset[str]:
    """Ids of the findings of an earlier ``vlmctl audit -o json`` (or yaml), or of a plain list of ids.

    Raises:
        InputError: neither.
    """
    rows = document.get("findings") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise _refusal("holds neither findings nor a list of ids")
    ids = [row.get("id") if isinstance(row, dict) else row for row in rows]
    known = frozenset(each for each in ids if isinstance(each, str))
    if not all(isinstance(each, str) for each in ids):
        raise _refusal("holds a finding without an id")
    return known


def _refusal(words: str) -> InputError:
    return InputError(
        f"baseline: the file {words}", field="baseline", hint="write one with: vlmctl audit … -o json > baseline.json"
    )
