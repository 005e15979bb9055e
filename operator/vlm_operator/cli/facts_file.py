"""``--facts FILE``: what a dry run found, for plans of a model that is known, and of one that is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from vlm_operator.cli.output import emit
from vlm_operator.cli.yaml_file import read_documents
from vlm_operator.engine.flag_objects import parse_object
from vlm_operator.engine.flags import shown_flags
from vlm_operator.engine.hf_overrides import as_text
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine_facts.document import EngineFacts, from_document
from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.engine_evidence import evidence_of, require_about
from vlm_operator.planning.evidence import Evidence
from vlm_operator.planning.facts_plan import FactsPlan, facts_plan
from vlm_operator.units import format_gib


def read_facts(path: str) -> EngineFacts:
    """The one EngineFacts document of a file.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    found = [from_document(document) for document in read_documents(path, "facts") if document is not None]
    if len(found) != 1:
        raise InputError(f"facts: {path} holds {len(found)} documents, and one is read", field="facts")
    return found[0]


def with_facts(
    evidence: Evidence,
    path: str | None,
    model: str,
    gpu: GPUFacts,
    version: EngineVersion,
    *,
    hf_overrides: str | None,
) -> Evidence:
    """The evidence, and what the file says about plans for that model on that GPU with that release.

    Args:
        hf_overrides: with which the model is served, as canonical JSON.

    Raises:
        InputError: the file is about another.
    """
    if path is None:
        return evidence
    facts = read_facts(path)
    require_about(facts, model, gpu, version, hf_overrides)
    found = evidence_of(facts)
    return replace(evidence, simulated=found.simulated, sources=(*evidence.sources, *found.sources))


def print_facts_plan(values: dict[str, Any]) -> int:
    """Print the plan of the facts' own flags, for a model that our own code does not know; return the exit code.

    Raises:
        InputError: the facts are about another model, GPU or release.
        UnknownFact: the GPU is not known, or the dry run did not end.
    """
    from vlm_operator.cli.plan import EXIT_CODES, gpu_of

    facts = read_facts(values["facts"])
    version = EngineVersion.parse(values["vllm_version"] or facts.vllm_version)
    gpu = gpu_of(values)[0]
    overrides = as_text(parse_object(values["hf_overrides"], "hf-overrides"))
    require_about(facts, values["model"], gpu, version, overrides)
    plan = facts_plan(facts, gpu, version)
    answer = to_json(facts, plan, gpu)
    emit(answer, values["output"], lambda: _print(answer))
    return EXIT_CODES[plan.verdict]


def to_json(facts: EngineFacts, plan: FactsPlan, gpu: GPUFacts) -> dict[str, Any]:
    """The plan in the fields of ``vlmctl plan -o json`` that vLLM's own answer has."""
    return {
        "model": {"id": facts.model, "architecture": facts.report.architecture, "source": "dry run"},
        "gpu": {
            "product": gpu.label,
            "count": facts.settings.tensor_parallel_size,
            "totalBytes": gpu.total_bytes,
        },
        "vllmVersion": facts.vllm_version,
        "verdict": str(plan.verdict),
        "reason": str(plan.reason),
        "message": plan.message,
        "hint": _hint(plan),
        "flags": shown_flags(facts.settings),
        "budget": {
            "totalBytes": gpu.total_bytes,
            "requestedBytes": plan.requested_bytes,
            "weightsBytes": plan.weights_bytes,
            "activationPeakBytes": plan.activation_peak_bytes,
            "nonTorchBytes": plan.non_torch_bytes,
            "cudaGraphBytes": plan.cuda_graph_bytes,
            "kvCacheBytes": plan.kv_cache_bytes,
            "kvCacheLowBytes": plan.kv_cache_low_bytes,
            "kvCacheHighBytes": plan.kv_cache_high_bytes,
        },
        "cup": {"maxModelLen": plan.max_model_len, "neededBytes": plan.needed_bytes},
        "container": {
            "numBlocks": max(plan.kv_cache_bytes, 0) // plan.bytes_per_block if plan.bytes_per_block else 0,
            "maxModelLen": plan.longest_context,
        },
    }


def _hint(plan: FactsPlan) -> str | None:
    if plan.needed_bytes <= plan.kv_cache_bytes:
        return None
    if plan.longest_context:
        return f"--max-model-len {plan.longest_context} is the longest of the lengths asked that fits"
    return "use a GPU with more memory, or more GPUs with --tensor-parallel-size, and run vlmctl dry-run again"


def _print(answer: dict[str, Any]) -> None:
    click.echo(f"{answer['model']['id']} on {answer['gpu']['product']}, vLLM {answer['vllmVersion']}, by its dry run")
    click.echo(f"{answer['verdict']}: {answer['message']}")
    if answer["hint"]:
        click.echo(f"hint: {answer['hint']}")
    for name, size in answer["budget"].items():
        click.echo(f"  {name:<22}{format_gib(size)}")
