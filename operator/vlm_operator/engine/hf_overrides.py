"""``--hf-overrides`` among the arguments of a command: fields of ``config.json`` that are replaced.

vLLM's parser (0.11.2 to 0.33.0: ``utils/argparse_utils.py: FlexibleArgumentParser``) takes the object as JSON, or key
by key (``--hf-overrides.rope_scaling.factor 4``); keys that are given singly take the place of an object given whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from vlm_operator.engine.flag_objects import parse_object, refuse_constant
from vlm_operator.engine.flag_values import whole_number
from vlm_operator.engine.flags import canonical_json
from vlm_operator.errors import InputError

FLAG: Final = "--hf-overrides"

_SHORTEST: Final = len("--hf-o")
"""Characters from which the beginning of the flag's name is nothing else's."""


def hf_overrides(arguments: Sequence[str], *, field: str) -> dict[str, Any] | None:
    """The fields that the arguments replace, None where they replace none.

    Args:
        field: where the arguments were given, for errors.

    Raises:
        InputError: the value is no JSON object, or is missing.

    >>> hf_overrides(["--seed", "5", "--hf_overrides", '{"max_position_embeddings": 65536}'], field="extraArgs")
    {'max_position_embeddings': 65536}
    >>> hf_overrides(["--hf-overrides.text_config.rope_theta=1e6", "--hf-overrides.a", "b"], field="extraArgs")
    {'text_config': {'rope_theta': 1000000.0}, 'a': 'b'}
    """
    whole: dict[str, Any] | None = None
    single: dict[str, Any] = {}
    for keys, text in _given(arguments):
        if text is None:
            raise InputError(f"{field}: {FLAG} has no value", field=field, hint=f'write {FLAG}={{"key": value}}')
        if keys:
            _put(single, keys, text)
        else:
            whole = parse_object(text, f"{field}: {FLAG}")
    return single or whole or None


def as_text(overrides: Mapping[str, Any] | None) -> str | None:
    """The fields as canonical JSON, equal for equal fields; None where none is replaced."""
    return canonical_json(overrides) if overrides else None


def is_hf_overrides(argument: str) -> bool:
    """Whether an argument is the flag, in any of vLLM's spellings.

    >>> is_hf_overrides("--hf_overrides={}"), is_hf_overrides("--hf-overrides.a"), is_hf_overrides("--hf-token")
    (True, True, False)
    """
    name = argument.partition("=")[0].partition(".")[0].replace("_", "-")
    return len(name) >= _SHORTEST and FLAG.startswith(name)


def _given(arguments: Sequence[str]) -> Iterator[tuple[list[str], str | None]]:
    """The keys (none for the whole object) and the text of each time the flag is given."""
    for place, argument in enumerate(arguments):
        if not is_hf_overrides(argument):
            continue
        name, equals, text = argument.partition("=")
        following = arguments[place + 1] if place + 1 < len(arguments) else None
        yield name.split(".")[1:], text if equals else following


def _put(found: dict[str, Any], keys: list[str], text: str) -> None:
    *outer, last = keys
    for key in outer:
        if not isinstance(found.get(key), dict):
            found[key] = {}
        found = found[key]
    if last.endswith("+"):
        found[last[:-1]] = text.split(",")
    else:
        found[last] = _value(text)


def _value(text: str) -> Any:
    """JSON, else a number with a suffix, else the text itself."""
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        pass
    try:
        return whole_number(text, field=FLAG)
    except InputError:
        return text
