"""The JSON document of ``vlmctl diagnose -o json``, in the fields of its contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.diagnosis.failure import Failure
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice, Diagnosis

CONTRACT: Final = (
    "weights_gib", "kv_gib", "kv_tokens", "concurrency", "graph_gib", "graph_est_gib", "free_gib", "total_gib",
    "requested_gib", "activation_gib", "non_torch_gib", "max_model_len", "compile_cache",
)  # fmt: skip
"""Figures of an observation that are always there, null where the log does not hold them."""

_FURTHER: Final = (
    "consumed_gib", "utilization", "encoder_budget", "items", "modality", "gpu_blocks", "cpu_blocks",
    "kv_bytes_requested", "kv_bytes_gpu", "auto_fit_from", "auto_fit_to", "auto_fit_full", "secs", "seconds",
    "max_num_batched_tokens", "block_size", "architecture", "runner", "device", "pinned_kv_gib",
    "platform",
)  # fmt: skip

SHOWN: Final = frozenset(CONTRACT) | frozenset(_FURTHER)
"""Figures of an observation that are told; others only serve advice."""


def camel_case(name: str) -> str:
    """The JSON key of a figure.

    >>> camel_case("needed_gib"), camel_case("max_model_len"), camel_case("gpus")
    ('neededGiB', 'maxModelLen', 'gpus')
    """
    head, *rest = re.sub("^auto_fit_", "", name).split("_")
    return head + "".join("GiB" if part == "gib" else part.capitalize() for part in rest)


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """``diagnosis`` as JSON holds it."""
    return {
        "outcome": str(diagnosis.outcome),
        "vllmVersion": diagnosis.vllm_version,
        "failure": None if diagnosis.failure is None else _failure(diagnosis.failure),
        "observation": _observation(diagnosis.observation),
        "advice": [_advice(advice) for advice in diagnosis.advice],
        "requestErrors": [_failure(error) for error in diagnosis.request_errors],
        "requests": {
            "refusedTooLong": diagnosis.refused.too_long,
            "longestRefused": diagnosis.refused.longest,
            "contextForMost": diagnosis.refused.context_for(),
            "refusedItems": diagnosis.refused.items,
        },
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "reason": failure.reason,
        "class": str(failure.failure_class),
        "retunable": failure.retunable,
        "line": failure.line,
        "message": failure.message,
        "stage": failure.stage,
        "numbers": {camel_case(name): value for name, value in failure.numbers.items()},
    }


def _observation(observation: Observation) -> dict[str, Any]:
    figures = {camel_case(name): getattr(observation, name) for name in CONTRACT}
    for name in _FURTHER:
        value = getattr(observation, name)
        if value is not None:
            figures[camel_case(name)] = value
    if observation.flags:
        figures["flags"] = _plain(observation.flags)
    return figures


def _advice(advice: Advice) -> dict[str, Any]:
    return {"flag": advice.flag, "from": _plain(advice.from_), "to": _plain(advice.to), "why": advice.why}


def _plain(value: Any) -> Any:
    """``value`` in what JSON can hold; other objects as their text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)
