"""Releases that do not start on some GPUs unless an environment variable is set. Facts with their sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.engine.version import EngineVersion


@dataclass(frozen=True, slots=True)
class KnownFault:
    """One release on one generation of GPUs.

    Attributes:
        first, until: releases that have the fault: from ``first`` on, before ``until``.
        capability_major: major compute capability of the GPUs.
        variable, value: what mends it, whatever the model.
        what: what happens without it.
        source: where it was reported and explained.
    """

    first: EngineVersion
    until: EngineVersion
    capability_major: int
    variable: str
    value: str
    what: str
    source: str


KNOWN_FAULTS: Final[tuple[KnownFault, ...]] = (
    KnownFault(
        EngineVersion(0, 24),
        EngineVersion(0, 25),
        12,
        "VLLM_USE_DEEP_GEMM",
        "0",
        "block-scaled FP8 weights die of an assertion in DeepGEMM, whose build has no kernels for this GPU",
        "platforms/cuda.py: support_deep_gemm (0.24.0); vllm-project/vllm#47130, #47169, #47436",
    ),
)


def known_faults(version: EngineVersion, compute_capability: tuple[int, int] | None) -> tuple[KnownFault, ...]:
    """Faults of that release on that GPU; none where the GPU is not known."""
    if compute_capability is None:
        return ()
    return tuple(
        fault
        for fault in KNOWN_FAULTS
        if fault.first <= version < fault.until and fault.capability_major == compute_capability[0]
    )


def environment(version: EngineVersion, compute_capability: tuple[int, int] | None) -> dict[str, str]:
    """Environment variables without which that release does not start every model on that GPU."""
    return {fault.variable: fault.value for fault in known_faults(version, compute_capability)}
