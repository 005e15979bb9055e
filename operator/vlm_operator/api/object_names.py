"""Names and labels of cluster-scoped objects that are about a model."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from vlm_operator.engine.flags import canonical_json

LONGEST_LABEL: Final = 63
"""Characters of a label's value."""


def model_label(model: str) -> str:
    """The model as the value of a label; two models may share one, the object's spec tells them apart.

    >>> model_label("Qwen/Qwen3-8B")
    'Qwen.Qwen3-8B'
    """
    allowed = "".join(c if (c.isascii() and c.isalnum()) or c in "-_." else "." for c in model)
    if len(allowed) > LONGEST_LABEL:
        digest = hashlib.sha256(model.encode()).hexdigest()[:16]
        allowed = f"{allowed[: LONGEST_LABEL - len(digest) - 1]}-{digest}"
    return allowed.strip("-_.")


def object_name(model: str, identity: Any) -> str:
    """A DNS name that says the model and tells identities (plain data) apart."""
    words = "".join(character if character.isascii() and character.isalnum() else "-" for character in model.lower())
    readable = "-".join(filter(None, words.split("-")))[:40].strip("-") or "model"
    return f"{readable}-{digest_of(identity)}"


def digest_of(identity: Any) -> str:
    """16 hexadecimal digits of plain data."""
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:16]
