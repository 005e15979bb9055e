"""``vlmctl plan``: which flags fit a model on a GPU, with the budget and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.cli.intent_options import ENGINE_OPTIONS, WORKLOAD_OPTIONS, intent_of, options
from vlm_operator.cli.output import emit, output_option
from vlm_operator.errors import InputError
from vlm_operator.planning.intent import GPUS_PER_NODE
from vlm_operator.units import parse_bytes

if TYPE_CHECKING:
    from vlm_operator.gpu.facts import GPUFacts

EXIT_CODES: Final = {"Fits": 0, "FitsTight": 0, "DoesNotFit": 3, "Unsupported": 3, "Unknown": 4}


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("model", required=False)
@click.option("-f", "--filename", metavar="FILE", help="A VLMDeployment instead of MODEL and options; - is stdin.")
@click.option(
    "--gpu",
    metavar="PRODUCT",
    help="GPU product, such as NVIDIA-L4, RTX-5090 or H100; local: this machine's.",
)
@click.option("--gpu-memory", metavar="SIZE", help="Instead of --gpu: what CUDA reports as total, such as 31.36GiB.")
@click.option(
    "--gpu-count",
    type=int,
    help=f"GPUs to use; omitted: the fewest that fit, up to {GPUS_PER_NODE}, or this machine's with --gpu local.",
)
@click.option("--cpu-kv-cache-space", metavar="SIZE", help="Instead of a GPU: vLLM's CPU backend with that container.")
@options(ENGINE_OPTIONS, WORKLOAD_OPTIONS)
@click.option("--hf-overrides", metavar="JSON", help="Fields of config.json to replace, as vLLM's flag of that name.")
@click.option("--revision", help="Revision of the model on the Hugging Face Hub.")
@click.option("--offline", is_flag=True, help="Never ask the Hugging Face Hub.")
@click.option("--compare", metavar="VERSION", help="Upgrade check: what changes with that vLLM release.")
@click.option("--observations", metavar="FILE", help="Measured start-ups: output of 'vlmctl observations export'.")
@output_option
def command(**values: Any) -> int:
    """Flags of vLLM that fit MODEL on a GPU.

    MODEL is a Hugging Face id, a directory with a config.json, or a config.json. An engine option that is given is
    pinned: it is never changed, and a plan that it makes impossible says so. With --max-model-len and
    --gpu-memory-utilization pinned and no workload, the plan predicts that very start-up.
    """
    from vlm_operator.planning.report import plan_to_json

    plan = _compute(values, values["vllm_version"])
    if values["compare"]:
        from vlm_operator.cli.plan_comparison import compared, print_comparison

        other = _compute(values, values["compare"])
        answer = compared(plan, other)
        emit(answer, values["output"], lambda: print_comparison(answer))
        return max(EXIT_CODES[plan.verdict], EXIT_CODES[other.verdict])
    emit(plan_to_json(plan), values["output"], lambda: _print_table(plan))
    return EXIT_CODES[plan.verdict]


def _print_table(plan: Any) -> None:
    from vlm_operator.cli.plan_table import print_plan  # rich, only where a person reads

    print_plan(plan)


def _compute(values: dict[str, Any], version: str | None) -> Any:
    """The plan of the command's options for one vLLM release."""
    if values["filename"]:
        from vlm_operator.cli.deployment_file import plan_of_file

        return plan_of_file(values, version)
    if not values["model"]:
        raise InputError("model: none is given", field="model", hint="vlmctl plan MODEL --gpu PRODUCT, or -f FILE")
    from vlm_operator.cli.intent_options import parse_object
    from vlm_operator.planning.choose import plan
    from vlm_operator.sources import load_model

    given = [name for name in ("gpu", "gpu_memory", "cpu_kv_cache_space") if values[name]]
    if len(given) != 1:
        raise InputError(
            f"gpu: {'none' if not given else 'more than one'} of --gpu, --gpu-memory and --cpu-kv-cache-space is given",
            field="gpu",
            hint="give one of them; 'vlmctl gpus' lists the products",
        )
    intent = intent_of({**values, "vllm_version": version}, **_resources(values))
    overrides = parse_object(values["hf_overrides"], "hf-overrides")
    model = load_model(values["model"], revision=values["revision"], offline=values["offline"], hf_overrides=overrides)
    if intent.cpu_kv_cache_bytes is not None:
        from vlm_operator.planning.cpu import cpu_plan

        return cpu_plan(model, intent)
    gpu, installed = gpu_of(values)
    if installed is not None:
        from vlm_operator.cli.this_machine import on_this_machine

        intent = on_this_machine(intent, gpu, installed)
    if not values["observations"]:
        return plan(model, gpu, intent)
    from vlm_operator.cli.observation_file import evidence_from
    from vlm_operator.gpu.node_labels import GPU_RESOURCE
    from vlm_operator.lifecycle.observations import ObservationKey

    key = ObservationKey(values["model"], values["revision"] or "", gpu.label, GPU_RESOURCE, str(intent.version))
    return plan(model, gpu, intent, evidence_from(values["observations"], key))


def gpu_of(values: dict[str, Any]) -> tuple[GPUFacts, int | None]:
    """The GPU that ``--gpu`` or ``--gpu-memory`` names, and how many of it this machine has where it is ``local``."""
    from vlm_operator.cli.this_machine import LOCAL, local_gpu
    from vlm_operator.gpu.catalogue import find_gpu
    from vlm_operator.gpu.facts import custom_gpu

    if values["gpu"] == LOCAL:
        return local_gpu()
    if values["gpu"]:
        return find_gpu(values["gpu"]), None
    return custom_gpu(parse_bytes(values["gpu_memory"], field="gpu-memory")), None


def _resources(values: dict[str, Any]) -> dict[str, Any]:
    space = values["cpu_kv_cache_space"]
    return {
        "gpu_count": values["gpu_count"],
        "cpu_kv_cache_bytes": parse_bytes(space, field="cpu-kv-cache-space") if space else None,
    }
