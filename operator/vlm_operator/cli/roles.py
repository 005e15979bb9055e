"""``-o disaggregated``: a VLMDeployment whose encoder, prefill and decode stand apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.errors import InputError

if TYPE_CHECKING:
    from vlm_operator.cli.deployment_file import PlannedDeployment
    from vlm_operator.planning.disaggregation import Disaggregation, Role
    from vlm_operator.planning.intent import Intent
    from vlm_operator.rendering import RolePod

DISAGGREGATED: Final = "disaggregated"

E_PD: Final = "e-pd"
E_P_D: Final = "e-p-d"

ROLE_OPTIONS: Final[tuple[Callable[..., Any], ...]] = (
    click.option(
        "--split",
        type=click.Choice([E_PD, E_P_D]),
        default=E_PD,
        show_default=True,
        help="Roles of -o disaggregated: encode apart from prefill and decode, or each apart.",
    ),
    click.option(
        "--roles-by",
        type=click.Choice(["disaggregatedset", "kserve"]),
        default="disaggregatedset",
        show_default=True,
        help="What runs the roles of -o disaggregated.",
    ),
)


@dataclass(frozen=True, slots=True)
class Roles:
    """How roles are divided, and what runs them."""

    split: str
    by: str


def language_role(planned: PlannedDeployment) -> tuple[PlannedDeployment, Intent]:
    """The plan of a language role in place of the whole model's, and the intent of the whole.

    Raises:
        InputError, UnknownFact: see ``planning.disaggregation.language_intent``.
    """
    from vlm_operator.planning.choose import plan
    from vlm_operator.planning.disaggregation import language_intent

    whole = planned.plan
    if whole.gpu is None:
        raise InputError("cpu: roles apart hand over GPU memory", field="cpu", hint="set spec.gpu")
    intent = language_intent(whole.model, whole.intent)
    return replace(planned, plan=plan(whole.model, whole.gpu, intent)), whole.intent


def role_objects(planned: PlannedDeployment, whole: Intent, roles: Roles) -> tuple[dict[str, Any], ...]:
    """The objects of all roles; each figure and where it comes from is said on stderr.

    Raises:
        InputError, UnknownFact: see ``planning.disaggregation.disaggregation``.
    """
    from vlm_operator.planning.disaggregation import disaggregation
    from vlm_operator.rendering import disaggregated_set, inference_service_of_roles

    pods = _pods(planned, disaggregation(whole, planned.plan), roles.split)
    for pod in pods:
        for name, text in pod.figures.items():
            click.echo(f"{pod.role}: {name} {text}", err=True)
    if roles.by == "kserve":
        return inference_service_of_roles(pods, planned.plan.settings)
    return disaggregated_set(pods)


def _pods(planned: PlannedDeployment, divided: Disaggregation, split: str) -> tuple[RolePod, ...]:
    from vlm_operator.engine.encoder_transfer import (
        ENCODER_HOST_VARIABLE,
        KV_HOST_VARIABLE,
        encoder_transfer,
        kv_transfer,
    )

    produced = encoder_transfer("ec_producer", divided.encoder.region_bytes)
    received = encoder_transfer("ec_consumer", divided.receiver.region_bytes)
    encode = _pod(planned, "encode", divided.encoder, produced, (ENCODER_HOST_VARIABLE,))
    if split == E_PD:
        return encode, _pod(planned, "decode", divided.receiver, received, ())
    return (
        encode,
        _pod(planned, "prefill", divided.receiver, (*received, *kv_transfer()), (KV_HOST_VARIABLE,)),
        _pod(planned, "decode", divided.decode, kv_transfer(), (KV_HOST_VARIABLE,)),
    )


def _pod(
    planned: PlannedDeployment, name: str, role: Role, transfer: tuple[str, ...], addresses: tuple[str, ...]
) -> RolePod:
    from vlm_operator.engine.encoder_transfer import RUNNER_ENVIRONMENT
    from vlm_operator.engine.flags import to_arguments
    from vlm_operator.lifecycle.fingerprint import fingerprint
    from vlm_operator.rendering import RolePod, server_arguments, server_resources

    spec, request = planned.deployment.spec, planned.server().request
    assert planned.offer is not None
    more = ("--mm-processor-cache-gb", f"{role.processor_cache_gib:g}", *transfer)
    args = server_arguments(spec, (*to_arguments(role.settings), *more))
    env = {**request.env, **RUNNER_ENVIRONMENT}
    resources = server_resources(spec, role.gpus)
    request = replace(
        request,
        args=args,
        env=env,
        resources=resources,
        host_memory_bytes=role.host_memory_bytes,
        fingerprint=fingerprint(request.image, args, resources, planned.offer.gpu.label, env),
    )
    figures = {each.name: f"{each.value}: {each.why}" for each in role.figures}
    return RolePod(name, request, role.shared_memory_bytes, addresses, figures)
