"""Which nodes a pod may be placed on: node selector, required node affinity, and taints against tolerations.

As Kubernetes' scheduler decides (its filters ``NodeAffinity`` and ``TaintToleration``). Preferences are not
read, and pod affinity and topology spread are not either: they depend on other pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vlm_operator.audit.container_command import Manifest

_PASSING: Final = "node.kubernetes.io/"
"""Taints with this prefix say how a node does now (cordoned, not ready, under pressure), not what it is for."""

_KEEPING_OUT: Final = frozenset({"NoSchedule", "NoExecute"})


@dataclass(frozen=True, slots=True)
class Taint:
    """What keeps pods off a node that do not tolerate it."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}{f'={self.value}' if self.value else ''}:{self.effect}"


@dataclass(frozen=True, slots=True)
class Site:
    """A node as far as placement looks at it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()


@dataclass(frozen=True, slots=True)
class Placement:
    """What a pod asks of its node.

    Attributes:
        selector: labels that the node must have.
        terms: of required node affinity, one of which must match; None where the pod has none.
        tolerations: as in the pod.
    """

    selector: Mapping[str, str] = field(default_factory=dict)
    terms: tuple[Manifest, ...] | None = None
    tolerations: tuple[Manifest, ...] = ()

    def refusal(self, site: Site) -> str | None:
        """What keeps the pod off the node, in words; None where nothing does."""
        for key, value in sorted(self.selector.items()):
            if site.labels.get(key) != value:
                return f"label {key}={value}"
        if self.terms is not None and not any(_term_matches(term, site) for term in self.terms):
            return "required node affinity"
        taint = next((taint for taint in site.taints if not self._tolerates(taint)), None)
        return None if taint is None else f"taint {taint}, which is not tolerated"

    def _tolerates(self, taint: Taint) -> bool:
        return any(_tolerates(toleration, taint) for toleration in self.tolerations)


ANYWHERE: Final = Placement(tolerations=({"operator": "Exists"},))
"""Of a model of which no pod is known: nothing keeps it off a node."""


def read_placement(spec: Manifest) -> Placement:
    """The placement of a pod's spec."""
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    terms = None if affinity is None else tuple(affinity.get("nodeSelectorTerms") or ())
    return Placement(spec.get("nodeSelector") or {}, terms, tuple(spec.get("tolerations") or ()))


def read_taints(node: Manifest) -> tuple[Taint, ...]:
    """Taints that keep pods off the node for good."""
    given = (node.get("spec") or {}).get("taints") or ()
    return tuple(
        Taint(str(each.get("key")), str(each.get("value") or ""), str(each.get("effect")))
        for each in given
        if each.get("effect") in _KEEPING_OUT and not str(each.get("key")).startswith(_PASSING)
    )


def _term_matches(term: Manifest, site: Site) -> bool:
    expressions: Sequence[Manifest] = term.get("matchExpressions") or ()
    fields: Sequence[Manifest] = term.get("matchFields") or ()
    if not expressions and not fields:
        return False  # an empty term matches no node
    return _all_match(expressions, site.labels) and _all_match(fields, {"metadata.name": site.name})


def _all_match(expressions: Iterable[Manifest], labels: Mapping[str, str]) -> bool:
    return all(_matches(each, labels.get(str(each.get("key")))) for each in expressions)


def _matches(expression: Manifest, value: str | None) -> bool:
    """Whether a label, None where the node has none, is what a requirement asks for."""
    wanted = [str(each) for each in expression.get("values") or ()]
    match expression.get("operator"):
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _compared(value, wanted) > 0
        case "Lt":
            return _compared(value, wanted) < 0
        case _:
            return False


def _compared(value: str | None, wanted: Sequence[str]) -> int:
    """Above 0 where the label is the larger number, below 0 where it is the smaller, 0 also where one is no number."""
    try:
        return int(value or "") - int(wanted[0])
    except (ValueError, IndexError):
        return 0


def _tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    exists, key = toleration.get("operator") == "Exists", toleration.get("key")
    if not key:
        return exists
    return key == taint.key and (exists or str(toleration.get("value") or "") == taint.value)
