"""``vlmctl dry-run``: what vLLM itself says of a model, flags and a GPU, beside the plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.cli import completions
from vlm_operator.cli.intent_options import ENGINE_OPTIONS, options, workload_options
from vlm_operator.cli.output import emit, output_option
from vlm_operator.engine_facts.outcome import Ending
from vlm_operator.errors import InputError

if TYPE_CHECKING:
    from vlm_operator.cli.dry_run_subject import Subject

EXIT_CODES: Final = {Ending.RAN: 0, Ending.REFUSED: 3, Ending.CANNOT_TELL: 4, Ending.NO_MODEL: 2}


@click.command("dry-run", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("model", required=False, shell_complete=completions.models)
@click.option(
    "-f",
    "--filename",
    metavar="FILE",
    shell_complete=completions.files,
    help="A VLMDeployment instead of MODEL and options; - is stdin.",
)
@click.option(
    "--gpu",
    metavar="PRODUCT",
    shell_complete=completions.gpus,
    help="GPU product to simulate, such as NVIDIA-L4, RTX-5090 or H100.",
)
@click.option("--gpu-count", type=int, help="GPUs to use; omitted: as many as the plan chooses.")
@click.option("--python", metavar="PATH", help="A Python that has vLLM.  [default: vlmctl's own]")
@click.option("--image", metavar="IMAGE", help="A vLLM image, run with docker or podman, without a GPU or network.")
@click.option("--save", metavar="FILE", help="Write what vLLM said as an EngineFacts document.")
@options(ENGINE_OPTIONS, workload_options(singular=False))
@click.option("--hf-overrides", metavar="JSON", help="Fields of config.json to replace, as vLLM's flag of that name.")
@click.option("--revision", help="Revision of the model on the Hugging Face Hub.")
@click.option("--offline", is_flag=True, help="Never ask the Hugging Face Hub.")
@output_option
def command(**values: Any) -> int:
    """Let vLLM load and profile MODEL for a GPU that is not there, and compare it with the plan.

    vLLM's own configuration, model classes, KV cache planning and profiling run on the CPU with a simulated CUDA
    device; no weights are read. The flags are those of the plan, or those given where no plan can be made.

    Exit codes: 0 it ran, 3 vLLM refused, 4 the simulation cannot tell, 2 bad input.
    """
    from vlm_operator.cli.dry_run_comparison import answer_of, print_answer
    from vlm_operator.cli.dry_run_program import environment_of
    from vlm_operator.cli.dry_run_subject import subject_of
    from vlm_operator.engine_facts import outcome, read_report, request_document

    environment = environment_of(values["python"], values["image"])
    version = environment.vllm_version()
    if values["vllm_version"] and values["vllm_version"] != version:
        raise InputError(
            f"vllm-version: {values['vllm_version']} is asked for, {environment.name} has {version}",
            field="vllm-version",
            hint="leave --vllm-version out, or name another Python or image",
        )
    subject = subject_of(values, version)
    request = request_document(
        str(subject.folder),
        subject.gpu,
        subject.settings,
        contexts=subject.contexts,
        items=subject.items,
        hf_overrides=subject.hf_overrides,
    )
    report = read_report(environment.run(request))
    ended = outcome(report)
    answer = answer_of(subject, report, ended)
    if values["save"]:
        _save(values["save"], subject, report, ended.ending)
    emit(answer, values["output"], lambda: print_answer(answer))
    return EXIT_CODES[ended.ending]


def _save(path: str, subject: Subject, report: Any, ending: Ending) -> None:
    """Write the EngineFacts document.

    Raises:
        InputError: the file cannot be written.
    """
    from vlm_operator.api.engine_facts import to_yaml
    from vlm_operator.engine.hf_overrides import as_text
    from vlm_operator.engine_facts.document import facts_of

    if ending is not Ending.RAN:
        click.echo(f"nothing is saved: the dry run ended as {ending}", err=True)
        return
    overrides = as_text(subject.hf_overrides)
    facts = facts_of(
        subject.model, subject.revision, subject.gpu, subject.settings, report, hf_overrides=overrides
    )  # fmt: skip
    text = to_yaml(facts)
    if path == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"save: {path} cannot be written: {error.strerror}", field="save") from error
