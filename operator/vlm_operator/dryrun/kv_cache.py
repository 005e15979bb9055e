"""KV cache groups, bytes per block and the need of a context, by vLLM's own functions."""

from __future__ import annotations

import contextlib
import copy
import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

_ENOUGH = 1 << 50
"""Bytes that hold any KV cache: the layout does not depend on how much there is."""

_BY_GROUPS = "_max_memory_usage_bytes_from_groups"
"""What the capacity check compares since 0.14."""


def kv_cache(engine: Any, contexts: Sequence[int]) -> dict[str, Any]:
    """``kvGroups``, ``bytesPerBlock`` and ``requests`` of the report.

    Raises:
        Exception: what vLLM refuses.
    """
    config, functions = engine.config, _functions()
    spec = engine.runner.get_kv_cache_spec()
    _resolve_layout(config, spec)
    known = {
        "vllm_config": config,
        "builder": _builder(config),
        "kv_cache_specs": spec,
        "kv_cache_spec": spec,
        "available_memory": _ENOUGH,
    }
    known["kv_cache_groups"] = groups = _groups(functions, config, spec)
    served = config.model_config.max_model_len
    return {
        "kvGroups": [_group(group) for group in groups],
        "bytesPerBlock": _bytes_per_block(functions, known) if groups else 0,
        "requests": [
            {"maxModelLen": length, "neededBytes": _needed(functions, known, length) if groups else 0}
            for length in sorted({served, *contexts})
        ],
    }


def _functions() -> Any:
    """The module that has them: 0.33 moved them out of ``kv_cache_utils``."""
    try:
        return importlib.import_module("vllm.v1.core.kv_cache_planning")
    except ModuleNotFoundError:
        return importlib.import_module("vllm.v1.core.kv_cache_utils")


def _builder(config: Any) -> Any:
    """What decides on groups and their placement since 0.33, None before."""
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.import_module("vllm.v1.core.kv_cache_config_builder").get_kv_cache_config_builder(config)
    return None


def _resolve_layout(config: Any, spec: Any) -> None:
    """Resolve the cache's layout as the engine core does since 0.30 (``v1/engine/core.py``)."""
    utils = importlib.import_module("vllm.v1.attention.backends.utils")
    if hasattr(utils, "resolve_kv_cache_layout"):
        worker = importlib.import_module("vllm.v1.worker.worker_base")
        backends = worker.get_current_attn_backends(config)
        names = [layout.name for layout in worker.get_supported_kv_cache_layouts(backends)]
        utils.resolve_kv_cache_layout(config, [names], list(spec.values()))


def _groups(functions: Any, config: Any, spec: Any) -> Any:
    whole = getattr(functions, "get_global_kv_cache_groups", None)
    if whole is not None:
        return whole(config, [copy.deepcopy(spec)])
    return functions.get_kv_cache_groups(config, copy.deepcopy(spec))


def _group(group: Any) -> dict[str, Any]:
    spec = group.kv_cache_spec
    return {
        "kind": type(spec).__name__.removesuffix("Spec"),
        "layers": len(group.layer_names),
        "blockSize": spec.block_size,
        "pageSizeBytes": spec.page_size_bytes,
    }


def _call(function: Callable[..., Any], known: dict[str, Any]) -> Any:
    """Call a function whose parameters differ between releases, by their names."""
    needed = [name for name, each in inspect.signature(function).parameters.items() if each.default is each.empty]
    return function(**{name: known[name] for name in needed})


def _bytes_per_block(functions: Any, known: dict[str, Any]) -> int:
    built = _call(functions.get_kv_cache_config_from_groups, known)
    return int(sum(tensor.size for tensor in built.kv_cache_tensors) // built.num_blocks)


def _needed(functions: Any, known: dict[str, Any], length: int) -> int:
    """Bytes that the capacity check of this release asks for one request of that length."""
    model = known["vllm_config"].model_config
    served = model.max_model_len
    model.max_model_len = length
    try:
        if _BY_GROUPS in functions.get_kv_cache_configs.__code__.co_names:
            return int(_call(getattr(functions, _BY_GROUPS), known))
        return int(functions.max_memory_usage_bytes(known["vllm_config"], known["kv_cache_spec"].values()))
    finally:
        model.max_model_len = served
