"""Remember results for large frozen values by identity: hashing hundreds of fields costs more than the answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

First = TypeVar("First")
Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def cached_by_identity(
    kept: int = 256,
) -> Callable[
    [Callable[Concatenate[First, Rest], Result]],
    Callable[Concatenate[First, Rest], Result],
]:
    """A decorator: results by the first argument's identity and the others' values, at most ``kept`` of them.

    The first argument is held with the result, so that its identity stays its own.
    """

    def decorate(function: Callable[Concatenate[First, Rest], Result]) -> Callable[Concatenate[First, Rest], Result]:
        known: dict[tuple[Any, ...], tuple[First, Result]] = {}

        @wraps(function)
        def remembered(first: First, /, *rest: Rest.args, **named: Rest.kwargs) -> Result:
            key = (id(first), *rest, *named.items())
            found = known.get(key)
            if found is not None:
                return found[1]
            result = function(first, *rest, **named)
            if len(known) >= kept:
                known.clear()
            known[key] = (first, result)
            return result

        return remembered

    return decorate
