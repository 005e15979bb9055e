"""``vlmctl diff``: what changes for the pods between two sets of VLMDeployments: flags, budget, GPUs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.cli import completions
from vlm_operator.cli.intent_options import options
from vlm_operator.cli.node_options import NODE_OPTIONS
from vlm_operator.cli.output import emit, output_option
from vlm_operator.errors import InputError, VlmOperatorError

if TYPE_CHECKING:
    from vlm_operator.cli.manifest_files import Broken, Found
    from vlm_operator.cli.several_plans import Row

CLUSTER: Final = "cluster"

DIFFERENT: Final = 1
"""Exit code where something differs."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "-f",
    "--filename",
    "filenames",
    shell_complete=completions.files,
    metavar="FILE|FOLDER",
    multiple=True,
    required=True,
    help="VLMDeployments; two of them are compared, the first is before.",
)
@click.option(
    "--against",
    metavar="REV|cluster",
    help="Compare every -f with what it was at a git revision, or with what the cluster has.",
)
@click.option("--context", help="Context of the kubeconfig, with --against cluster; omitted: the current one.")
@click.option(
    "--gpu",
    metavar="PRODUCT",
    shell_complete=completions.gpus,
    help="GPU product of the nodes; omitted: spec.gpu.product.",
)
@options(NODE_OPTIONS)
@click.option("--offline", is_flag=True, help="Never ask the Hugging Face Hub.")
@output_option
def command(
    *,
    filenames: tuple[str, ...],
    against: str | None,
    context: str | None,
    gpu: str | None,
    nodes: str | None,
    gpus_per_node: int | None,
    offline: bool,
    output: str,
) -> int:
    """What changes for the pods: both sides are planned, and flags, budget, GPUs and the command compared.

    Exit code 1 where something differs, 2 where a file is wrong, 5 where the cluster does not answer.
    """
    from vlm_operator.cli.deployment_file import PlannedDeployment, plan_deployment
    from vlm_operator.cli.several_plans import rows_of

    def planned(found: Found) -> PlannedDeployment:
        return plan_deployment(found.deployment, gpu, offline=offline, nodes=nodes, gpus_per_node=gpus_per_node)

    with tempfile.TemporaryDirectory(prefix="vlmctl-") as folder:
        before, after = _sides(filenames, against, context, Path(folder))
        old = list(rows_of(before, planned))
        new = list(rows_of(after, planned))
    answer = {"differences": list(_differences(old, new))}
    emit(answer, output, lambda: _print(answer))
    wrong = [row.error for row in (*old, *new) if row.error is not None]
    for error in wrong:
        click.echo(f"error: {error.message}", err=True)
    if wrong:
        return max(error.exit_code for error in wrong)
    return DIFFERENT if answer["differences"] else 0


def _sides(
    filenames: tuple[str, ...], against: str | None, context: str | None, folder: Path
) -> tuple[list[Found | Broken], list[Found | Broken]]:
    """What is before, and what is after.

    Raises:
        InputError: not two files and no ``--against``, or both.
    """
    from vlm_operator.cli.manifest_files import find_deployments

    if against is None:
        if len(filenames) != 2:
            raise InputError(
                f"filename: {len(filenames)} given, and two are compared",
                field="filename",
                hint="give -f BEFORE -f AFTER, or --against REV or cluster",
            )
        return list(find_deployments(filenames[:1])), list(find_deployments(filenames[1:]))
    after = list(find_deployments(filenames))
    if against == CLUSTER:
        return list(_of_cluster(after, context)), after
    from vlm_operator.cli.git_files import at_revision

    copies = at_revision(filenames, against, folder)
    return list(find_deployments(copies)) if copies else [], after


def _of_cluster(after: list[Found | Broken], context: str | None) -> Iterator[Found | Broken]:
    """Those of the cluster that bear the names of the files."""
    from vlm_operator.api.base import parse
    from vlm_operator.api.vlm_deployment import VLMDeployment
    from vlm_operator.cli.cluster import list_objects
    from vlm_operator.cli.manifest_files import Broken, Found

    names = {each.key for each in after if isinstance(each, Found)}
    for item in list_objects("vlm-operator.dev", "v1alpha1", "vlmdeployments", context):
        metadata = item["metadata"]
        if (metadata.get("namespace") or "default", metadata["name"]) not in names:
            continue
        plain = {"namespace": metadata.get("namespace"), "name": metadata["name"]}
        document = {"kind": "VLMDeployment", "metadata": plain, "spec": _with_product(item)}
        try:
            yield Found(CLUSTER, parse(VLMDeployment, document))
        except VlmOperatorError as error:
            yield Broken(CLUSTER, error)


def _with_product(item: dict[str, Any]) -> dict[str, Any]:
    """The spec with the GPU product that the operator chose, where the spec names none."""
    spec = dict(item["spec"])
    chosen = ((item.get("status") or {}).get("plan") or {}).get("gpu") or {}
    if chosen.get("product") and "cpu" not in spec and not (spec.get("gpu") or {}).get("product"):
        spec["gpu"] = {**(spec.get("gpu") or {}), "product": chosen["product"]}
    return spec


_COMPARED: Final = ("verdict", "gpu", "vllmVersion", "flags", "budget", "cup", "container", "environment", "command")


def _differences(before: list[Row], after: list[Row]) -> Iterator[dict[str, Any]]:
    """One entry for each VLMDeployment that differs, by name."""
    old, new = ({row.name: row for row in rows if row.planned is not None} for rows in (before, after))
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was is None or now is None:
            side = now or was
            assert side is not None
            yield {
                "name": name,
                "change": "added" if was is None else "removed",
                "gpus": [_gpus(was), _gpus(now)],
                "message": None if side.planned is None else side.planned.plan.message,
                "fields": [],
            }
            continue
        fields = list(_fields(was.to_json(), now.to_json()))
        if _manifests(was) != _manifests(now) and not any(each["field"].startswith("command") for each in fields):
            fields.append({"field": "manifests", "from": "before", "to": "changed beside the command"})
        if fields:
            yield {
                "name": name,
                "change": "changed",
                "gpus": [_gpus(was), _gpus(now)],
                "message": now.planned.plan.message if now.planned else None,
                "fields": fields,
            }


def _gpus(row: Row | None) -> int:
    """GPUs of all replicas; 0 where it is not there or does not fit."""
    if row is None or row.planned is None or row.planned.plan.gpu is None or not row.planned.plan.fits:
        return 0
    replicas = row.planned.deployment.spec.replicas
    return row.planned.plan.gpu_count * (1 if replicas is None else replicas)


def _manifests(row: Row) -> object:
    assert row.planned is not None
    if not row.planned.plan.fits or row.planned.plan.nodes > 1:
        return None
    return row.planned.server().objects()


def _fields(before: Any, after: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """Every value that differs, by its path."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            if path or key in _COMPARED:
                yield from _fields(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif before != after:
        yield {"field": path, "from": before, "to": after}


def _print(answer: dict[str, Any]) -> None:
    from vlm_operator.units import format_gib

    def shown(field: str, value: Any) -> str:
        if isinstance(value, int) and field.endswith("Bytes"):
            return format_gib(value)
        return " ".join(map(str, value)) if isinstance(value, list) else str(value)

    for each in answer["differences"]:
        was, now = each["gpus"]
        gpus = f", GPUs {was} -> {now}" if was != now else ""
        click.echo(f"{each['name']}: {each['change']}{gpus}")
        if each["message"]:
            click.echo(f"  {each['message']}")
        for field in each["fields"]:
            click.echo(
                f"  {field['field']}: {shown(field['field'], field['from'])} -> {shown(field['field'], field['to'])}"
            )
    if not answer["differences"]:
        click.echo("no difference")
