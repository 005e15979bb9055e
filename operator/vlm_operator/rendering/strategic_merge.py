"""Apply Kubernetes' strategic merge patch to a pod template, for the fields that pods have.

Maps merge key by key and null removes a key; lists that have a merge key merge item by item, all others are replaced.
Merge keys and replaced lists: Kubernetes 1.37 ``staging/src/k8s.io/api/core/v1/types.go`` (``patchMergeKey``).
Directives: ``$patch: delete | replace | merge``, ``$retainKeys`` and ``$deleteFromPrimitiveList/FIELD``.

New items of a list come after those that were there (``kubectl patch`` sorts by the patch), so that the server's
container stays the first. In one point this is kinder than ``kubectl patch``: an overlay that gives a volume another
source, a variable another origin or a probe another action replaces the one that was there; Kubernetes would keep both
and refuse the pod.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vlm_operator.errors import InputError

_CONTAINER_LISTS: Final = {
    "ports": "containerPort",
    "env": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
}
_POD_LISTS: Final = {
    "volumes": "name",
    "containers": "name",
    "initContainers": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "schedulingGates": "name",
}
MERGE_KEYS: Final[Mapping[tuple[str, ...], str]] = {
    **{("spec", name): key for name, key in _POD_LISTS.items()},
    **{
        ("spec", containers, name): key
        for containers in ("containers", "initContainers")
        for name, key in _CONTAINER_LISTS.items()
    },
}
"""Lists that merge item by item, by their path in a pod template, and the field that tells their items apart."""

_PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
_PROBE_ACTIONS: Final = frozenset({"exec", "httpGet", "tcpSocket", "grpc"})
_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_PRIMITIVE: Final = "$deleteFromPrimitiveList/"
_ORDER: Final = "$setElementOrder/"


def strategic_merge(base: Mapping[str, Any], overlay: Mapping[str, Any], *, field: str) -> dict[str, Any]:
    """``base``, a pod template, under ``overlay``. Neither is changed.

    Args:
        field: what errors call the overlay, for instance ``spec.podTemplate``.

    Raises:
        InputError: the overlay's shape is not that of a pod template, or a directive is not known.
    """
    return _merge_map(base, overlay, (), field)


def _merge_map(
    base: Mapping[str, Any], overlay: Mapping[str, Any], path: tuple[str, ...], field: str
) -> dict[str, Any]:
    directive = overlay.get(_PATCH, "merge")
    if directive == "delete":
        return {}
    if directive not in {"merge", "replace"}:
        raise InputError(
            f"{field}.{_PATCH}: {str(directive)[:60]!r} is not a directive",
            field=f"{field}.{_PATCH}",
            hint="use delete, replace or merge",
        )
    result = {} if directive == "replace" else dict(base)
    if _RETAIN in overlay:
        kept = overlay[_RETAIN]
        if not isinstance(kept, list):
            raise InputError(f"{field}.{_RETAIN}: must be a list of keys", field=f"{field}.{_RETAIN}")
        result = {key: value for key, value in result.items() if key in kept}
    for key in _displaced(result, overlay, path):
        del result[key]
    for key, value in overlay.items():
        if key in {_PATCH, _RETAIN} or key.startswith(_ORDER):
            continue
        here = f"{field}.{key}"
        if key.startswith(_PRIMITIVE):
            name = key.removeprefix(_PRIMITIVE)
            gone = _list(value, here)
            result[name] = [item for item in _list(result.get(name, []), here) if item not in gone]
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = _merge_value(result.get(key), value, (*path, key), here)
    return result


def _merge_value(base: Any, overlay: Any, path: tuple[str, ...], field: str) -> Any:
    if path in MERGE_KEYS:
        return _merge_list(_list(base or [], field), _list(overlay, field), path, field)
    if isinstance(base, Mapping):
        if not isinstance(overlay, Mapping):
            raise InputError(f"{field}: {str(overlay)[:60]!r} is not an object", field=field)
        return _merge_map(base, overlay, path, field)
    if isinstance(overlay, Mapping):
        return _merge_map({}, overlay, path, field)
    return overlay


def _merge_list(base: Sequence[Any], overlay: Sequence[Any], path: tuple[str, ...], field: str) -> list[Any]:
    merge_key = MERGE_KEYS[path]
    result: list[Any] = list(base)
    seen: set[str] = set()
    for position, item in enumerate(overlay):
        here = f"{field}[{position}]"
        if not isinstance(item, Mapping):
            raise InputError(f"{here}: {str(item)[:60]!r} is not an object", field=here)
        if set(item) == {_PATCH} and item[_PATCH] == "replace":
            result = []
            continue
        if item.get(merge_key) is None:
            raise InputError(f"{here}: {merge_key} is missing", field=here, hint=f"name the item by its {merge_key}")
        identity = str(item[merge_key])
        if identity in seen:
            raise InputError(f"{here}: {merge_key} {identity[:60]!r} occurs twice", field=here, hint="give it once")
        seen.add(identity)
        place = next((index for index, old in enumerate(result) if str(old.get(merge_key)) == identity), None)
        if item.get(_PATCH) == "delete":
            if place is not None:
                del result[place]
        elif place is None:
            result.append(_merge_map({}, item, path, here))
        else:
            result[place] = _merge_map(result[place], item, path, here)
    return result


def _displaced(base: Mapping[str, Any], overlay: Mapping[str, Any], path: tuple[str, ...]) -> tuple[str, ...]:
    """Keys of ``base`` that must go because the overlay sets another of which only one may be."""
    if path == ("spec", "volumes"):
        rivals = frozenset({*base, *overlay} - {"name"})
    elif path[-1:] == ("env",):
        rivals = frozenset({"value", "valueFrom"})
    elif path and path[-1] in _PROBES:
        rivals = _PROBE_ACTIONS
    else:
        return ()
    chosen = {key for key in rivals if overlay.get(key) is not None}
    return tuple(key for key in base if key in rivals - chosen) if chosen else ()


def _list(value: Any, field: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{field}: {str(value)[:60]!r} is not a list", field=field)
    return list(value)
