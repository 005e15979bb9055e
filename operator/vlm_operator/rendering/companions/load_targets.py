"""At which load one replica should stand: vLLM's own metrics, and targets that follow from the plan.

Both metrics are gauges of every release from 0.11 on (``vllm/v1/metrics/loggers.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Self

from vlm_operator.rendering.companions.subject import Subject

WAITING: Final = "vllm:num_requests_waiting"
"""Requests that wait for a place in the batch or for KV cache."""

KV_USE: Final = "vllm:kv_cache_usage_perc"
"""Share of the KV cache in use, 0 to 1 in spite of its name."""

HIGHEST_KV_USE: Final = 0.9

STEADY_SECONDS: Final = 3600
"""Longest stabilisation window that Kubernetes takes."""


@dataclass(frozen=True, slots=True)
class LoadTargets:
    """Targets for the average over the replicas, and why.

    Attributes:
        waiting: requests that wait.
        kv_use: share of the KV cache, None where it says nothing: one request alone may fill most of it.
    """

    waiting: int
    waiting_why: str
    kv_use: float | None
    kv_use_why: str

    @classmethod
    def of(cls, subject: Subject) -> Self:
        """The targets of a server.

        A quarter of what a replica works on at once may wait, so that a request waits for about a quarter of the time
        that one takes. The KV cache is full enough when one more request of the whole context would not fit.
        """
        held, most = subject.concurrency, subject.max_num_seqs
        at_once = most if held is None else max(1, min(most, math.floor(held)))
        waiting = max(1, at_once // 4)
        waiting_why = f"a quarter of the {at_once} requests that a replica works on at once"
        if held is None or held < 2:
            words = "not known" if held is None else f"{held:.1f} requests of the whole context"
            return cls(waiting, waiting_why, None, f"left out: the KV cache holds {words}")
        use = min(HIGHEST_KV_USE, math.floor((1 - 1 / held) * 100) / 100)
        why = f"one more request of the whole context fits below it: the KV cache holds {held:.1f}"
        return cls(waiting, waiting_why, use, why)


def behaviour(subject: Subject) -> dict[str, object]:
    """How fast an autoscaler acts: one replica at a time; fewer only after a start-up's time of less load.

    A replica that was given up too early costs a whole start-up.
    """
    one = {"type": "Pods", "value": 1, "periodSeconds": 60}
    down = {"stabilizationWindowSeconds": min(STEADY_SECONDS, subject.startup_seconds), "policies": [one]}
    return {"scaleUp": {"policies": [one]}, "scaleDown": down}
