"""Plans for vLLM's CPU backend: the container is the size that the user gives, exactly, and nothing is profiled.

Source: vLLM 0.32 ``v1/worker/cpu_worker.py`` (``kv_cache_memory_bytes`` is used as it is),
``platforms/cpu.py`` (128 tokens a block, 16 for multi-head latent attention), ``engine/arg_utils.py`` (batch defaults).
"""

from __future__ import annotations

import math
from typing import Final

from vlm_operator.capacity.kv import KVLayout, kv_layout
from vlm_operator.capacity.startup import Budget
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.budget_rules import Formula
from vlm_operator.engine.cpu_defaults import BLOCK_SIZE, BLOCK_SIZE_LATENT, MAX_NUM_BATCHED_TOKENS, MAX_NUM_SEQS
from vlm_operator.engine.defaults import default_gpu_memory_utilization
from vlm_operator.engine.kv_cache_rules import CPU_CAPABILITY
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import require_known
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import LatentCache, ModelFacts
from vlm_operator.planning.choose import contradiction, unknown_plan
from vlm_operator.planning.evaluation import Evaluation
from vlm_operator.planning.evidence import NOTHING, Evidence
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.item_rejection import RejectedItem, rejected_item
from vlm_operator.planning.limits import choose_limits
from vlm_operator.planning.plan import Plan, Refusal, Remedy
from vlm_operator.planning.validation import validate
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.planning.workload import WantedContext, wanted_context
from vlm_operator.units import GIB, format_gib

ROUNDING_BYTES: Final = GIB // 200
"""vLLM's log prints GiB with two decimals: a KV cache measured within that of the declared one is the declared one."""


def cpu_plan(model: ModelFacts, intent: Intent, evidence: Evidence = NOTHING) -> Plan:
    """The plan for ``model`` with ``intent.cpu_kv_cache_bytes`` of KV cache in host memory, or with what was measured.

    Where start-ups of the same declared size found less, the plan is made for the least that they found.

    Raises:
        InputError: a pinned flag is out of range.
    """
    validate(intent)
    try:
        require_known(intent.version)
        return _cpu_plan(model, intent, _container(intent, evidence), evidence)
    except UnknownFact as unknown:
        return unknown_plan(model, None, intent, unknown)


def _container(intent: Intent, evidence: Evidence) -> int:
    """Bytes of the KV cache: as declared, or as measured where that is another figure."""
    declared = intent.cpu_kv_cache_bytes or 0
    measured = min((container.kv_cache_bytes for container in evidence.containers), default=declared)
    return declared if abs(measured - declared) <= ROUNDING_BYTES else measured


def _cpu_plan(model: ModelFacts, intent: Intent, container_bytes: int, evidence: Evidence) -> Plan:
    settings = intent.settings
    sentences: tuple[str, ...] = ()
    if "limit_mm_per_prompt" not in intent.pinned:
        limits, sentences = choose_limits(model, intent.workload, intent.settings)
        settings = settings if limits is None else settings.with_(limit_mm_per_prompt=limits)
    context = wanted_context(model, intent, settings)
    settings = _resolved(settings, model, intent)
    layout = kv_layout(model, settings, intent.version, CPU_CAPABILITY)
    if settings.max_model_len is None:
        longest = layout.longest_context(container_bytes, context.cap)
        settings = settings.with_(max_model_len=min(context.wanted, max(longest, context.least)))
    settings = _within_free(settings, intent, evidence)
    settings, rejected, raised = _with_batch(model, intent, context, settings)
    least = layout.least_bytes_that_start(settings.context_tokens)
    verdict, reason = Verdict.FITS, Reason.FITS
    if rejected is not None:
        verdict, reason = Verdict.DOES_NOT_FIT, Reason.ITEM_REJECTED
    if least > container_bytes:
        verdict, reason = Verdict.DOES_NOT_FIT, Reason.KV_CACHE_TOO_SMALL
    budget = _budget(container_bytes, _weights(model, settings, intent))
    evaluation = Evaluation(settings, settings, budget, layout, least, verdict, reason, rejected)
    refused = contradiction(model, intent, context, settings)
    if refused is not None:
        verdict, reason = Verdict.DOES_NOT_FIT, refused[0]
    short = _memory_refusal(intent, evidence)
    if short is not None:
        verdict, reason, refused = Verdict.DOES_NOT_FIT, Reason.FREE_MEMORY_TOO_LOW, short
    remedies = _remedies(layout, context, container_bytes, intent) if reason is Reason.KV_CACHE_TOO_SMALL else ()
    hint = _hint(reason, intent, evaluation, (remedies, layout.longest_context(container_bytes, context.cap)))
    return Plan(
        model=model,
        gpu=None,
        gpu_count=0,
        version=intent.version,
        intent=intent,
        settings=settings,
        verdict=verdict,
        reason=reason,
        evaluation=evaluation,
        context=context,
        limit_sentences=(*sentences, *raised),
        refusal=refused[1] if refused else None,
        find_remedies=lambda: remedies,
        sources=tuple(f"measured figures replace estimates: {source}" for source in evidence.sources),
        find_hint=lambda: hint,
    )


def _within_free(settings: EngineSettings, intent: Intent, evidence: Evidence) -> EngineSettings:
    """A utilisation that the available memory holds, where a start-up failed vLLM's check of the default.

    vLLM's CPU worker asks for that share of the node's memory to be available even where the KV cache has its own size
    (0.32 ``v1/worker/cpu_worker.py: CPUWorker.__init__``).
    """
    free, total = evidence.free_at_start_bytes, evidence.total_bytes
    if not free or not total or "gpu_memory_utilization" in intent.pinned:
        return settings
    if free >= default_gpu_memory_utilization(intent.version) * total:
        return settings
    return settings.with_(gpu_memory_utilization=max(math.floor(100 * (free - ROUNDING_BYTES) / total), 1) / 100)


def _memory_refusal(intent: Intent, evidence: Evidence) -> tuple[Reason, Refusal] | None:
    """A refusal where a start-up found less memory available than the declared KV cache."""
    free, declared = evidence.free_at_start_bytes, intent.cpu_kv_cache_bytes or 0
    if free is None or declared <= free:
        return None
    total = f" of {format_gib(evidence.total_bytes)}" if evidence.total_bytes is not None else ""
    found = f"vLLM found {format_gib(free)}{total} available on the node"
    message = f"cpu.kvCacheSpace declares {format_gib(declared)}, but {found}"
    most = free // GIB
    hint = f"set cpu.kvCacheSpace to at most {most}GiB" if most else "use a node with more memory"
    return Reason.FREE_MEMORY_TOO_LOW, Refusal(message, hint)


def _hint(reason: Reason, intent: Intent, evaluation: Evaluation, found: tuple[tuple[Remedy, ...], int]) -> str | None:
    """The next step; ``found`` are the remedies and the longest context that the container holds."""
    remedies, longest = found
    if reason is Reason.ITEM_REJECTED and evaluation.rejected is not None:
        return f"raise --max-num-batched-tokens to {evaluation.rejected.batch_that_holds_it}"
    if reason is not Reason.KV_CACHE_TOO_SMALL:
        return None
    declared, container = intent.cpu_kv_cache_bytes or 0, evaluation.budget.kv_cache_bytes
    steps = [remedy.text for remedy in remedies]
    if (intent.minimum_context or 0) > longest > 0:
        steps.append(f"lower context.minimum to at most {longest:,}")
    if container == declared:
        steps.insert(0, f"set cpu.kvCacheSpace to {-(-evaluation.least_bytes // GIB)}GiB")
    else:
        why = f"start-ups found {format_gib(container)} of the {format_gib(declared)} declared"
        steps.append(f"{why}: give the pod's node and container that memory")
    return "; or ".join(steps)


def _with_batch(
    model: ModelFacts, intent: Intent, context: WantedContext, settings: EngineSettings
) -> tuple[EngineSettings, RejectedItem | None, tuple[str, ...]]:
    """The batch raised so that described items are served; where it is pinned, the item that is refused."""
    if context.request is None:
        return settings, None, ()
    rejected = rejected_item(model, context.request, settings, intent.version)
    if rejected is None or "max_num_batched_tokens" in intent.pinned:
        return settings, rejected, ()
    raised = settings.with_(max_num_batched_tokens=rejected.batch_that_holds_it)
    return raised, None, (rejected.why_raised(rejected.batch_that_holds_it),)


def _resolved(settings: EngineSettings, model: ModelFacts, intent: Intent) -> EngineSettings:
    latent = any(isinstance(run.cache, LatentCache) for run in model.cache_layers)
    concurrent = intent.workload.concurrent_requests if intent.workload else None
    return settings.with_(
        block_size=settings.block_size or (BLOCK_SIZE_LATENT if latent else BLOCK_SIZE),
        max_num_seqs=settings.max_num_seqs or concurrent or MAX_NUM_SEQS,
        max_num_batched_tokens=settings.max_num_batched_tokens or MAX_NUM_BATCHED_TOKENS,
    )


def _remedies(layout: KVLayout, context: WantedContext, container_bytes: int, intent: Intent) -> tuple[Remedy, ...]:
    longest = layout.longest_context(container_bytes, context.cap)
    if longest < context.least:
        return ()
    pinned = "max_model_len" in intent.pinned
    return (Remedy((("max_model_len", longest),), f"set --max-model-len to {longest}", pinned),)


def _weights(model: ModelFacts, settings: EngineSettings, intent: Intent) -> int:
    """Host memory of the weights, 0 where it is not known: the container does not depend on it."""
    try:
        return weight_bytes(model, settings, intent.version).total
    except UnknownFact:
        return 0


def _budget(container_bytes: int, weights: int) -> Budget:
    """A budget of which only the KV cache is vLLM's to divide: the rest of host memory is the pod's."""
    return Budget(
        total_bytes=container_bytes + weights,
        requested_bytes=container_bytes + weights,
        weights_bytes=weights,
        activation_peak_bytes=0,
        non_torch_bytes=0,
        cuda_graph_bytes=0,
        kv_cache_bytes=container_bytes,
        kv_cache_low_bytes=container_bytes,
        kv_cache_high_bytes=container_bytes,
        free_at_start_bytes=container_bytes + weights,
        encoder_peak_bytes=0,
        profiled_modality=None,
        formula=Formula.CONSUMED,
        terms=(),
    )
