"""``vlmctl plan``: which flags fit a model on a GPU, with the budget and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from vlm_operator.cli import completions
from vlm_operator.cli.exit_codes import EXIT_CODES
from vlm_operator.cli.intent_options import ENGINE_OPTIONS, WORKLOAD_OPTIONS, intent_of, options
from vlm_operator.cli.node_options import NODE_OPTIONS, on_nodes
from vlm_operator.cli.option_words import all_in_options, in_options
from vlm_operator.cli.output import emit
from vlm_operator.cli.targets import HOST_TARGETS
from vlm_operator.errors import InputError, UnknownFact, VlmOperatorError
from vlm_operator.gpu.facts import Platform
from vlm_operator.units import parse_bytes

if TYPE_CHECKING:
    from vlm_operator.cli.deployment_file import PlannedDeployment
    from vlm_operator.cli.manifest_files import Broken, Found
    from vlm_operator.cli.quantised_variants import Variant
    from vlm_operator.gpu.facts import GPUFacts
    from vlm_operator.planning.evidence import Evidence
    from vlm_operator.planning.intent import Intent
    from vlm_operator.planning.plan import Plan

__all__ = ["EXIT_CODES", "command"]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("model", required=False, shell_complete=completions.models)
@click.option(
    "-f",
    "--filename",
    "filenames",
    metavar="FILE|FOLDER",
    shell_complete=completions.files,
    multiple=True,
    help="VLMDeployments instead of MODEL; several files and folders give one summary; - is stdin.",
)
@click.option(
    "--gpu",
    shell_complete=completions.gpus,
    metavar="PRODUCT",
    help="GPU product, such as NVIDIA-L4, RTX-5090 or H100; local: this machine's.",
)
@click.option(
    "--platform",
    type=click.Choice([str(platform) for platform in Platform]),
    help="Operating system under the driver: under Windows and WSL2 CUDA reports another total [default: linux, or "
    "this machine's with --gpu local].",
)
@click.option("--gpu-memory", metavar="SIZE", help="Instead of --gpu: what CUDA reports as total, such as 31.36GiB.")
@click.option(
    "--gpu-count",
    type=int,
    help="GPUs to use, on all nodes together; omitted: the fewest of one node that fit, or this machine's with --gpu "
    "local, or whole nodes with --nodes.",
)
@click.option("--cpu-kv-cache-space", metavar="SIZE", help="Instead of a GPU: vLLM's CPU backend with that container.")
@options(NODE_OPTIONS, ENGINE_OPTIONS, WORKLOAD_OPTIONS)
@click.option("--hf-overrides", metavar="JSON", help="Fields of config.json to replace, as vLLM's flag of that name.")
@click.option("--revision", help="Revision of the model on the Hugging Face Hub.")
@click.option("--offline", is_flag=True, help="Never ask the Hugging Face Hub.")
@click.option(
    "--compare",
    metavar="VERSION",
    shell_complete=completions.releases,
    help="Upgrade check: what changes with that vLLM release.",
)
@click.option("--observations", metavar="FILE", help="Measured start-ups: output of 'vlmctl observations export'.")
@click.option("--facts", metavar="FILE", help="What vLLM itself said: a file of 'vlmctl dry-run … --save FILE'.")
@click.option("--explain", is_flag=True, help="Say how each figure comes about, and every flag and lever considered.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml", "html", *HOST_TARGETS]),
    default="table",
    show_default=True,
    help="How to print the answer: the plan, or what runs it on one machine.",
)
def command(**values: Any) -> int:
    """Flags of vLLM that fit MODEL on a GPU.

    MODEL is a Hugging Face id, a directory with a config.json, or a config.json. An engine option that is given is
    pinned: it is never changed, and a plan that it makes impossible says so. With --max-model-len and
    --gpu-memory-utilization pinned and no workload, the plan predicts that very start-up.
    """
    several = _several(values)
    if several is not None:
        return _plan_several(several, values)
    try:
        return _run(values)
    except VlmOperatorError as error:
        if not values["filename"]:
            error.message, error.hint = in_options(error.message), error.hint and in_options(error.hint)
        raise


def _several(values: dict[str, Any]) -> list[Found | Broken] | None:
    """The VLMDeployments where there are several; None where there is one or a model, ``filename`` set for it."""
    files = values.pop("filenames")
    values["filename"] = files[0] if files else None
    if not files or files == ("-",):
        return None
    from vlm_operator.cli.manifest_files import Broken, find_deployments

    found = list(find_deployments(files))
    if len(found) > 1:
        return found
    if isinstance(found[0], Broken):
        raise found[0].error
    values["filename"] = found[0].file
    return None


def _plan_several(found: list[Found | Broken], values: dict[str, Any]) -> int:
    """Print the plans of several VLMDeployments with one summary."""
    from vlm_operator.cli.deployment_file import plan_found
    from vlm_operator.cli.several_plans import print_several, rows_of

    if values["compare"] or values["output"] in HOST_TARGETS:
        given = "--compare" if values["compare"] else f"-o {values['output']}"
        raise InputError(
            f"filename: {len(found)} VLMDeployments, and {given} is for one",
            field="filename",
            hint="give one file with one VLMDeployment, or use 'vlmctl render'",
        )
    rows = list(rows_of(found, lambda each: plan_found(each.deployment, values, values["vllm_version"])))
    return print_several(rows, values["output"])


def _run(values: dict[str, Any]) -> int:
    try:
        answered = _answer(values, values["vllm_version"])
    except UnknownFact:
        if not _may_follow_facts(values):
            raise
        return _print_facts_plan(values)
    plan = answered.plan
    if plan.verdict == "Unknown" and _may_follow_facts(values):
        return _print_facts_plan(values)
    if values["compare"]:
        return _compare(plan, values)
    words = str if values["filename"] else in_options
    if values["output"] in HOST_TARGETS:
        return _print_target(answered.deployment(), values["output"], words)
    if values["output"] == "html":
        from vlm_operator.cli.audit_forms import print_plan_page

        print_plan_page(plan, answered.command)
        return EXIT_CODES[plan.verdict]
    from vlm_operator.planning.report import plan_to_json

    variants = _variants(plan)
    answer = {**plan_to_json(plan), "command": list(answered.command)}
    if variants:
        answer["variants"] = [variant.to_json() for variant in variants]
    if not values["filename"]:
        answer = all_in_options(answer)
    emit(answer, values["output"], lambda: _print_table(answered, words, variants, explain=values["explain"]))
    return EXIT_CODES[plan.verdict]


@dataclass(frozen=True, slots=True)
class _Answer:
    """A plan, and what serves it.

    Attributes:
        command: the complete command, as a person would type it.
        deployment: the VLMDeployment with its plan; a function, because few answers need the API's types.
    """

    plan: Plan
    command: tuple[str, ...]
    deployment: Callable[[], PlannedDeployment]


def _may_follow_facts(values: dict[str, Any]) -> bool:
    """Whether a dry run is given for a model that is named, and the answer is printed as a plan."""
    return bool(values["facts"] and values["model"]) and values["output"] not in (*HOST_TARGETS, "html")


def _print_facts_plan(values: dict[str, Any]) -> int:
    from vlm_operator.cli.facts_file import print_facts_plan

    return print_facts_plan(values)


def _compare(plan: Plan, values: dict[str, Any]) -> int:
    """Print what changes with the vLLM release that ``--compare`` names."""
    from vlm_operator.cli.plan_comparison import compared, print_comparison
    from vlm_operator.engine.version import EngineVersion

    if values["output"] in (*HOST_TARGETS, "html"):
        raise InputError(
            f"output: {values['output']} is for one plan, and --compare makes two",
            field="output",
            hint="leave --compare out, or use -o table, json or yaml",
        )
    EngineVersion.parse(values["compare"], field="compare")
    other = _answer(values, values["compare"]).plan
    answer = compared(plan, other)
    emit(answer, values["output"], lambda: print_comparison(answer))
    return max(EXIT_CODES[plan.verdict], EXIT_CODES[other.verdict])


def _variants(plan: Plan) -> tuple[Variant, ...]:
    """Quantised variants that fit where the model does not, planned for the same intent on the same GPU."""
    if plan.verdict != "DoesNotFit" or plan.gpu is None:
        return ()
    from vlm_operator.cli.quantised_variants import variants_that_fit
    from vlm_operator.planning.choose import plan as planned

    gpu = plan.gpu
    return variants_that_fit(plan, lambda model: planned(model, gpu, plan.intent))


def _print_table(
    answered: _Answer, words: Callable[[str], str], variants: tuple[Variant, ...], *, explain: bool
) -> None:
    from vlm_operator.cli.plan_table import print_plan  # rich, only where a person reads

    hints = [variant.sentence for variant in variants]
    print_plan(answered.plan, answered.command, explain=explain, words=words, more_hints=hints)


def _print_target(planned: PlannedDeployment, target: str, words: Callable[[str], str]) -> int:
    """Print what runs the plan; where it does not fit, only why."""
    from vlm_operator.cli.targets import print_target

    plan = planned.plan
    click.echo(f"{plan.verdict}: {words(plan.message)}", err=True)
    if plan.fits:
        print_target(target, planned)
    elif plan.hint:
        click.echo(f"hint: {words(plan.hint)}", err=True)
    return EXIT_CODES[plan.verdict]


def _answer(values: dict[str, Any], version: str | None) -> _Answer:
    """The plan of the command's options for one vLLM release."""
    if values["filename"]:
        from vlm_operator.cli.deployment_file import plan_of_file

        planned = plan_of_file(values, version)
        return _Answer(planned.plan, planned.server().command, lambda: planned)
    if not values["model"]:
        raise InputError("model: none is given", field="model", hint="vlmctl plan MODEL --gpu PRODUCT, or -f FILE")
    from vlm_operator.planning.report import command as serve

    plan = _plan_of_options(values, version)

    def deployment() -> PlannedDeployment:
        from vlm_operator.cli.named_model import planned_model

        return planned_model(values, plan)

    return _Answer(plan, (*serve(plan), *_more_arguments(values)), deployment)


def _more_arguments(values: dict[str, Any]) -> tuple[str, ...]:
    """Arguments that say which model is meant and are no engine setting."""
    named = (("--revision", values["revision"]), ("--hf-overrides", values["hf_overrides"]))
    return tuple(part for flag, value in named if value for part in (flag, value))


def _plan_of_options(values: dict[str, Any], version: str | None) -> Plan:
    from vlm_operator.engine.flag_objects import parse_object
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
    intent = on_nodes(intent, values["nodes"], values["gpus_per_node"])
    overrides = parse_object(values["hf_overrides"], "hf-overrides")
    model = load_model(values["model"], revision=values["revision"], offline=values["offline"], hf_overrides=overrides)
    if intent.cpu_kv_cache_bytes is not None:
        if intent.reserve_bytes:
            raise InputError("reserve: there is no GPU", field="reserve", hint="leave it out, or name a GPU")
        from vlm_operator.planning.cpu import cpu_plan

        return cpu_plan(model, intent)
    gpu, installed = gpu_of(values)
    if installed is not None:
        from vlm_operator.cli.this_machine import on_this_machine

        intent = on_this_machine(intent, gpu, installed)
    if not values["observations"] and not values["facts"]:
        return plan(model, gpu, intent)
    return plan(model, gpu, intent, _evidence(values, gpu, intent, model.hf_overrides))


def _evidence(values: dict[str, Any], gpu: GPUFacts, intent: Intent, overrides: str | None) -> Evidence:
    """What the files of measured start-ups and of a dry run say."""
    from vlm_operator.cli.facts_file import with_facts
    from vlm_operator.planning.evidence import NOTHING

    evidence = NOTHING
    if values["observations"]:
        from vlm_operator.cli.observation_file import evidence_from
        from vlm_operator.gpu.resources import GPU_RESOURCE
        from vlm_operator.lifecycle.observations import ObservationKey

        further = ("--hf-overrides", values["hf_overrides"]) if values["hf_overrides"] else ()
        key = ObservationKey(
            values["model"], values["revision"] or "", gpu.label, GPU_RESOURCE, str(intent.version), further
        )
        evidence = evidence_from(values["observations"], key)
    return with_facts(evidence, values["facts"], values["model"], gpu, intent.version, hf_overrides=overrides)


def gpu_of(values: dict[str, Any]) -> tuple[GPUFacts, int | None]:
    """The GPU that ``--gpu`` or ``--gpu-memory`` names, and how many of it this machine has where it is ``local``."""
    from vlm_operator.cli.this_machine import LOCAL, local_gpu
    from vlm_operator.gpu.catalogue import find_gpu
    from vlm_operator.gpu.facts import custom_gpu
    from vlm_operator.gpu.platform import on_platform

    if values["gpu"] == LOCAL:
        return local_gpu(values["platform"])
    named = (
        find_gpu(values["gpu"]) if values["gpu"] else custom_gpu(parse_bytes(values["gpu_memory"], field="gpu-memory"))
    )
    return on_platform(named, Platform(values["platform"] or Platform.LINUX)), None


def _resources(values: dict[str, Any]) -> dict[str, Any]:
    space = values["cpu_kv_cache_space"]
    return {
        "gpu_count": values["gpu_count"],
        "cpu_kv_cache_bytes": parse_bytes(space, field="cpu-kv-cache-space") if space else None,
    }
