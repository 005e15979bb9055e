"""How values get into a template: not as text. The template is filled with placeholders, and these with the values.

So no value can change the shape of a manifest, whatever it says, and YAML is read once for each way through the
conditions of a template, not for every manifest: reading it was half of what a look at a VLMDeployment cost.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jinja2
import yaml

from vlm_operator.errors import InputError

_MARK: Final = "\ue000value "
"""What a placeholder starts with; the number of its value follows."""


def plain(value: Any) -> Any:
    """A copy of a value as JSON has it: mappings with text as keys, lists, text, numbers, truth values and None.

    Raises:
        InputError: a lone surrogate, which is no character, or a value that JSON has no word for.

    >>> plain({"a": ("yes", 1)})
    {'a': ['yes', 1]}
    """
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {_text(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item) for item in value]
    raise InputError(f"{str(value)[:60]!r} cannot be written into a manifest") from None


def _text(value: str) -> str:
    if not value.isascii() and (lone := next((char for char in value if "\ud800" <= char <= "\udfff"), None)):
        raise InputError(f"text holds the lone surrogate U+{ord(lone):04X}, which is no character", hint="remove it")
    return str(value)


@jinja2.pass_context
def _placed(context: jinja2.runtime.Context, value: Any) -> str:
    values: list[Any] = context["placed"]
    values.append(value)
    return f'"{_MARK}{len(values) - 1}"'


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("vlm_operator.rendering", "templates"),
        finalize=_placed,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # values are not written as text; HTML has no place here
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def fill(template: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The object that a template says with these values.

    Raises:
        InputError: a value that no manifest can hold.
    """
    placed: list[Any] = []
    text = _template(template).render(values, placed=placed)
    filled: dict[str, Any] = _filled(_shape(text), placed)
    return filled


@functools.cache
def _template(name: str) -> jinja2.Template:
    """Held here: jinja2's own cache takes a lock that threads wait for."""
    return _environment().get_template(name)


@functools.lru_cache(maxsize=256)
def _shape(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _filled(shape: Any, values: Sequence[Any]) -> Any:
    if isinstance(shape, str):
        return plain(values[int(shape[len(_MARK) :])]) if shape.startswith(_MARK) else shape
    if isinstance(shape, dict):
        return {key: _filled(item, values) for key, item in shape.items()}
    if isinstance(shape, list):
        return [_filled(item, values) for item in shape]
    return shape
