"""``vlmctl render``: the manifests of a VLMDeployment, the same bytes as the operator applies, and other forms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from vlm_operator.cli import completions
from vlm_operator.cli.companion_options import COMPANION_OPTIONS, Beside
from vlm_operator.cli.intent_options import options
from vlm_operator.cli.node_options import AUTO, NODE_OPTIONS
from vlm_operator.cli.roles import DISAGGREGATED, ROLE_OPTIONS, Roles
from vlm_operator.cli.targets import (
    CLUSTER_TARGETS,
    COMPANIONED,
    COMPANIONS,
    HOST_TARGETS,
    SPANNING,
    Extras,
    check_count,
    print_objects,
    print_target,
)
from vlm_operator.errors import VlmOperatorError

if TYPE_CHECKING:
    from vlm_operator.cli.deployment_file import PlannedDeployment
    from vlm_operator.cli.several_plans import Row


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "-f",
    "--filename",
    "filenames",
    shell_complete=completions.files,
    metavar="FILE|FOLDER",
    multiple=True,
    required=True,
    help="VLMDeployments, as YAML: files and folders; - is stdin.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice([*CLUSTER_TARGETS, DISAGGREGATED, COMPANIONS, *HOST_TARGETS]),
    default="deployment",
    show_default=True,
    help="What to print: manifests for Kubernetes, what runs the server on one machine, or (companions) only what "
    "--with names, for a VLMDeployment that the operator runs.",
)
@options(COMPANION_OPTIONS)
@options(ROLE_OPTIONS)
@click.option(
    "--gpu",
    metavar="PRODUCT",
    shell_complete=completions.gpus,
    help="GPU product of the nodes; omitted: spec.gpu.product.",
)
@click.option("--reserve", metavar="SIZE", help="Memory of each GPU that stays free for others.")
@options(NODE_OPTIONS)
@click.option("--offline", is_flag=True, help="Never ask the Hugging Face Hub.")
@click.option("--observations", metavar="FILE", help="Measured start-ups: output of 'vlmctl observations export'.")
@click.option("--facts", metavar="FILE", help="What vLLM itself said: a file of 'vlmctl dry-run … --save FILE'.")
@click.option(
    "--pod-template-policy",
    type=click.Choice(["Restricted", "Unrestricted"]),
    default="Unrestricted",
    show_default=True,
    help="Check spec.podTemplate as an operator with this policy does.",
)
def command(
    *,
    filenames: tuple[str, ...],
    output: str,
    gpu: str | None,
    reserve: str | None,
    nodes: str | None,
    gpus_per_node: int | None,
    offline: bool,
    observations: str | None,
    facts: str | None,
    pod_template_policy: str,
    beside: tuple[str, ...],
    max_replicas: int | None,
    prometheus: str | None,
    gateway: str | None,
    endpoint_picker: str | None,
    split: str,
    roles_by: str,
) -> int:
    """Print the manifests that the operator would apply, but for owner references; or another form of the same server.

    Nothing is printed for a VLMDeployment whose plan does not fit: the reason stands on stderr, the exit code says so.
    """
    from vlm_operator.cli.deployment_file import plan_deployment
    from vlm_operator.cli.manifest_files import Broken, Found, find_deployments
    from vlm_operator.cli.several_plans import in_words, rows_of
    from vlm_operator.rendering import PodTemplatePolicy, check_spec

    found = list(find_deployments(filenames))
    if len(found) == 1 and isinstance(found[0], Broken):
        raise found[0].error
    check_count(output, len(found), ", ".join(filenames))
    told = {"max_replicas": max_replicas, "prometheus": prometheus, "gateway": gateway, "picker": endpoint_picker}
    companions = Beside(beside, told)
    companions.check(output, COMPANIONED)

    def planned(each: Found) -> PlannedDeployment:
        spec = each.deployment.spec
        check_spec(spec, PodTemplatePolicy(pod_template_policy))
        spans = output in SPANNING and (spec.topology is None or spec.topology.nodes is None)
        return plan_deployment(
            each.deployment,
            gpu,
            offline=offline,
            observations=observations,
            facts=facts,
            nodes=nodes or (AUTO if spans else None),
            gpus_per_node=gpus_per_node,
            options={"reserve": reserve},
        )

    extras = Extras(companions, Roles(split, roles_by))
    rows = [_printed(row, output, extras, alone=len(found) == 1) for row in rows_of(found, planned)]
    if len(rows) > 1:
        click.echo(in_words(rows), err=True)
    return max(row.exit_code for row in rows)


def _printed(row: Row, output: str, extras: Extras, *, alone: bool) -> Row:
    """Print one server, and its verdict on stderr; what cannot be rendered is the row's error.

    Raises:
        VlmOperatorError: it is the only one.
    """
    try:
        if row.planned is None:
            assert row.error is not None
            raise row.error
        planned = row.planned
        if output == DISAGGREGATED:
            planned = extras.language_role(planned)
            row = replace(row, planned=planned)
        plan = planned.plan
        click.echo(f"{row.name}: {plan.verdict}: {plan.message}", err=True)
        if not plan.fits:
            from vlm_operator.planning.mig_profiles import slice_words
            from vlm_operator.planning.more_nodes import nodes_that_hold

            for hint in filter(None, (plan.hint, nodes_that_hold(plan), slice_words(plan))):
                click.echo(f"{row.name}: hint: {hint}", err=True)
        elif output in HOST_TARGETS:
            print_target(output, planned)
        else:
            print_objects(output, planned, extras)
    except VlmOperatorError as error:
        if alone:
            raise
        click.echo(f"{row.name or row.file}: error: {error.message}", err=True)
        return replace(row, planned=None, error=error)
    return row
