"""Rows of the start-up simulator, taken over into the project's own form (``startup_peaks.Recorded``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from oracle.startup_peaks import H100, Recorded, workspace_bytes
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.units import GIB

_FLAGS: Final = (
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "limit_mm_per_prompt",
    "mm_processor_kwargs",
    "tensor_parallel_size",
    "mm_encoder_tp_mode",
    "enable_expert_parallel",
)


def taken_over(row: Mapping[str, Any]) -> Recorded | None:
    """One row; None where the simulator could not finish it, or where its flags are not the project's.

    Text models have no dummy items. Figures that hold cuBLAS's workspace (``cublas``) are stored without it.
    """
    engine = row.get("engine") or {}
    if row.get("error") or row.get("profileError") or row.get("mismatch"):
        return None
    if set(engine) - {*_FLAGS, "gpu_memory_utilization"} or not row.get("key"):
        return None
    flags = {name: engine[name] for name in _FLAGS if name in engine}
    if not row.get("compiled", True):
        flags["enforce_eager"] = True
    if row.get("forcedRunner"):
        flags["runner"] = row["forcedRunner"]
    gpu = row.get("product") or H100
    workspace = workspace_bytes(find_gpu(gpu)) / GIB if row.get("cublas") else 0.0
    dummy = (row.get("dummy") or [{}])[0]
    items = None
    if dummy.get("items"):
        modality = dummy["modality"]
        items = {"modality": modality, "count": dummy["items"], "tokens": (dummy.get("max_tokens") or {}).get(modality)}
    return Recorded(
        release=row["vllm"],
        name=row["id"].replace("/", " "),
        model=row.get("catalogue") or row["key"],
        flags=flags,
        items=items,
        encoder=_less(row.get("encoderGiB"), workspace),
        text=_less(row.get("textGiB"), workspace),
        sampler=_less(row.get("samplerGiB"), workspace),
        outputs=_less(row.get("textStartGiB"), workspace) if items else None,
        left=_less(row["keptGiB"], workspace) or 0.0,
        peak=_less(row["peakGiB"], workspace) or 0.0,
        gpu=gpu,
    )


def _less(figure: float | None, workspace: float) -> float | None:
    """Without cuBLAS's workspace, which some runs took from the allocator."""
    return None if figure is None else round(max(figure - workspace, 0.0), 4)
