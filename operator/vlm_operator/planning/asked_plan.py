"""A plan for a model that no rule knows, from a dry run: the context is chosen, every other flag is the dry run's.

What vLLM resolved by its defaults (batched tokens, sequences) is set explicitly: the server has what was profiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.engine.flags import shown_flags
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine_facts.document import EngineFacts
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.facts_plan import FactsPlan, facts_plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Move, Remedy
from vlm_operator.planning.uncounted import not_counted, uncounted_flags
from vlm_operator.planning.verdict import Reason, Verdict

CONTEXTS: Final = tuple(length for power in range(11, 21) for length in (2**power, 3 * 2 ** (power - 1)))
"""Lengths whose need a dry run is asked for: 2,048 to 1,572,864 tokens, two for each doubling."""

SHORT_CONTEXT: Final = 8192
"""Context that is asked for once more where nothing fits beside the items of a longer one, unless a floor is higher."""


@dataclass(frozen=True, slots=True)
class AskedPlan:
    """Flags for a model that only vLLM knows; ``Plan``'s part that the lifecycle reads.

    Attributes:
        settings: the flags; where nothing was asked yet, those to ask for.
        found: the budget; None where nothing was asked yet.
        facts: what it rests on; None where nothing was asked yet.
        next_question: flags to ask about next, because nothing fits with those that were asked about; None where
            nothing else may be chosen.
    """

    gpu: GPUFacts
    intent: Intent
    settings: EngineSettings
    verdict: Verdict
    reason: Reason
    message: str
    hint: str | None = None
    found: FactsPlan | None = None
    facts: EngineFacts | None = None
    next_question: EngineSettings | None = None
    ladder: tuple[Move, ...] = ()
    remedies: tuple[Remedy, ...] = ()

    @property
    def fits(self) -> bool:
        """True for ``Fits`` and ``FitsTight``."""
        return self.verdict in {Verdict.FITS, Verdict.FITS_TIGHT}

    @property
    def gpu_count(self) -> int:
        """GPUs of one replica."""
        return gpu_count(self.settings)

    @property
    def weights_bytes(self) -> int | None:
        """Weights of the whole model, about: those of a rank times the ranks."""
        return self.found.weights_bytes * self.gpu_count if self.found else None


def gpu_count(settings: EngineSettings) -> int:
    """GPUs that a server with these flags takes."""
    return settings.tensor_parallel_size * settings.pipeline_parallel_size * settings.data_parallel_size


def flags_to_ask(intent: Intent) -> EngineSettings:
    """The flags of the first dry run of an unknown model: those that are pinned, on the GPUs that are asked for.

    The context is the pinned one, else the cap, else what vLLM derives from the model's config.
    """
    settings = intent.settings
    if intent.gpu_count and gpu_count(settings) == 1:
        settings = settings.with_(tensor_parallel_size=intent.gpu_count)
    if settings.max_model_len is None and intent.maximum_context is not None:
        settings = settings.with_(max_model_len=intent.maximum_context)
    return settings


def unasked_plan(gpu: GPUFacts, intent: Intent, settings: EngineSettings, message: str, hint: str | None) -> AskedPlan:
    """The plan before vLLM was asked: ``Unknown``, with the flags to ask for."""
    return AskedPlan(gpu, intent, settings, Verdict.UNKNOWN, Reason.LAYOUT_UNKNOWN, message, hint)


def asked_plan(
    facts: EngineFacts, gpu: GPUFacts, intent: Intent, version: EngineVersion, measured_bytes: int | None = None
) -> AskedPlan:
    """The longest context between floor and cap that fits, on the dry run's figures.

    Args:
        measured_bytes: the least KV cache that start-ups of these flags found, None where there was none.

    Raises:
        UnknownFact: the dry run did not get to its end.
    """
    report = facts.report
    served = report.settings.get("max_model_len") or max((need.max_model_len for need in report.needs), default=0)
    floor = max(intent.minimum_context or 1, _tokens_of_request(intent, facts))
    pinned = intent.settings.max_model_len is not None
    lengths = sorted(need.max_model_len for need in report.needs if floor <= need.max_model_len <= served)
    lengths = lengths if not pinned else lengths[-1:]
    if not lengths:
        message = (
            f"the context must hold {floor:,} tokens, and {facts.report.architecture or 'the model'} serves at most "
            f"{served:,} with these flags"
        )
        hint = "lower context.minimum or the workload, or raise the context that is pinned or capped"
        return AskedPlan(
            gpu, intent, facts.settings, Verdict.DOES_NOT_FIT, Reason.CONTEXT_ABOVE_MODEL, message, hint, facts=facts
        )
    plans = [facts_plan(facts, gpu, version, max_model_len=length, measured_bytes=measured_bytes) for length in lengths]
    fitting = [plan for plan in plans if plan.verdict is Verdict.FITS]
    tight = [plan for plan in plans if plan.verdict is Verdict.FITS_TIGHT]
    best = fitting[-1] if fitting else tight[-1] if tight else plans[0]
    settings = _as_served(facts, best.max_model_len)
    is_refused = not fitting and not tight
    next_question = _next_question(facts, best, intent, floor, served) if is_refused else None
    remedy = _hint(best, floor) if is_refused else None
    verdict, reason, message = best.verdict, best.reason, best.message
    uncounted = uncounted_flags(intent, None)
    if verdict is Verdict.FITS and uncounted:
        verdict, reason = Verdict.FITS_TIGHT, Reason.UNCOUNTED_FLAGS
        message = f"{message}; {not_counted(uncounted)}"
    return AskedPlan(gpu, intent, settings, verdict, reason, message, remedy, best, facts, next_question)


def _as_served(facts: EngineFacts, context: int) -> EngineSettings:
    """The dry run's flags with the chosen context, and what vLLM resolved for the server written out."""
    resolved = facts.report.settings
    changes: dict[str, Any] = {"max_model_len": context}
    for name in ("max_num_batched_tokens", "max_num_seqs"):
        if getattr(facts.settings, name) is None and resolved.get(name):
            changes[name] = resolved[name]
    return facts.settings.with_(**changes)


def _tokens_of_request(intent: Intent, facts: EngineFacts) -> int:
    """Tokens of one request as described, as far as vLLM counted or the user stated its items; 0 where none is."""
    workload = intent.workload
    if workload is None:
        return 0
    tokens = workload.prompt_tokens + workload.output_tokens
    if workload.images is not None:
        counted = workload.tokens_per_image or (facts.report.items[0] if facts.report.items else 0)
        tokens += workload.images.count * counted
    if workload.videos is not None:
        tokens += workload.videos.count * (workload.tokens_per_video or 0)
    if workload.audios is not None:
        tokens += workload.audios.count * (workload.tokens_per_audio or 0)
    return tokens


def _next_question(
    facts: EngineFacts, refused: FactsPlan, intent: Intent, floor: int, served: int
) -> EngineSettings | None:
    """A shorter context, whose items are smaller, where the weights leave room; else more GPUs."""
    settings, wanted = facts.settings, max(floor, SHORT_CONTEXT)
    is_free = intent.settings.max_model_len is None
    if is_free and 2 * wanted <= served and refused.weights_bytes < refused.requested_bytes:
        return settings.with_(max_model_len=wanted)
    count = _more_gpus(facts, refused, intent)
    if count is None:
        return None
    first = flags_to_ask(intent)
    return first.with_(tensor_parallel_size=count) if is_free else settings.with_(tensor_parallel_size=count)


def _more_gpus(facts: EngineFacts, refused: FactsPlan, intent: Intent) -> int | None:
    """The fewest GPUs of a node over which the weights may leave room; None where no more may be taken.

    vLLM refuses a number that does not divide the attention heads, which the config that the dry run read names.
    """
    settings = facts.settings
    flags = {"tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"}
    if intent.gpu_count is not None or intent.pinned & flags or gpu_count(settings) != settings.tensor_parallel_size:
        return None
    now, heads = settings.tensor_parallel_size, _attention_heads(facts)
    counts = [2**power for power in range(1, intent.gpus_available.bit_length()) if now < 2**power]
    counts = [count for count in counts if count <= intent.gpus_available and not (heads and heads % count)]
    whole = refused.weights_bytes * now
    return next((count for count in counts if whole // count < refused.requested_bytes), None)


def _attention_heads(facts: EngineFacts) -> int | None:
    files = facts.report.document.get("modelFiles")
    config = files.get("config.json") if isinstance(files, Mapping) else None
    text = (config.get("text_config") or config) if isinstance(config, Mapping) else None
    heads = text.get("num_attention_heads") if isinstance(text, Mapping) else None
    return heads if isinstance(heads, int) and heads > 0 else None


def _hint(plan: FactsPlan, floor: int) -> str:
    if plan.kv_cache_bytes > 0 and floor > CONTEXTS[0]:
        return "lower context.minimum or the workload, or use more GPUs (gpu.count) or larger ones (gpu.product)"
    return "use more GPUs (gpu.count) or larger ones (gpu.product)"


def asked_plan_to_json(plan: AskedPlan) -> dict[str, Any]:
    """The plan in the fields of ``planning.report.plan_to_json`` that it has."""
    found, facts = plan.found, plan.facts
    explanation = []
    if facts is not None:
        explanation.append(
            f"Weights, start-up peak and KV cache are vLLM {facts.vllm_version}'s own figures, from a dry run without "
            "a GPU; memory outside PyTorch and CUDA graphs are estimates."
        )
        explanation.append("No rule is known for this model: only the context was chosen.")
    return {
        "verdict": str(plan.verdict),
        "reason": str(plan.reason),
        "message": plan.message,
        "hint": plan.hint,
        "explanation": explanation,
        "vllmVersion": facts.vllm_version if facts else None,
        "model": {"architecture": facts.report.architecture if facts else None},
        "flags": shown_flags(plan.settings),
        "pinned": sorted(plan.intent.pinned),
        "budget": None if found is None else _budget(found, plan.gpu),
        "cup": None if found is None else {"maxModelLen": found.max_model_len, "neededBytes": found.needed_bytes},
        "container": None if found is None else _container(found),
    }


def _budget(found: FactsPlan, gpu: GPUFacts) -> dict[str, int]:
    return {
        "totalBytes": gpu.total_bytes,
        "requestedBytes": found.requested_bytes,
        "weightsBytes": found.weights_bytes,
        "activationPeakBytes": found.activation_peak_bytes,
        "nonTorchBytes": found.non_torch_bytes,
        "cudaGraphBytes": found.cuda_graph_bytes,
        "kvCacheBytes": found.kv_cache_bytes,
        "kvCacheLowBytes": found.kv_cache_low_bytes,
        "kvCacheHighBytes": found.kv_cache_high_bytes,
    }


def _container(found: FactsPlan) -> dict[str, int]:
    blocks = max(found.kv_cache_bytes, 0) // found.bytes_per_block if found.bytes_per_block else 0
    return {"numBlocks": blocks, "maxModelLen": found.longest_context}
