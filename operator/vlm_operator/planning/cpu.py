"""Plans for vLLM's CPU backend: the container is the size that the user gives, exactly, and nothing is profiled.

Source: vLLM 0.32 ``v1/worker/cpu_worker.py`` (``kv_cache_memory_bytes`` is used as it is),
``platforms/cpu.py`` (128 tokens a block, 16 for multi-head latent attention), ``engine/arg_utils.py`` (batch defaults).
"""

from __future__ import annotations

from vlm_operator.capacity.kv import kv_layout
from vlm_operator.capacity.startup import Budget
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.budget_rules import Formula
from vlm_operator.engine.version import require_known
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import LatentCache, ModelFacts
from vlm_operator.planning.attempt import wanted_context
from vlm_operator.planning.explanation import what_would_fit
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.limits import choose_limits
from vlm_operator.planning.plan import Container, Cup, Plan, Reason, Remedy, Verdict, WorkloadTokens
from vlm_operator.planning.validation import validate
from vlm_operator.units import GIB, format_gib

BLOCK_SIZE = 128
BLOCK_SIZE_LATENT = 16
MAX_NUM_SEQS = 128
MAX_NUM_BATCHED_TOKENS = 2048


def cpu_plan(model: ModelFacts, intent: Intent) -> Plan:
    """The plan for ``model`` with ``intent.cpu_kv_cache_bytes`` of KV cache in host memory.

    Raises:
        InputError: a pinned flag is out of range.
    """
    validate(intent)
    container_bytes = intent.cpu_kv_cache_bytes or 0
    settings = intent.settings
    try:
        require_known(intent.version)
        if "limit_mm_per_prompt" not in intent.pinned:
            limits, _ = choose_limits(model, intent.workload)
            if limits is not None:
                settings = settings.with_(limit_mm_per_prompt=limits)
        context = wanted_context(model, intent, settings)
        latent = any(isinstance(run.cache, LatentCache) for run in model.cache_layers)
        settings = settings.with_(
            block_size=settings.block_size or (BLOCK_SIZE_LATENT if latent else BLOCK_SIZE),
            max_num_seqs=settings.max_num_seqs
            or (intent.workload.concurrent_requests if intent.workload else None)
            or MAX_NUM_SEQS,
            max_num_batched_tokens=settings.max_num_batched_tokens or MAX_NUM_BATCHED_TOKENS,
        )
        layout = kv_layout(model, settings, intent.version)
        longest = layout.longest_context(container_bytes, context.cap)
        length = settings.max_model_len or (
            context.wanted if longest >= context.wanted else max(longest, context.least)
        )
        settings = settings.with_(max_model_len=length)
        least = layout.least_bytes_that_start(length)
        try:
            weights = weight_bytes(model, settings, intent.version).total
        except UnknownFact:
            weights = 0
    except UnknownFact as unknown:
        return Plan(
            model, None, 0, intent.version, intent, settings, Verdict.UNKNOWN, Reason.LAYOUT_UNKNOWN,
            unknown.message, unknown.hint,
        )  # fmt: skip
    request = context.request
    sizes = f"{length:,} tokens need {format_gib(least)} of KV cache; kvCacheSpace is {format_gib(container_bytes)}"
    verdict, reason, message, hint = Verdict.FITS, Reason.FITS, sizes, None
    remedies: tuple[Remedy, ...] = ()
    if length > model.derived_max_model_len:
        verdict, reason = Verdict.DOES_NOT_FIT, Reason.CONTEXT_ABOVE_MODEL
        message = f"max-model-len {length:,} is longer than the {model.derived_max_model_len:,} tokens of {model.model}"
        hint = f"set it to at most {model.derived_max_model_len:,}"
    elif request is not None and request.tokens.total_tokens > length:
        verdict, reason = Verdict.DOES_NOT_FIT, Reason.WORKLOAD_EXCEEDS_CONTEXT
        message = f"one request as described takes {request.tokens.total_tokens:,} tokens, more than {length:,}"
        hint = what_would_fit(intent, request, length)
    elif least > container_bytes:
        verdict, reason = Verdict.DOES_NOT_FIT, Reason.KV_CACHE_TOO_SMALL
        space = -(-least // GIB)
        hint = f"set cpu.kvCacheSpace to {space}GiB"
        if longest >= context.least:
            hint += f", or the context to {longest:,}"
            remedies = (Remedy((("max_model_len", longest),), f"set --max-model-len to {longest}", False),)
    return Plan(
        model=model,
        gpu=None,
        gpu_count=0,
        version=intent.version,
        intent=intent,
        settings=settings,
        resolved=settings,
        verdict=verdict,
        reason=reason,
        message=message,
        hint=hint,
        budget=_budget(container_bytes, weights),
        cup=Cup(length, layout.needed_bytes(length)),
        container=Container(
            layout.num_blocks(container_bytes),
            layout.capacity_tokens(container_bytes, length),
            layout.longest_context(container_bytes, model.derived_max_model_len),
            round(layout.concurrency(container_bytes, length), 2),
        ),
        workload=request.tokens if request else WorkloadTokens(),
        explanation=(
            f"Container: {format_gib(container_bytes)} of host memory, exactly what kvCacheSpace says; "
            f"weights ({format_gib(weights)}) come on top.",
            f"The context is {length:,} tokens: "
            + ("pinned." if "max_model_len" in intent.pinned else f"{context.why}."),
        ),
        remedies=remedies,
    )


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
