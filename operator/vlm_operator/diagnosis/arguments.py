"""Parse the Python dict in which vLLM prints its non-default arguments."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any, Final

from vlm_operator.engine.log_wordings import figure

_SCALAR: Final = re.compile(r"'(\w{1,80})': (True|False|None|-?\d{1,18}(?:\.\d{1,18})?|'[^'\n]{0,400}')")


def flags_of(text: str) -> dict[str, Any]:
    """The flags of vLLM's non-default arguments: all of them, or the plain ones where some hold objects."""
    literal = text.strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes in a path
            value = ast.literal_eval(literal) if len(literal) < 20_000 else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if isinstance(value, dict):
        return {str(key): each for key, each in value.items()}
    return {match[1]: _scalar(match[2]) for match in _SCALAR.finditer(literal)}


def _scalar(text: str) -> Any:
    """One plain value as Python prints it."""
    if text.startswith("'"):
        return text[1:-1]
    return {"True": True, "False": False, "None": None}[text] if text[0] in "TFN" else figure(text)
