"""How are vLLM's flags spelled? Settings to arguments, in a stable order, and the flags a plan owns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from vlm_operator.engine.settings import EngineSettings, ModalityLimit

OWNED_FLAGS: Final[tuple[str, ...]] = (
    "--model",
    "--revision",
    "--served-model-name",
    "--host",
    "--port",
    "--max-model-len",
    "--gpu-memory-utilization",
    "--tensor-parallel-size",
    "--pipeline-parallel-size",
    "--data-parallel-size",
    "--enable-expert-parallel",
    "--kv-cache-dtype",
    "--kv-cache-memory-bytes",
    "--block-size",
    "--max-num-seqs",
    "--max-num-batched-tokens",
    "--limit-mm-per-prompt",
    "--language-model-only",
    "--mm-processor-kwargs",
    "--media-io-kwargs",
    "--mm-encoder-tp-mode",
    "--enforce-eager",
    "--max-cudagraph-capture-size",
    "--async-scheduling",
    "--enable-prefix-caching",
    "--enable-chunked-prefill",
)
"""Flags that come from fields of the API; ``extraArgs`` may not set them."""

SHORT_FLAGS: Final[tuple[str, ...]] = ("-tp", "-pp", "-dp", "-ep")
"""vLLM's short spellings of owned flags (0.32: ``engine/arg_utils.py``)."""


UNCOUNTED_FLAGS: Final[tuple[str, ...]] = (
    "--cpu-offload-gb",
    "--dtype",
    "--enable-eplb",
    "--enable-lora",
    "--enable-sleep-mode",
    "--hf-overrides",
    "--kv-transfer-config",
    "--load-format",
    "--num-gpu-blocks-override",
    "--quantization",
    "--skip-mm-profiling",
    "--speculative-config",
)
"""Flags that ``extraArgs`` may set although they move memory in ways no plan counts: such a plan is never certain."""


def uncounted(arguments: Iterable[str]) -> tuple[str, ...]:
    """Those of ``UNCOUNTED_FLAGS`` that the arguments set, in any of vLLM's spellings.

    >>> uncounted(["--enable_lora", "--enable-auto-tool-choice", "--dtype=half"])
    ('--enable-lora', '--dtype')
    """
    names = [argument.partition("=")[0].partition(".")[0].replace("_", "-") for argument in arguments]
    return tuple(name for name in names if name in UNCOUNTED_FLAGS)


def canonical_json(value: Any) -> str:
    """JSON text with sorted keys and no blanks: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def limit_to_json(limit: ModalityLimit) -> int | dict[str, int]:
    """A limit as ``--limit-mm-per-prompt`` takes it: a bare count, or an object where it has sizes."""
    if limit.width is None and limit.height is None and limit.num_frames is None:
        return limit.count
    sizes = {"count": limit.count, "width": limit.width, "height": limit.height, "num_frames": limit.num_frames}
    return {key: value for key, value in sizes.items() if value is not None}


def to_arguments(settings: EngineSettings) -> tuple[str, ...]:
    """Arguments of ``vllm serve`` for everything that is set, in the order of ``OWNED_FLAGS``.

    >>> to_arguments(EngineSettings(max_model_len=8192, enforce_eager=True))
    ('--max-model-len', '8192', '--tensor-parallel-size', '1', '--enforce-eager')
    """
    arguments: list[str] = []

    def add(flag: str, value: object) -> None:
        if value is not None:
            arguments.extend((flag, str(value)))

    def switch(flag: str, value: bool | None) -> None:
        if value is not None:
            arguments.append(flag if value else f"--no-{flag[2:]}")

    add("--max-model-len", settings.max_model_len)
    add("--gpu-memory-utilization", settings.gpu_memory_utilization)
    add("--tensor-parallel-size", settings.tensor_parallel_size)
    if settings.pipeline_parallel_size != 1:
        add("--pipeline-parallel-size", settings.pipeline_parallel_size)
    if settings.data_parallel_size != 1:
        add("--data-parallel-size", settings.data_parallel_size)
    if settings.enable_expert_parallel:
        arguments.append("--enable-expert-parallel")
    if settings.kv_cache_dtype != "auto":
        add("--kv-cache-dtype", settings.kv_cache_dtype)
    add("--kv-cache-memory-bytes", settings.kv_cache_memory_bytes)
    add("--block-size", settings.block_size)
    add("--max-num-seqs", settings.max_num_seqs)
    add("--max-num-batched-tokens", settings.max_num_batched_tokens)
    if settings.limit_mm_per_prompt is not None:
        limits = {modality: limit_to_json(limit) for modality, limit in settings.limit_mm_per_prompt}
        add("--limit-mm-per-prompt", canonical_json(limits))
    if settings.language_model_only:
        arguments.append("--language-model-only")
    add("--mm-processor-kwargs", settings.mm_processor_kwargs)
    add("--media-io-kwargs", settings.media_io_kwargs)
    if settings.mm_encoder_tp_mode != "weights":
        add("--mm-encoder-tp-mode", settings.mm_encoder_tp_mode)
    if settings.enforce_eager:
        arguments.append("--enforce-eager")
    add("--max-cudagraph-capture-size", settings.max_cudagraph_capture_size)
    switch("--async-scheduling", settings.async_scheduling)
    switch("--enable-prefix-caching", settings.enable_prefix_caching)
    switch("--enable-chunked-prefill", settings.enable_chunked_prefill)
    return tuple(arguments)
