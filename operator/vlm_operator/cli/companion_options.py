"""``--with`` and what companions need to be told: objects beside a rendered model server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.errors import InputError

if TYPE_CHECKING:
    from vlm_operator.cli.deployment_file import PlannedDeployment

NAMES: Final = ("pdb", "hpa", "keda", "inferencepool")

COMPANION_OPTIONS: Final[tuple[Callable[..., Any], ...]] = (
    click.option(
        "--with",
        "beside",
        type=click.Choice(NAMES),
        multiple=True,
        help="Print this, too: a PodDisruptionBudget, a HorizontalPodAutoscaler or KEDA's ScaledObject on vLLM's "
        "metrics, an InferencePool with its HTTPRoute. Repeatable.",
    ),
    click.option("--max-replicas", type=click.IntRange(1, 1000), help="Most replicas, for hpa and keda."),
    click.option(
        "--prometheus",
        metavar="URL",
        help="Prometheus that KEDA asks [default: http://prometheus-operated.monitoring.svc:9090].",
    ),
    click.option(
        "--gateway",
        metavar="[NAMESPACE/]NAME",
        help="Gateway of the HTTPRoute [default: inference-gateway].",
    ),
    click.option("--endpoint-picker", metavar="SERVICE", help="Service of the endpoint picker [default: NAME-epp]."),
)


@dataclass(frozen=True, slots=True)
class Beside:
    """What ``--with`` names, and the options it needs."""

    names: tuple[str, ...]
    options: Mapping[str, Any]

    @property
    def scales(self) -> bool:
        """Whether an autoscaler sets the number of replicas."""
        return bool({"hpa", "keda"} & set(self.names))

    def check(self, form: str, forms: tuple[str, ...]) -> None:
        """Refuse what does not go together.

        Raises:
            InputError: companions of a form that has none, ``-o companions`` without any, or two autoscalers.
        """
        if self.names and form not in forms:
            raise InputError(
                f"with: {', '.join(self.names)} is for Kubernetes, and -o {form} is not",
                field="with",
                hint=f"use -o {' or -o '.join(forms)}",
            )
        if form == "companions" and not self.names:
            raise InputError("with: -o companions prints what --with names", field="with", hint="add --with pdb")
        if {"hpa", "keda"} <= set(self.names):
            raise InputError(
                "with: two autoscalers of one server undo each other's work",
                field="with",
                hint="use hpa, or keda, which makes an HPA of its own",
            )

    def objects(self, form: str, planned: PlannedDeployment) -> tuple[dict[str, Any], ...]:
        """The companions of a plan that fits.

        Raises:
            InputError: an autoscaler's figure is missing, or the form has no place for a companion.
        """
        from vlm_operator.rendering.companions import SubjectOptions, companions, subject_of

        if not self.names:
            return ()
        spec = planned.deployment.spec
        if form == "companions" and self.scales and spec.replicas is None:
            raise InputError(
                "spec.replicas: an autoscaler reads the scale of a VLMDeployment, which has none while it is not set",
                field="spec.replicas",
                hint="set spec.replicas: 1",
            )
        plan = planned.plan
        subject = subject_of(
            planned.server().request,
            form,
            concurrency=plan.container.concurrency if plan.container else None,
            max_num_seqs=(plan.evaluation.settings.max_num_seqs if plan.evaluation else None) or 1,
            options=replace(SubjectOptions(), **{key: value for key, value in self.options.items() if value}),
        )
        return companions(self.names, subject)
