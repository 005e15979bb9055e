"""``vlmctl gpus``: which GPU products are known, with their memory as CUDA and NVML see it."""

from __future__ import annotations

from typing import Any, Final

import click

from vlm_operator.cli import completions
from vlm_operator.cli.columns import Column, print_columns, terminal_width
from vlm_operator.cli.output import emit, output_option
from vlm_operator.errors import InputError
from vlm_operator.gpu.catalogue import aliases_of, all_gpus, find_gpu, origin_of
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.gpu.multiprocessors import multiprocessors
from vlm_operator.units import format_gib


@click.command(name="gpus")
@click.argument("product", required=False, shell_complete=completions.gpus)
@click.option("--cluster", is_flag=True, help="The GPUs of a cluster's nodes: in use, free, who holds the rest.")
@click.option("--context", help="With --cluster: context of the kubeconfig; omitted: the current one.")
@output_option
def command(*, product: str | None, cluster: bool, context: str | None, output: str) -> None:
    """List GPU products, or show the one that PRODUCT means (a label, an alias, a MIG slice); or those of a cluster."""
    if cluster or context is not None:
        if product is not None:
            raise InputError(
                f"product: {product} and a cluster are given", field="product", hint="leave PRODUCT out with --cluster"
            )
        from vlm_operator.cli.cluster_gpus import nodes_with_gpus, print_table, read_objects, to_json

        nodes = nodes_with_gpus(read_objects(context))
        emit(to_json(nodes), output, lambda: print_table(nodes))
        return
    gpus = all_gpus() if product is None else (find_gpu(product),)
    answer = {"gpus": [describe(gpu) for gpu in gpus]}
    emit(answer, output, lambda: _table(gpus, notes=product is not None))


def describe(gpu: GPUFacts) -> dict[str, Any]:
    """One product as JSON: bytes as integers."""
    basis, source = origin_of(gpu)
    return {
        "product": gpu.label,
        "aliases": list(aliases_of(gpu)),
        "vendor": str(gpu.vendor),
        "architecture": gpu.architecture,
        "computeCapability": _capability(gpu) or None,
        "memoryKind": str(gpu.memory_kind),
        "multiprocessors": multiprocessors(gpu.product),
        "totalBytes": gpu.total_bytes,
        "totalUncertaintyBytes": gpu.total_uncertainty_bytes,
        "nvmlTotalBytes": gpu.nvml_total_bytes,
        "freeAtStartBytes": gpu.free_estimate_bytes,
        "freeAtStartMeasured": gpu.free_at_start_bytes is not None,
        "supported": gpu.supported,
        "basis": basis,
        "source": source,
        "migProfiles": [{"profile": each.name, "totalBytes": each.total_bytes} for each in gpu.mig_profiles],
        "notes": list(gpu.notes),
    }


def _capability(gpu: GPUFacts) -> str:
    return ".".join(map(str, gpu.compute_capability)) if gpu.compute_capability else ""


_COLUMNS: Final = (
    Column("PRODUCT"),
    Column("CUDA TOTAL", 0, right=True),
    Column("NVML TOTAL", 3, right=True),
    Column("FREE AT START", 1, right=True),
    Column("CAPABILITY", 2),
    Column("MEMORY", 4),
)


def _table(gpus: tuple[GPUFacts, ...], *, notes: bool) -> None:
    print_columns(_COLUMNS, [_cells(gpu) for gpu in gpus], terminal_width())
    if notes:
        for gpu in gpus:
            basis, source = origin_of(gpu)
            click.echo(f"CUDA total: {basis}{f' ({source})' if source else ''}")
            for each in gpu.mig_profiles:
                click.echo(f"slice {each.name}: {format_gib(each.total_bytes)}")
            for note in gpu.notes:
                click.echo(f"note: {note}", err=True)


def _cells(gpu: GPUFacts) -> tuple[str, ...]:
    nvml = format_gib(gpu.nvml_total_bytes) if gpu.nvml_total_bytes else "-"
    free = ("" if gpu.free_at_start_bytes is not None else "~") + format_gib(gpu.free_estimate_bytes)
    return gpu.label, format_gib(gpu.total_bytes), nvml, free, _capability(gpu) or "-", str(gpu.memory_kind)
