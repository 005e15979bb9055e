"""A plan as JSON: the fields of ``vlmctl plan -o json``, and of ``status.plan``. Fields may be added, never renamed."""

from __future__ import annotations

from typing import Any

from vlm_operator.capacity.startup import Budget
from vlm_operator.engine.flags import limit_to_json, shown_flags, to_arguments
from vlm_operator.engine.settings import ModalityLimit
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.evaluation import Container
from vlm_operator.planning.host_memory import host_memory
from vlm_operator.planning.plan import Move, Plan
from vlm_operator.planning.workload import modalities_of


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan as plain data, keys in the contract's order."""
    budget, cup, container, tokens = plan.budget, plan.cup, plan.container, plan.workload
    return {
        "model": {
            "id": plan.model.model,
            "architecture": plan.model.architecture,
            "modalities": list(modalities_of(plan.model)),
            "source": plan.model.source,
        },
        "gpu": None if plan.gpu is None else _gpu(plan, plan.gpu),
        "vllmVersion": str(plan.version),
        "goal": str(plan.intent.goal or "Throughput"),
        "verdict": str(plan.verdict),
        "reason": str(plan.reason),
        "message": plan.message,
        "hint": plan.hint,
        "refusals": [
            {"reason": str(found.reason), "flag": found.flag, "message": found.message, "source": found.source}
            for found in plan.infeasible
        ],
        "flags": shown_flags(plan.settings),
        "pinned": sorted(plan.intent.pinned),
        "command": list(command(plan)),
        "environment": plan.environment,
        "budget": None if budget is None else {**_budget(budget), **_stages(plan)},
        **_vendor_free(plan),
        **_host_memory(plan),
        "cup": None if cup is None else {"maxModelLen": cup.max_model_len, "neededBytes": cup.needed_bytes},
        "container": None if container is None else _container(container),
        "workload": {
            "promptTokens": tokens.prompt_tokens,
            "imageTokens": tokens.image_tokens,
            "videoTokens": tokens.video_tokens,
            "audioTokens": tokens.audio_tokens,
            "outputTokens": tokens.output_tokens,
            "totalTokens": tokens.total_tokens,
        },
        "summary": list(plan.summary),
        "explanation": list(plan.explanation),
        "alternatives": [
            {
                "gpuCount": other.gpu_count,
                "verdict": str(other.verdict),
                "reason": str(other.reason),
                "message": other.message,
            }
            for other in plan.alternatives
        ],
        "ladder": [move_to_json(move) for move in plan.ladder],
        "remedies": [
            {"change": {flag: _value(value) for flag, value in remedy.change}, "text": remedy.text}
            for remedy in plan.remedies
        ],
    }


def _vendor_free(plan: Plan) -> dict[str, dict[str, int]]:
    """The terms that hold on any vendor's GPUs, where the budget is not known."""
    known = plan.vendor_free
    if known is None:
        return {}
    return {
        "known": {
            "requestedBytes": known.requested_bytes,
            "weightsBytes": known.weights_bytes,
            "roomBytes": known.room_bytes,
        }
    }


def _host_memory(plan: Plan) -> dict[str, Any]:
    """``hostMemory``: main memory of a pod with its terms; nothing where there is no evaluation on GPUs."""
    found = host_memory(plan)
    if found is None:
        return {}
    terms = [(term, False) for term in found.private] + [(term, True) for term in found.shared]
    return {
        "hostMemory": {
            "totalBytes": found.total_bytes,
            "sharedMemoryBytes": found.shared_bytes,
            "terms": [
                {"name": term.name, "bytes": term.size_bytes, "shared": shared, "source": term.why}
                for term, shared in terms
            ],
            "notCounted": list(found.unknown),
        }
    }


def _gpu(plan: Plan, gpu: GPUFacts) -> dict[str, Any]:
    nodes = {"nodes": plan.nodes, "perNode": plan.gpus_per_node} if plan.nodes > 1 else {}
    reserve = {"reserveBytes": plan.intent.reserve_bytes} if plan.intent.reserve_bytes else {}
    return {"product": gpu.label, "count": plan.gpu_count, "totalBytes": gpu.total_bytes, **nodes, **reserve}


def _budget(budget: Budget) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if budget.beside:
        more["beside"] = [{"name": term.name, "bytes": term.size_bytes, "source": term.why} for term in budget.beside]
    if budget.moments is not None:
        more["moments"] = {
            "encoderBytes": budget.moments.encoder_bytes,
            "textBytes": budget.moments.text_bytes,
            "samplerBytes": budget.moments.sampler_bytes,
            "keptBytes": budget.moments.kept_bytes,
        }
    if budget.regime is not None:
        more["regime"] = {
            "name": budget.regime.name,
            "startups": budget.regime.start_ups,
            "sources": budget.regime.sources,
            "halfWidthBytes": budget.regime.half_width_bytes,
            "seen": budget.regime.seen,
        }
    return {
        "totalBytes": budget.total_bytes,
        "requestedBytes": budget.requested_bytes,
        "weightsBytes": budget.weights_bytes,
        "activationPeakBytes": budget.activation_peak_bytes,
        "nonTorchBytes": budget.non_torch_bytes,
        "cudaGraphBytes": budget.cuda_graph_bytes,
        "kvCacheBytes": budget.kv_cache_bytes,
        "kvCacheLowBytes": budget.kv_cache_low_bytes,
        "kvCacheHighBytes": budget.kv_cache_high_bytes,
        "kvCacheWarmBytes": budget.kv_cache_warm_bytes,
        "compileBytes": budget.compile_bytes,
        "freeAtStartBytes": budget.free_at_start_bytes,
        **more,
    }


def _stages(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """``stages``: the budget of a GPU of each pipeline stage; nothing where there is no pipeline."""
    evaluation = plan.evaluation
    if evaluation is None or not evaluation.stages:
        return {}
    return {
        "stages": [
            {
                "stage": each.stage.index,
                "node": each.stage.index * plan.nodes // each.stage.stages,
                "layers": [each.stage.first_layer, each.stage.end_layer - 1],
                "holds": list(each.holds(plan.model)),
                "tightest": each.stage.index == evaluation.tightest,
                **_budget(each.budget),
                "neededBytes": each.layout.needed_bytes(evaluation.settings.context_tokens),
                "numBlocks": each.num_blocks,
            }
            for each in evaluation.stages
        ]
    }


def _container(container: Container) -> dict[str, float]:
    return {
        "numBlocks": container.num_blocks,
        "capacityTokens": container.capacity_tokens,
        "maxModelLen": container.max_model_len,
        "concurrency": container.concurrency,
    }


def command(plan: Plan) -> tuple[str, ...]:
    """The command that serves the plan, as a person would type it."""
    return ("vllm", "serve", plan.model.model, *to_arguments(plan.settings))


def move_to_json(move: Move) -> dict[str, Any]:
    """One move of the ladder."""
    return {
        "change": {flag: [_value(before), _value(after)] for flag, before, after in move.change},
        "gainBytes": move.gain_bytes,
        "cost": move.cost,
        "applied": move.applied,
        "mild": move.mild,
    }


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return {name: limit_to_json(limit) if isinstance(limit, ModalityLimit) else limit for name, limit in value}
    return value
