"""Remember results for large frozen values by identity: hashing hundreds of fields costs more than the answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def cached_by_identity(
    large: int = 1, *, kept: int = 4096, by: Callable[..., Hashable] | None = None
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """A decorator: results by the identity of the first arguments and the values of the others.

    Arguments given by name are put in their places first, so that they count as the same ones given by position.

    What is known by identity is held with the result, so that its identity stays its own.

    Args:
        large: how many arguments are known by identity.
        kept: most results held; when there are as many, all are forgotten.
        by: the part of the other arguments that the result depends on; all of them where None.
    """

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        known: dict[Hashable, tuple[tuple[Any, ...], Result]] = {}
        parameters = signature(function)

        def by_name(given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Hashable, ...]]:
            bound = parameters.bind(*given, **named)
            bound.apply_defaults()
            places, rest = bound.args, bound.kwargs
            held, others = places[:large], places[large:]
            if by is not None:
                return held, (*map(id, held), by(*others, **rest))
            return held, (*map(id, held), (*others, *sorted(rest.items())) if rest else others)

        @wraps(function)
        def remembered(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            held, others = arguments[:large], arguments[large:]
            if named:
                held, key = by_name(arguments, named)
            else:
                key = (*map(id, held), others if by is None else by(*others))
            found = known.get(key)
            if found is not None:
                return found[1]
            result = function(*arguments, **named)
            if len(known) >= kept:
                known.clear()
            known[key] = held, result
            return result

        return remembered

    return decorate
