"""The process' environment, set before torch or vLLM are imported."""

from __future__ import annotations

import os
import tempfile

VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_PLUGINS": "",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_USE_FLASHINFER_SAMPLER": "0",
    "CUDA_VISIBLE_DEVICES": "",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
}


def prepare() -> None:
    """No network, no GPU, no plug-ins, one thread; caches of vLLM in a folder of their own."""
    os.environ.update(VARIABLES)
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    cache = os.path.join(tempfile.gettempdir(), f"vlm-dry-run-{os.getuid()}")
    for name in ("VLLM_CACHE_ROOT", "VLLM_CONFIG_ROOT", "HF_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        os.environ[name] = os.path.join(cache, name.lower())
    os.environ.setdefault("HOME", cache)
