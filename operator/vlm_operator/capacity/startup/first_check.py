"""vLLM's first check: enough memory must be free at start for the requested utilisation.

Source: vLLM ``v1/worker/gpu_worker.py: Worker.init_device`` and ``v1/worker/utils.py: request_memory``: free memory at
the first snapshot, after the CUDA context and (from 0.12) NCCL exist, must be at least the requested memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vlm_operator.engine.budget_rules import PEERS_BEFORE_SNAPSHOT_SINCE, rounds_request_up
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts, MemoryKind
from vlm_operator.units import GIB, MIB

_PEERS_BYTES: Final = {MemoryKind.HBM: int(2.0 * GIB), MemoryKind.GDDR: int(0.45 * GIB), MemoryKind.UNIFIED: 0}
"""What peers and NCCL take before the snapshot with more than one rank: 0.3 to 0.6 GiB on RTX 5090 and RTX 3090; 1.9 to
3.5 on H200, GB200 and B300 workers (published start-ups), 4.5 in vLLM #25359 on H100."""

_PEERS_LEAST_BYTES: Final = {MemoryKind.HBM: int(0.4 * GIB), MemoryKind.GDDR: int(0.15 * GIB), MemoryKind.UNIFIED: 0}
"""The least they may take: where only a refusal that is certain may be called one."""

_SLACK_BYTES: Final = 300 * MIB
"""How much emptier than the published start-ups an idle GPU may be."""


@dataclass(frozen=True, slots=True)
class FirstCheck:
    """Free against requested memory at start.

    Attributes:
        passes: the best estimate of free memory is enough.
        fails_for_certain: not even the most that may be free is enough.
    """

    requested_bytes: int
    free_bytes: int
    free_high_bytes: int

    @property
    def passes(self) -> bool:
        """True where the best estimate of free memory covers the request."""
        return self.free_bytes >= self.requested_bytes

    @property
    def fails_for_certain(self) -> bool:
        """True where vLLM will refuse even on the emptiest such GPU."""
        return self.free_high_bytes < self.requested_bytes


def requested_bytes(total_bytes: int, gpu_memory_utilization: float, version: EngineVersion) -> int:
    """Memory vLLM asks for: total x utilisation, rounded down, and up from 0.13.

    Source: ``v1/worker/gpu_worker.py`` (0.12.0), ``v1/worker/utils.py: request_memory`` (0.15.1).
    """
    size = total_bytes * gpu_memory_utilization
    return math.ceil(size) if rounds_request_up(version) else int(size)


def free_at_start_bytes(gpu: GPUFacts, version: EngineVersion, tensor_parallel_size: int = 1) -> int:
    """Free memory that vLLM will find on an otherwise idle GPU: the best estimate."""
    return max(gpu.free_estimate_bytes - _peers(_PEERS_BYTES, gpu, version, tensor_parallel_size), 0)


def free_at_start_high_bytes(gpu: GPUFacts, version: EngineVersion, tensor_parallel_size: int = 1) -> int:
    """The most that vLLM may find: asking for more is refused for certain."""
    slack = max(gpu.free_uncertainty_bytes, _SLACK_BYTES) + gpu.total_uncertainty_bytes
    most = gpu.free_estimate_bytes + slack - _peers(_PEERS_LEAST_BYTES, gpu, version, tensor_parallel_size)
    return max(min(most, gpu.total_bytes + gpu.total_uncertainty_bytes), 0)


def first_check(
    gpu: GPUFacts, gpu_memory_utilization: float, version: EngineVersion, tensor_parallel_size: int = 1
) -> FirstCheck:
    """Compare what is asked for with what will be free."""
    return FirstCheck(
        requested_bytes(gpu.total_bytes, gpu_memory_utilization, version),
        free_at_start_bytes(gpu, version, tensor_parallel_size),
        free_at_start_high_bytes(gpu, version, tensor_parallel_size),
    )


def _peers(sizes: Mapping[MemoryKind, int], gpu: GPUFacts, version: EngineVersion, ranks: int) -> int:
    return sizes[gpu.memory_kind] if ranks > 1 and version >= PEERS_BEFORE_SNAPSHOT_SINCE else 0
