"""The request that asks the program for a dry run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from vlm_operator.engine.flags import DEFAULTS, plain_value
from vlm_operator.engine.settings import FLAGS, EngineSettings
from vlm_operator.errors import UnknownFact
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.gpu.multiprocessors import multiprocessors

_NOT_ASKED: Final = frozenset({"load_format", "runner", "cudagraph_capture_sizes"})
"""Weights are never read, and the runner is vLLM's choice."""


def request_document(
    folder: str,
    gpu: GPUFacts,
    settings: EngineSettings,
    *,
    contexts: Iterable[int] = (),
    items: Iterable[Mapping[str, Any]] = (),
    hf_overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The request for the model in ``folder``, as the program reads it.

    Raises:
        UnknownFact: the GPU's compute capability is not known.
    """
    if gpu.compute_capability is None:
        raise UnknownFact(
            f"gpu: the compute capability of {gpu.label} is not known, and vLLM chooses kernels by it",
            field="gpu",
            hint="name an NVIDIA product with --gpu; 'vlmctl gpus' lists them",
        )
    engine = engine_arguments(settings)
    if hf_overrides:
        engine["hf_overrides"] = dict(hf_overrides)
    return {
        "model": folder,
        "gpu": {
            "name": gpu.device_name or gpu.product,
            "totalBytes": gpu.total_bytes,
            "capability": list(gpu.compute_capability),
            "multiprocessors": multiprocessors(gpu.product),
        },
        "engine": engine,
        "contexts": sorted(set(contexts)),
        "items": [dict(item) for item in items],
    }


def engine_arguments(settings: EngineSettings) -> dict[str, Any]:
    """The flags that are set, by the names of vLLM's ``EngineArgs``.

    >>> engine_arguments(EngineSettings(max_model_len=8192, tensor_parallel_size=2))
    {'max_model_len': 8192, 'tensor_parallel_size': 2}
    """
    return {
        name: plain_value(name, getattr(settings, name))
        for name in FLAGS
        if name not in _NOT_ASKED and getattr(settings, name) not in (None, DEFAULTS[name])
    }
