"""Compare a live object with the desired one; nothing is written where they agree.

Server-side apply of an unchanged manifest changes nothing, but it is a write all the same: fifty steady deployments
should cost the API server reads only. Two questions decide: does every wanted field have its value, and do we own a
field (by ``managedFields``) that is wanted no longer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from vlm_operator.api.names import FIELD_MANAGER

_IDENTITIES: Final = ("name", "containerPort", "port", "mountPath", "key", "topologyKey", "uid", "ip", "type")
"""Fields by which the items of a Kubernetes list are told apart, likeliest first."""

_QUANTITIES: Final = frozenset({"limits", "requests", "sizeLimit"})
"""Fields whose values the API server may write in another way than we do: ``1000m`` as ``1``."""

_WHOLE: Final = frozenset({"selector", "nodeSelector"})
"""Maps that are one value: an entry that is not wanted selects something else (``x-kubernetes-map-type: atomic``)."""

_SUFFIXES: Final = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(10**3), "M": Decimal(10**6),
    "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "Ki": Decimal(2**10), "Mi": Decimal(2**20),
    "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
}  # fmt: skip


def is_applied(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """True if applying ``wanted`` would change nothing about ``live``."""
    return _holds(wanted, live) and not any(_unwanted(owned, wanted) for owned in _owned_fields(live))


def _holds(wanted: Any, live: Any, *, quantities: bool = False) -> bool:
    # Objects as JSON has them: asking for abstract classes took a tenth of a look's processor time.
    if isinstance(wanted, dict):
        # An empty value and an absent one are the same to the API server.
        return isinstance(live, dict) and all(
            _holds(value, live[key], quantities=quantities or key in _QUANTITIES)
            and (key not in _WHOLE or not isinstance(value, dict) or value.keys() == live[key].keys())
            if key in live
            else value in ({}, [], None, "")
            for key, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        if not isinstance(live, list | tuple):
            return False
        identity = _identity(wanted)
        if identity is None:
            return len(wanted) == len(live) and all(map(_holds, wanted, live))
        by_identity = {item.get(identity): item for item in live if isinstance(item, dict)}
        return all(_holds(item, by_identity.get(item[identity])) for item in wanted)
    return bool(wanted == live) or (quantities and _same_quantity(wanted, live))


def _identity(items: Sequence[Any]) -> str | None:
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    for field in _IDENTITIES:
        if all(field in item for item in items) and len({str(item[field]) for item in items}) == len(items):
            return field
    return None


def _same_quantity(wanted: Any, live: Any) -> bool:
    one, other = _quantity(wanted), _quantity(live)
    return one is not None and one == other


def _quantity(value: Any) -> Decimal | None:
    """A quantity such as 4Gi or 500m as a number; None for what is none."""
    text = str(value)
    for suffix in (text[-2:], text[-1:]):
        if suffix in _SUFFIXES:
            number, factor = text[: -len(suffix)], _SUFFIXES[suffix]
            break
    else:
        number, factor = text, Decimal(1)
    try:
        return Decimal(number) * factor
    except InvalidOperation:
        return None


def _owned_fields(live: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entry in (live.get("metadata") or {}).get("managedFields") or ():
        applied = entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply"
        if applied and not entry.get("subresource"):
            yield entry.get("fieldsV1") or {}


def _unwanted(owned: Mapping[str, Any], wanted: Any) -> bool:
    """True if a field of the tree ``owned`` (``fieldsV1``) has no counterpart in ``wanted``."""
    for path, below in owned.items():
        if path == ".":
            continue
        sort, _, name = path.partition(":")
        if sort == "f":
            if not isinstance(wanted, Mapping) or name not in wanted:
                return True
            item = wanted[name]
        elif sort == "k":
            key = json.loads(name)
            item = next((item for item in wanted or () if _has_key(item, key)), None)
            if item is None:
                return True
        else:  # "v": a value of a set, "i": an index; both as a whole
            continue
        if below and _unwanted(below, item):
            return True
    return False


def _has_key(item: Any, key: Mapping[str, Any]) -> bool:
    # A key field that the server filled in by default, such as protocol TCP, need not stand in the manifest.
    return isinstance(item, Mapping) and all(item.get(field, value) == value for field, value in key.items())
