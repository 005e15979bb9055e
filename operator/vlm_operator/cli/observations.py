"""``vlmctl observations``: what a cluster has measured, for pipelines that plan without one."""

from __future__ import annotations

from typing import Any

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def command() -> None:
    """Measured start-ups: export what a cluster has learnt."""


@command.command()
@click.option("--context", help="Context of the kubeconfig; omitted: the current one.")
def export(context: str | None) -> int:
    """Print every StartupObservation of the cluster as YAML, for 'vlmctl plan --observations FILE'.

    The same observations give the same bytes: what the API server adds is left out, and they are sorted by name.
    """
    from vlm_operator.cli.cluster import list_objects
    from vlm_operator.rendering import to_yaml

    items = list_objects("vlm-operator.dev", "v1alpha1", "startupobservations", context)
    click.echo(
        to_yaml(_plain(item) for item in sorted(items, key=lambda item: str(item["metadata"]["name"]))), nl=False
    )
    click.echo(f"{len(items)} observations", err=True)
    return 0


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """As it may be applied to another cluster: with the label by which the operator finds it."""
    metadata = item["metadata"]
    kept = {key: metadata[key] for key in ("name", "labels") if key in metadata}
    return {
        "apiVersion": "vlm-operator.dev/v1alpha1",
        "kind": "StartupObservation",
        "metadata": kept,
        "spec": item["spec"],
    }
