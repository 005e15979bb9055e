"""Insert values into templates as JSON only, so that a value is always data and never YAML syntax."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jinja2
import yaml

from vlm_operator.errors import InputError

_NOT_PLAIN: Final = re.compile(r"[^ !#-\[\]-~]")


def quote(value: Any) -> str:
    """A value as JSON that YAML reads alike: one line, every character outside printable ASCII escaped.

    YAML's double-quoted strings know JSON's escapes, but not surrogate pairs; those become one ``\\U`` escape.

    Raises:
        InputError: a lone surrogate, which is no character, or a value that JSON has no word for.

    >>> quote({"a": ["yes", 'x"\\n: y']})
    '{"a": ["yes", "x\\\\u0022\\\\u000a: y"]}'
    """
    if isinstance(value, str):
        return f'"{_NOT_PLAIN.sub(_escaped, value)}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(key))}: {quote(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(quote, value)) + "]"
    try:
        text = json.dumps(value, allow_nan=False)
        # YAML 1.1 takes 1e-05 for text: a number has a point.
        return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text
    except (TypeError, ValueError):
        raise InputError(f"{str(value)[:60]!r} cannot be written into a manifest") from None


def _key(text: str) -> str:
    # YAML looks 1,024 characters ahead for the colon after a key, unless a question mark says that one is coming.
    quoted = quote(text)
    return f"? {quoted} " if len(quoted) > 1000 else quoted


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:
        raise InputError(f"text holds the lone surrogate U+{code:04X}, which is no character", hint="remove it")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("vlm_operator.rendering", "templates"),
        finalize=quote,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # finalize writes JSON; HTML has no place here
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def fill(template: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The object that a template says with these values.

    Raises:
        InputError: a value that no manifest can hold.
    """
    text = _environment().get_template(template).render(values)
    loaded = yaml.load(text, Loader=yaml.CSafeLoader)
    assert isinstance(loaded, dict), template
    return loaded
