"""``vlmctl share``: several models on one GPU, with the sum of what they take and the order to start them in."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any

import click

from vlm_operator.cli import completions
from vlm_operator.cli.output import emit, output_option
from vlm_operator.gpu.facts import Platform
from vlm_operator.units import MIB, format_gib, parse_bytes

if TYPE_CHECKING:
    from vlm_operator.planning.share import Part, Share, Sharer


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "-f",
    "--filename",
    "filenames",
    metavar="FILE",
    shell_complete=completions.files,
    multiple=True,
    required=True,
    help="VLMDeployments; repeatable.",
)
@click.option(
    "--gpu",
    metavar="PRODUCT",
    shell_complete=completions.gpus,
    help="GPU product that they share; local: this machine's.",
)
@click.option("--gpu-memory", metavar="SIZE", help="Instead of --gpu: what CUDA reports as total, such as 31.36GiB.")
@click.option(
    "--platform", type=click.Choice([str(platform) for platform in Platform]), help="Operating system under the driver."
)
@click.option(
    "--reserve", metavar="SIZE", help="Memory that stays free for a desktop or another process, such as 4GiB."
)
@click.option("--offline", is_flag=True, help="Never ask the Hugging Face Hub.")
@output_option
def command(
    *,
    filenames: tuple[str, ...],
    gpu: str | None,
    gpu_memory: str | None,
    platform: str | None,
    reserve: str | None,
    offline: bool,
    output: str,
) -> int:
    """Plan several models onto one GPU.

    Each gets the --gpu-memory-utilization of its own need. vLLM measures free memory when it starts, so start them one
    after the other in the order printed, each when the one before serves.
    """
    from vlm_operator.cli.plan import gpu_of
    from vlm_operator.errors import InputError
    from vlm_operator.planning.share import share

    if bool(gpu) == bool(gpu_memory):
        raise InputError(
            "gpu: give one of --gpu and --gpu-memory", field="gpu", hint="'vlmctl gpus' lists the products"
        )
    card, _ = gpu_of({"gpu": gpu, "gpu_memory": gpu_memory, "platform": platform})
    kept = parse_bytes(reserve, field="reserve") if reserve else 0
    sharers = [sharer for filename in filenames for sharer in _sharers(filename, offline=offline)]
    found = share(card, sharers, max([kept, *(sharer.intent.reserve_bytes for sharer in sharers)]))
    emit(describe(found), output, lambda: _print(found))
    return 0 if found.fits else 4 if any(part.plan.verdict == "Unknown" for part in found.parts) else 3


def _sharers(filename: str, *, offline: bool) -> list[Sharer]:
    """The VLMDeployments of a file as they are to share a GPU."""
    from vlm_operator.api.intent import engine_version, intent_of
    from vlm_operator.cli.deployment_file import read_deployments
    from vlm_operator.cli.model_config import model_of
    from vlm_operator.errors import InputError
    from vlm_operator.planning.share import Sharer

    found = []
    for deployment in read_deployments(filename):
        spec = deployment.spec
        if spec.cpu is not None:
            raise InputError(
                f"cpu: {deployment.metadata.name} runs on the CPU backend",
                field="cpu",
                hint="leave it out: it takes nothing of the GPU",
            )
        intent = intent_of(spec, engine_version(spec))
        model = model_of(spec, offline=offline)
        found.append(Sharer(deployment.metadata.name, model, intent))
    return found


def describe(found: Share) -> dict[str, Any]:
    """The share as JSON: bytes as integers, servers in the order of their start."""
    return {
        "gpu": {"product": found.gpu.label, "totalBytes": found.gpu.total_bytes},
        "verdict": "Fits" if found.fits else "DoesNotFit",
        "message": found.message,
        "hint": found.hint,
        "keptBytes": found.kept_bytes,
        "availableBytes": found.available_bytes,
        "sumBytes": found.sum_bytes,
        "servers": [_server(part) for part in found.parts],
    }


def _server(part: Part) -> dict[str, Any]:
    from vlm_operator.planning.report import command as serve

    plan = part.plan
    return {
        "name": part.name,
        "model": plan.model.model,
        "verdict": str(plan.verdict),
        "message": plan.message,
        "gpuMemoryUtilization": plan.settings.gpu_memory_utilization,
        "maxModelLen": plan.settings.max_model_len,
        "requestedBytes": part.requested_bytes,
        "contextBytes": part.context_bytes,
        "cudaGraphBytes": part.graph_bytes,
        "takesBytes": part.takes_bytes,
        "leftAtStartBytes": part.left_bytes,
        "kvFloorBytes": part.kv_floor_bytes,
        "aibrix": {"perGPU": _aibrix(part)} if plan.fits else None,
        "command": list(serve(plan)) if plan.fits else [],
    }


def _aibrix(part: Part) -> dict[str, str]:
    """``perGPU`` of AIBrix's ModelClaim: the most that the server takes, and the least KV cache it starts with."""
    return {
        "maximumFootprint": f"{math.ceil(part.takes_bytes / MIB)}Mi",
        "kvFloor": f"{math.ceil(part.kv_floor_bytes / MIB)}Mi",
    }


def _print(found: Share) -> None:
    from vlm_operator.planning.report import command as serve

    click.echo(f"{'Fits' if found.fits else 'DoesNotFit'}: {found.message}")
    if found.hint:
        click.echo(f"hint: {found.hint}")
    width = max(len(part.name) for part in found.parts)
    click.echo(
        f"\n{'START':5}  {'SERVER':{width}}  {'UTILISATION':>11}  {'REQUESTED':>10}  {'OUTSIDE':>9}  {'CONTEXT':>8}"
    )
    for number, part in enumerate(found.parts, 1):
        settings, outside = part.plan.settings, part.context_bytes + part.graph_bytes
        share = settings.gpu_memory_utilization if part.plan.fits else None
        click.echo(
            f"{number:<5}  {part.name:{width}}  {share if share is not None else '-':>11}  "
            f"{format_gib(part.requested_bytes):>10}  {format_gib(outside):>9}  "
            f"{settings.max_model_len if part.plan.fits else '-':>8}"
        )
    if found.fits:
        click.echo("\nStart each when the one before serves:\n")
        for part in found.parts:
            click.echo(" ".join(map(shlex.quote, serve(part.plan))))
        click.echo("\nFor AIBrix's ModelClaim (perGPU):\n")
        for part in found.parts:
            figures = _aibrix(part)
            click.echo(f"{part.name}: {', '.join(f'{name}: {size}' for name, size in figures.items())}")
