"""Convert ``ModelFacts`` to JSON and back, by their dataclass fields.

The form is generic over the frozen dataclasses of ``vlm_operator.model``: a field equal to its default is left out, and
where a field's type leaves the class open (a union of dataclasses, ``object``) the value carries its class under
``"type"``: the bare name for a class of ``model.facts``, ``module.Class`` for one of another file of that room. A new
field with a default therefore needs no change here, and entries written before it still load. Numbers at equal steps
(the layers that a module stands in) are written as a range.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import operator
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from vlm_operator.errors import InputError
from vlm_operator.model import facts as model_facts
from vlm_operator.model.facts import ModelFacts

_TYPE: Final = "type"
_RANGE: Final = "range"
_SHORTEST_RANGE: Final = 4
_LONGEST_RANGE: Final = 100_000
_ROOM: Final = "vlm_operator.model"
_CLASS_NAME: Final = re.compile(r"(?:([a-z][a-z0-9_.]{0,80})\.)?([A-Z][A-Za-z0-9]{0,60})", re.ASCII)

Json = dict[str, Any] | list[Any] | str | int | float | bool | None
_Decoder = Callable[[Any], Any]


def encode_facts(facts: ModelFacts) -> dict[str, Any]:
    """The facts as JSON values, without what equals a default.

    Raises:
        TypeError: a fact holds a value that has no JSON form (a mistake of this project, never of its input).
    """
    return _encode_dataclass(facts)


def decode_facts(values: object) -> ModelFacts:
    """The facts that ``encode_facts`` wrote.

    Raises:
        InputError: not the written form of model facts; the field is named.
    """
    decoded: ModelFacts = _class_decoder(ModelFacts)(values)
    return decoded


# --- writing --------------------------------------------------------------------------------------------------------


def _encode_dataclass(value: Any, tag: str | None = None) -> dict[str, Any]:
    encoded: dict[str, Any] = {} if tag is None else {_TYPE: tag}
    cls: Any = type(value)
    for field, carries_class in _written_fields(cls):
        item = getattr(value, field.name)
        if field.default is not dataclasses.MISSING and _same(item, field.default):
            continue
        if field.default_factory is not dataclasses.MISSING and _same(item, field.default_factory()):
            continue
        encoded[field.name] = _encode(item, carries_class)
    return encoded


def _same(value: object, default: object) -> bool:
    """Equal and of one type: 1, 1.0 and True are three values here."""
    return type(value) is type(default) and value == default


def _encode(value: Any, carries_class: bool) -> Json:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return typing.cast("str | int", value.value)
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple | list):
        numbers = None if carries_class else _range_of(value)
        if numbers is not None:
            return {_RANGE: [numbers.start, numbers.stop, numbers.step]}
        return [_encode(item, carries_class) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {str(key): _encode(item, carries_class) for key, item in value.items()}
        return [[_encode(key, carries_class), _encode(item, carries_class)] for key, item in value.items()]
    if isinstance(value, frozenset | set):
        return sorted((_encode(item, carries_class) for item in value), key=str)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _encode_dataclass(value, _name_of(type(value)) if carries_class else None)
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


def _range_of(values: Sequence[Any]) -> range | None:
    """The range that these numbers are, if they are one and it is shorter to write."""
    if len(values) < _SHORTEST_RANGE or any(type(value) is not int for value in values):
        return None
    step = values[1] - values[0]
    if step == 0:
        return None
    numbers = range(values[0], values[-1] + (1 if step > 0 else -1), step)
    return numbers if len(numbers) == len(values) and all(map(operator.eq, numbers, values)) else None


def _name_of(cls: type) -> str:
    if getattr(model_facts, cls.__name__, None) is cls:
        return str(cls.__name__)
    return f"{cls.__module__.removeprefix(f'{_ROOM}.')}.{cls.__name__}"


@functools.cache
def _written_fields(cls: Any) -> tuple[tuple[dataclasses.Field[Any], bool], ...]:
    """The fields of a dataclass, each with True where its values must carry their class."""
    hints = _hints(cls)
    return tuple((field, _is_open(hints[field.name])) for field in dataclasses.fields(cls) if field.init)


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _is_open(hint: Any) -> bool:
    """True where the hint alone does not say which dataclass a value is."""
    if hint is object or hint is Any:
        return True
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        classes = [argument for argument in arguments if dataclasses.is_dataclass(argument)]
        return len(classes) > 1 or any(_is_open(argument) for argument in arguments)
    return any(_is_open(argument) for argument in arguments if argument is not Ellipsis)


# --- reading --------------------------------------------------------------------------------------------------------


@functools.cache
def _class_decoder(cls: Any) -> _Decoder:
    """Reads one dataclass from an object of its fields."""
    hints = _hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    required = frozenset(
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )
    decoders: dict[str, _Decoder] = {}

    def decode(values: Any) -> Any:
        if not isinstance(values, dict):
            raise _malformed(cls.__name__, values, "an object")
        arguments = {}
        for name, value in values.items():
            if name == _TYPE and name not in fields:
                continue
            decoder = decoders.get(name)
            if decoder is None:
                if name not in fields:
                    raise InputError(f"{cls.__name__}.{name}: no such field", field=f"{cls.__name__}.{name}")
                decoder = decoders[name] = _decoder(hints[name], f"{cls.__name__}.{name}")
            arguments[name] = decoder(value)
        if missing := required - arguments.keys():
            name = min(missing)
            raise InputError(f"{cls.__name__}.{name} is missing", field=f"{cls.__name__}.{name}")
        return cls(**arguments)

    return decode


def _malformed(path: str, value: object, wanted: str) -> InputError:
    return InputError(f"{path}: {str(value)[:60]!r} is not {wanted}", field=path)


def _decoder(hint: Any, path: str) -> _Decoder:
    """Reads a value of the type ``hint``; errors name ``path``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(arguments, path)
    if hint is object or hint is Any:
        return functools.partial(_decode_open, path)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        decode_items = _sequence_decoder(tuple, _decoder(arguments[0], path), path)
        return _range_decoder(decode_items, path) if arguments[0] is int else decode_items
    if origin is tuple:
        return _pair_decoder([_decoder(argument, path) for argument in arguments], path)
    if origin in (list, frozenset):
        return _sequence_decoder(origin, _decoder(arguments[0], path), path)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping_decoder(_decoder(arguments[0], path), _decoder(arguments[1], path), path)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _class_decoder(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_decoder(hint, path)
    return _scalar_decoder(hint, path)


def _union_decoder(arguments: tuple[Any, ...], path: str) -> _Decoder:
    optional = type(None) in arguments
    others = [argument for argument in arguments if argument is not type(None)]
    if len(others) == 1:
        decode_some = _decoder(others[0], path)
    elif all(dataclasses.is_dataclass(argument) for argument in others):
        classes = {_name_of(argument): argument for argument in others}

        def decode_some(value: Any) -> Any:
            name = value.get(_TYPE) if isinstance(value, dict) else None
            cls = classes.get(name) if isinstance(name, str) else None
            if cls is None:
                raise _malformed(path, name if isinstance(value, dict) else value, f"one of {', '.join(classes)}")
            return _class_decoder(cls)(value)
    else:
        scalars = [_decoder(argument, path) for argument in others]

        def decode_some(value: Any) -> Any:
            for decode in scalars:
                try:
                    return decode(value)
                except InputError:
                    continue
            raise _malformed(path, value, "of a known form")

    return lambda value: None if value is None and optional else decode_some(value)


def _decode_open(path: str, value: Any) -> Any:
    """A value whose field leaves the type open: a dataclass names its class, a list becomes a tuple."""
    if isinstance(value, list):
        return tuple(_decode_open(path, item) for item in value)
    if not isinstance(value, dict):
        return value
    name = value.get(_TYPE)
    if name is None:
        return {key: _decode_open(path, item) for key, item in value.items()}
    return _class_decoder(_class_of(name, path))(value)


def _class_of(name: object, path: str) -> type:
    match = _CLASS_NAME.fullmatch(name) if isinstance(name, str) else None
    cls: Any = None
    if match is not None and match[1] is None:
        cls = getattr(model_facts, match[2], None)
    elif match is not None:
        try:
            cls = getattr(importlib.import_module(f"{_ROOM}.{match[1]}"), match[2], None)
        except (ImportError, ValueError):
            cls = None
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls) and cls.__module__.startswith(_ROOM)):
        raise _malformed(path, name, "a class of model facts")
    return cls


def _sequence_decoder(build: Callable[[list[Any]], Any], decode: _Decoder, path: str) -> _Decoder:
    def decode_sequence(value: Any) -> Any:
        if not isinstance(value, list):
            raise _malformed(path, value, "a list")
        return build([decode(item) for item in value])

    return decode_sequence


def _range_decoder(decode_items: _Decoder, path: str) -> _Decoder:
    def decode_numbers(value: Any) -> Any:
        if not isinstance(value, dict):
            return decode_items(value)
        bounds = value.get(_RANGE)
        if isinstance(bounds, list) and len(bounds) == 3 and all(type(bound) is int for bound in bounds) and bounds[2]:
            numbers = range(*bounds)
            if len(numbers) <= _LONGEST_RANGE:
                return tuple(numbers)
        raise _malformed(path, value, "a list or a range of numbers")

    return decode_numbers


def _pair_decoder(decoders: list[_Decoder], path: str) -> _Decoder:
    def decode_pair(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(decoders):
            raise _malformed(path, value, f"a list of {len(decoders)}")
        return tuple(decode(item) for decode, item in zip(decoders, value, strict=True))

    return decode_pair


def _mapping_decoder(decode_key: _Decoder, decode_value: _Decoder, path: str) -> _Decoder:
    def decode_mapping(value: Any) -> dict[Any, Any]:
        if isinstance(value, dict):
            return {decode_key(key): decode_value(item) for key, item in value.items()}
        if isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value):
            return {decode_key(key): decode_value(item) for key, item in value}
        raise _malformed(path, value, "an object")

    return decode_mapping


def _enum_decoder(enum: type[Enum], path: str) -> _Decoder:
    members = {member.value: member for member in enum}

    def decode_enum(value: Any) -> Enum:
        member = members.get(value) if isinstance(value, str | int) else None
        if member is None:
            raise _malformed(path, value, f"one of {', '.join(str(known) for known in members)}")
        return member

    return decode_enum


def _scalar_decoder(hint: Any, path: str) -> _Decoder:
    def decode_scalar(value: Any) -> Any:
        if type(value) is hint or (hint is float and type(value) is int):
            return value
        raise _malformed(path, value, {int: "a whole number", bool: "true or false"}.get(hint, f"a {hint.__name__}"))

    return decode_scalar
