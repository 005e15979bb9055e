"""``vlmctl recommend``: what the traffic of a server needs, from its metrics, as words, a patch or JSON."""

from __future__ import annotations

from typing import Any

import click

from vlm_operator.cli.output import output_option
from vlm_operator.errors import InputError
from vlm_operator.lifecycle.recommendation import NoRecommendation, Recommendation, recommend

UNKNOWN_EXIT_CODE = 4


@click.command("recommend")
@click.argument("name", required=False)
@click.option("-n", "--namespace", help="Namespace of the VLMDeployment; omitted: the context's.")
@click.option("--context", help="Context of the kubeconfig; omitted: the current one.")
@click.option("-f", "--filename", help="File with the VLMDeployment, in the place of a cluster; - for standard input.")
@click.option(
    "--metrics",
    multiple=True,
    help="With -f: what /metrics of its server printed; several, oldest first, tell more than the last one.",
)
@click.option("--gpu", help="With -f: GPU product, in the place of spec.gpu.product.")
@click.option("--offline", is_flag=True, help="Ask nobody for the model's config: catalogue and local cache only.")
@output_option
def command(output: str, **values: Any) -> int:
    """Say what the traffic of a server needs: context, sequences, utilisation, GPUs.

    NAME is a VLMDeployment of the cluster: its servers' /metrics are read through the API server (pods/proxy). -o yaml
    prints the patch of its spec, for 'kubectl patch vlmd NAME --type=merge --patch-file FILE'. Nothing is changed. Exit
    code 4: too few requests were seen, or the model is not known.
    """
    if (values["name"] is None) == (values["filename"] is None):
        raise InputError(
            "name: give the name of a VLMDeployment, or -f FILE with --metrics FILE",
            field="name",
            hint="kubectl get vlmd lists them",
        )
    if values["filename"] is not None:
        from vlm_operator.cli.recommend_files import from_files

        server, seen = from_files(values["filename"], values["metrics"], values["gpu"], offline=values["offline"])
    else:
        from vlm_operator.cli.recommend_cluster import from_cluster  # the Kubernetes client, only where it is needed

        server, seen = from_cluster(values["name"], values["namespace"], values["context"], offline=values["offline"])
    found = recommend(server, seen)
    _print(found, output)
    return UNKNOWN_EXIT_CODE if isinstance(found, NoRecommendation) else 0


def _print(found: Recommendation | NoRecommendation, output: str) -> None:
    from vlm_operator.cli.output import emit

    if isinstance(found, NoRecommendation):
        if output == "json":
            emit({"recommendation": None, "message": found.message, "patch": {}}, output, lambda: None)
        click.echo(f"no recommendation: {found.message}", err=output != "table")
        return
    if output == "yaml":
        emit({"spec": dict(found.patch)} if found.patch else {}, output, lambda: None)
        return
    emit(
        {"recommendation": found.to_json(), "reasons": list(found.reasons), "patch": dict(found.patch)},
        output,
        lambda: _table(found),
    )


def _table(found: Recommendation) -> None:
    for reason in found.reasons:
        click.echo(reason)
    changes = list(_fields("spec", found.patch))
    click.echo("\nspec holds all of this already" if not changes else "\nWhat to change (-o yaml prints the patch)")
    for field, value in changes:
        click.echo(f"  {field}: {value}")


def _fields(path: str, patch: Any) -> list[tuple[str, Any]]:
    if not isinstance(patch, dict):
        return [(path, patch)]
    return [each for name, value in patch.items() for each in _fields(f"{path}.{name}", value)]
