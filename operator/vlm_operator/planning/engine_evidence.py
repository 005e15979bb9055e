"""What a dry run found, as evidence for plans of the same model, GPU product and release."""

from __future__ import annotations

from vlm_operator.capacity.startup.coefficients import SMALL_BUFFERS_BYTES
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine_facts.document import EngineFacts
from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.evidence import Evidence, SimulatedStart


def require_about(
    facts: EngineFacts, model: str, gpu: GPUFacts, version: EngineVersion, hf_overrides: str | None = None
) -> None:
    """Returns where the facts are about that model, GPU product and release.

    Args:
        hf_overrides: the model's, as canonical JSON.

    Raises:
        InputError: they are about another; both are named.
    """
    pairs = (
        ("model", facts.model, model),
        ("GPU", facts.gpu_product, gpu.label),
        ("vLLM release", facts.vllm_version, str(version)),
        ("model with --hf-overrides", facts.hf_overrides or "{}", hf_overrides or "{}"),
    )
    for name, theirs, ours in pairs:
        if theirs != ours:
            raise InputError(
                f"facts: they are about the {name} {theirs}, the plan is for {ours}",
                field="facts",
                hint="run vlmctl dry-run for this plan, or leave --facts out",
            )


def evidence_of(facts: EngineFacts) -> Evidence:
    """The evidence; none of a run whose profiling did not end."""
    report = facts.report
    if report.weights_bytes is None or report.moments is None:
        return Evidence()
    start = SimulatedStart(facts.settings, report.weights_bytes, report.moments.peak_bytes + SMALL_BUFFERS_BYTES)
    source = f"Weights and start-up peak of these flags are vLLM {facts.vllm_version}'s own, from a dry run."
    return Evidence(simulated=(start,), sources=(source,))
