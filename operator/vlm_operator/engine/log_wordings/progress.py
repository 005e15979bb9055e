"""Log lines that mark a start-up's progress; each names the stage that begins with it.

Read in vLLM 0.8 to 0.33: ``v1/worker/{gpu_worker,gpu_model_runner,cpu_model_runner}.py``, ``v1/worker/gpu/
cudagraph_utils.py``, ``model_executor/model_loader/weight_utils.py``, ``v1/core/kv_cache_utils.py``; V0:
``worker/{worker,model_runner}.py``. The stages are those of ``measured.STAGES``.
"""

from __future__ import annotations

import re
from typing import Final

PROGRESS: Final[tuple[tuple[str, str], ...]] = (
    ("Starting to load model", "load"),
    ("Loading safetensors", "load"),
    ("checkpoint shards:", "load"),
    ("Loading model weights took", "profile"),
    ("Model loading took", "profile"),
    ("Profiling CUDA graph memory", "graph_estimate"),
    ("Estimated CUDA graph memory", "kv_alloc"),
    ("Available KV cache memory", "kv_alloc"),
    ("memory reserved for KV Cache is", "kv_alloc"),
    ("memory for KV Cache as specified by kv_cache_memory_bytes", "kv_alloc"),
    ("GPU KV cache size", "kv_alloc"),
    ("# GPU blocks", "kv_alloc"),
    ("Capturing CUDA graph", "graph"),
    ("Capturing cudagraphs", "graph"),
    ("Capturing the model for CUDA graphs", "graph"),
    ("Graph capturing finished", "sampler"),
)
"""A piece of a line to the stage that has begun once it is printed."""

BARS: Final = ("checkpoint shards:", "Capturing CUDA graph", "Loading safetensors")
"""Pieces of progress bars, which have no head of a record."""

GRAPHS_CAPTURED: Final = re.compile(r"Capturing CUDA graph[^|\n]{0,120}\|[^|\n]{0,200}\| (?P<done>\d{1,6})/\d{1,6} \[")
"""tqdm's bar while graphs are captured."""

TENSOR_PARALLEL_RANK: Final = re.compile(r"Worker_(?:\w*_)?TP(?P<rank>\d{1,4})(?!\d)")
"""In the name of a worker process: its rank of tensor parallelism (0.10 and later)."""
