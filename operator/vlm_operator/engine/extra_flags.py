"""Flags that plans count although ``spec.engine.extraArgs`` may set them: read from arguments as vLLM writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from vlm_operator.engine.flag import Flag, Kind
from vlm_operator.engine.flag_objects import parse_object
from vlm_operator.engine.flag_values import whole_number
from vlm_operator.engine.flags import canonical_json
from vlm_operator.engine.settings import FLAGS
from vlm_operator.errors import InputError

_NAMES: Final = {
    spelling: name for name, flag in FLAGS.items() if flag.in_extra_arguments for spelling in flag.spellings
}


def extra_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Values of the settings that the arguments set, by the settings' names; the last of several values wins.

    >>> extra_settings(["--enable-lora", "--max-loras=2", "--seed", "5"])
    {'enable_lora': True, 'max_loras': 2}

    Raises:
        InputError: a value that vLLM could not read either.
    """
    values: dict[str, Any] = {}
    keyed: dict[str, dict[str, Any]] = {}
    for name, key, text in _given(arguments):
        flag = FLAGS[name]
        if key:
            keyed.setdefault(name, {})[key] = _plain(text)
            values[name] = canonical_json(keyed[name])
        else:
            values[name] = _value(flag, text)
    return values


def _given(arguments: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    """(setting, key of its object, value) of each argument that sets one; the value is None for a switch."""
    for place, argument in enumerate(arguments):
        spelling, equals, value = argument.partition("=")
        head, _, key = spelling.partition(".")
        positive = head.replace("_", "-")
        is_off = positive.startswith("--no-")
        name = _NAMES.get(f"--{positive[5:]}" if is_off else positive)
        if name is None:
            continue
        if FLAGS[name].kind is Kind.SWITCH:
            yield name, "", "false" if is_off else value if equals else None
        else:
            following = arguments[place + 1] if place + 1 < len(arguments) else ""
            yield name, key, value if equals else following


def _value(flag: Flag, text: str | None) -> Any:
    field = flag.spelling[2:]
    match flag.kind:
        case Kind.SWITCH:
            return text is None or text.lower() == "true"
        case Kind.COUNT:
            return whole_number(text or "", field=field)
        case Kind.OBJECT:
            return canonical_json(parse_object(text, field))
        case _:
            if flag.choices and text not in flag.choices:
                raise InputError(f"{field}: {text!r} is none of {', '.join(flag.choices)}", field=field)
            return text


def _plain(text: str | None) -> Any:
    """A value that is JSON where it is JSON."""
    try:
        return json.loads(text or "")
    except ValueError:
        return text
