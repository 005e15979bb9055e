"""``vlmctl render``: the manifests of a VLMDeployment, the same bytes as the operator applies, and other forms."""

from __future__ import annotations

import click

from vlm_operator.cli.intent_options import options
from vlm_operator.cli.node_options import NODE_OPTIONS
from vlm_operator.cli.plan import EXIT_CODES
from vlm_operator.cli.targets import HOST_TARGETS, check_count, print_target


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("-f", "--filename", metavar="FILE", required=True, help="VLMDeployments, as YAML; - is stdin.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["deployment", *HOST_TARGETS]),
    default="deployment",
    show_default=True,
    help="What to print: manifests for Kubernetes, or what runs the server on one machine.",
)
@click.option("--gpu", metavar="PRODUCT", help="GPU product of the nodes; omitted: spec.gpu.product.")
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
    filename: str,
    output: str,
    gpu: str | None,
    nodes: str | None,
    gpus_per_node: int | None,
    offline: bool,
    observations: str | None,
    facts: str | None,
    pod_template_policy: str,
) -> int:
    """Print the manifests that the operator would apply, but for owner references; or another form of the same server.

    Nothing is printed for a VLMDeployment whose plan does not fit: the reason stands on stderr, the exit code says so.
    """
    from vlm_operator.cli.deployment_file import plan_deployment, read_deployments
    from vlm_operator.rendering import PodTemplatePolicy, check_pod_template, to_yaml

    deployments = list(read_deployments(filename))
    check_count(output, len(deployments), filename)
    worst = 0
    for deployment in deployments:
        check_pod_template(deployment.spec.pod_template, PodTemplatePolicy(pod_template_policy))
        planned = plan_deployment(
            deployment,
            gpu,
            offline=offline,
            observations=observations,
            facts=facts,
            nodes=nodes,
            gpus_per_node=gpus_per_node,
        )
        plan = planned.plan
        name = f"{deployment.metadata.namespace or 'default'}/{deployment.metadata.name}"
        click.echo(f"{name}: {plan.verdict}: {plan.message}", err=True)
        if not plan.fits:
            if plan.hint:
                click.echo(f"{name}: hint: {plan.hint}", err=True)
        elif output == "deployment":
            click.echo(to_yaml(planned.server().objects()), nl=False)
        else:
            print_target(output, planned)
        worst = max(worst, EXIT_CODES[plan.verdict])
    return worst
