"""The forms for one machine that ``-o`` names: what runs a plan without Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.cli.roles import DISAGGREGATED, language_role, role_objects
from vlm_operator.errors import InputError

if TYPE_CHECKING:
    from vlm_operator.cli.companion_options import Beside
    from vlm_operator.cli.deployment_file import PlannedDeployment
    from vlm_operator.cli.roles import Roles
    from vlm_operator.planning.intent import Intent

HOST_TARGETS: Final = ("command", "docker", "compose", "quadlet")

CLUSTER_TARGETS: Final = ("deployment", "leaderworkerset", "kserve")
"""Forms for Kubernetes; the first is what the operator applies."""

COMPANIONS: Final = "companions"
"""Only what ``--with`` names, beside a VLMDeployment that the operator runs."""

COMPANIONED: Final = (*CLUSTER_TARGETS, COMPANIONS)
"""Forms that ``--with`` adds to."""

SPANNING: Final = frozenset({"leaderworkerset", "kserve"})
"""Forms of which one server may stand on several nodes without the file saying so."""

ONE_A_FILE: Final = frozenset({"compose", "quadlet"})
"""Forms of which a file holds one server."""


def print_target(target: str, planned: PlannedDeployment) -> None:
    """Print that form of a plan that fits; what the form has no place for is named on stderr."""
    from vlm_operator.rendering import command_line, compose, docker, quadlet

    spec = planned.deployment.spec
    ignored = [
        field
        for field, is_set in (("spec.podTemplate", spec.pod_template), ("spec.replicas", (spec.replicas or 1) != 1))
        if is_set
    ]
    if ignored:
        click.echo(f"not part of this form: {', '.join(ignored)}", err=True)
    forms = {"command": command_line, "docker": docker, "compose": compose, "quadlet": quadlet}
    click.echo(forms[target](planned.server().request), nl=False)


@dataclass(slots=True)
class Extras:
    """What options add to a form.

    Attributes:
        whole: the intent of the model whose roles stand apart; known once ``language_role`` was asked.
    """

    beside: Beside
    roles: Roles
    whole: Intent | None = None

    def language_role(self, planned: PlannedDeployment) -> PlannedDeployment:
        """The plan of the language roles."""
        role, self.whole = language_role(planned)
        return role


def print_objects(target: str, planned: PlannedDeployment, extras: Extras) -> None:
    """Print the manifests of a plan that fits, and its companions.

    Where an autoscaler sets the number of replicas, the server's manifest does not: applying it again would undo that.
    """
    from vlm_operator.rendering import leader_worker_set, llm_inference_service, render, to_yaml

    added = extras.beside.objects(target, planned)
    request = planned.server().request
    if extras.beside.scales:
        request = replace(request, replicas=None)
    objects: tuple[Mapping[str, Any], ...]
    if target == "leaderworkerset":
        objects = leader_worker_set(request)
    elif target == "kserve":
        objects = llm_inference_service(request, planned.plan.settings)
    elif target == DISAGGREGATED:
        assert extras.whole is not None
        objects = role_objects(planned, extras.whole, extras.roles)
    elif target == COMPANIONS:
        objects = ()
    else:
        objects = render(request)
    objects = (*objects, *added)
    click.echo(("---\n" if _printed(click.get_current_context()) else "") + to_yaml(objects), nl=False)


def _printed(context: click.Context) -> bool:
    """Whether documents were printed before: a stream needs a line between them."""
    before = bool(context.meta.get(_PRINTED))
    context.meta[_PRINTED] = True
    return before


_PRINTED: Final = "vlmctl.printed"


def check_count(target: str, count: int, filename: str) -> None:
    """Refuse several VLMDeployments where the form holds one.

    Raises:
        InputError: more than one.
    """
    if count > 1 and target in ONE_A_FILE:
        raise InputError(
            f"output: {filename} holds {count} VLMDeployments, and a {target} file holds one server",
            field="output",
            hint="split the file, or use -o docker",
        )
