"""Published start-ups, one per file, and the choice of the one a pod repeats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).with_name("records")
GIB: Final = 2**30
CPU: Final = "CPU"


@dataclass(frozen=True)
class Record:
    """A published start-up, per GPU.

    Attributes:
        name: of its file.
        source: where it was published.
        model: Hugging Face id.
        architecture: that vLLM resolved.
        gpu_product: as the node label spells it, ``CPU`` for vLLM's CPU backend.
        gpu_count: GPUs of the server.
        vllm_version: of the boot, as far as printed.
        flags: by vLLM's names; ``gpu_memory_utilization`` is always there.
        total_gib: CUDA's total memory of one GPU.
        free_gib: free memory of the idle GPU at start.
        weights_gib: "Model loading took".
        available_kv_gib: "Available KV cache memory", at the utilisation of ``flags``.
        needed_kv_gib: what one request of ``needed_tokens`` needs, as printed or by the printed concurrency.
        needed_tokens: tokens of that request.
    """

    name: str
    source: str
    model: str
    architecture: str
    gpu_product: str
    gpu_count: int
    vllm_version: str
    flags: Mapping[str, Any]
    total_gib: float
    free_gib: float
    weights_gib: float
    available_kv_gib: float
    needed_kv_gib: float
    needed_tokens: int

    def available_bytes(self, utilization: float) -> int:
        """KV cache memory at another utilisation: it moves by exactly the difference times the total."""
        moved = (utilization - self.flags["gpu_memory_utilization"]) * self.total_gib
        return round((self.available_kv_gib + moved) * GIB)

    def bytes_per_token(self, kv_cache_dtype: str) -> float:
        """KV cache of one token; an 8-bit cache halves what 16 bits take."""
        recorded = str(self.flags.get("kv_cache_dtype", "auto"))
        factor = _bits(kv_cache_dtype) / _bits(recorded)
        return self.needed_kv_gib * GIB / self.needed_tokens * factor


OVER_NODES: Final = Record(
    name="qwen3-vl-235b-a22b-on-8x-h100-of-two-nodes",
    source="none: nobody published a start-up over nodes; figures of a plan, rounded down. It shows what a "
    "start-up leads to, not whether figures are right",
    model="Qwen/Qwen3-VL-235B-A22B-Instruct",
    architecture="Qwen3VLMoeForConditionalGeneration",
    gpu_product="NVIDIA-H100-80GB-HBM3",
    gpu_count=8,
    vllm_version="0.32.0",
    flags={"gpu_memory_utilization": 0.92, "kv_cache_dtype": "auto", "pipeline_parallel_size": 2},
    total_gib=79.18,
    free_gib=78.6,
    weights_gib=27.99,
    available_kv_gib=36.0,
    needed_kv_gib=5.88,
    needed_tokens=262144,
)
"""A pod of a group: eight GPUs of one node, one of two pipeline stages."""


_ON_A_SHARED_H100: Final = tuple(
    Record(
        name=f"{model.rpartition('/')[2].lower()}-on-a-shared-h100",
        source="none: figures of a plan, rounded. It shows what a start-up leads to, not whether figures are right",
        model=model,
        architecture=architecture,
        gpu_product="NVIDIA-H100-80GB-HBM3",
        gpu_count=1,
        vllm_version="0.32.0",
        flags={"gpu_memory_utilization": 0.5, "kv_cache_dtype": "auto"},
        total_gib=79.18,
        free_gib=78.6,
        weights_gib=weights,
        available_kv_gib=available,
        needed_kv_gib=needed,
        needed_tokens=16384,
    )
    for model, architecture, weights, available, needed in (
        ("Qwen/Qwen3-VL-8B-Instruct", "Qwen3VLForConditionalGeneration", 16.58, 19.9, 2.25),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen2_5_VLForConditionalGeneration", 15.57, 21.2, 0.875),
    )
)
"""Servers that share a GPU."""


def _bits(kv_cache_dtype: str) -> int:
    return 8 if kv_cache_dtype.startswith("fp8") else 16


def load_records(folder: Path = FOLDER) -> tuple[Record, ...]:
    """All records of the folder, by name; of the own folder with those that nobody published."""
    read = tuple(Record(name=path.stem, **json.loads(path.read_text())) for path in sorted(folder.glob("*.json")))
    return (*read, OVER_NODES, *_ON_A_SHARED_H100) if folder == FOLDER else read


def choose(
    records: Sequence[Record], model: str, gpu_product: str, gpu_count: int, flags: Mapping[str, Any]
) -> Record | None:
    """The record of this model on this GPU whose flags are the most like these, or None where nobody published one."""
    fitting = [
        record
        for record in records
        if (record.model, record.gpu_product, record.gpu_count) == (model, gpu_product, gpu_count)
    ]
    return max(
        fitting,
        key=lambda record: sum(flags.get(name) == value for name, value in record.flags.items()),
        default=None,
    )
