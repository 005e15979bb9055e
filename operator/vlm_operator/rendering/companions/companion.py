"""The companions by the names that ``--with`` takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from vlm_operator.rendering.companions.disruption_budget import disruption_budget
from vlm_operator.rendering.companions.inference_pool import inference_pool
from vlm_operator.rendering.companions.pod_autoscaler import pod_autoscaler
from vlm_operator.rendering.companions.scaled_object import scaled_object
from vlm_operator.rendering.companions.subject import Subject

COMPANIONS: Final[Mapping[str, Callable[[Subject], tuple[dict[str, Any], ...]]]] = {
    "pdb": disruption_budget,
    "hpa": pod_autoscaler,
    "keda": scaled_object,
    "inferencepool": inference_pool,
}
"""In the order of application."""

AUTOSCALERS: Final = frozenset({"hpa", "keda"})


def companions(names: Iterable[str], subject: Subject) -> tuple[dict[str, Any], ...]:
    """The objects of these companions, each kind once, in the order of application.

    Raises:
        InputError: one of them has no figure it needs, or cannot stand beside this form.
    """
    wanted = frozenset(names)
    return tuple(each for name, made in COMPANIONS.items() if name in wanted for each in made(subject))
