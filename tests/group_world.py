"""A VLMDeployment over two nodes in a few lines: LeaderWorkerSet, its group of pods, their logs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from builders import qwen3_vl
from lifecycle_world import MODEL
from vlm_operator.lifecycle.decide import decide
from vlm_operator.lifecycle.decision import Decision, Event
from vlm_operator.lifecycle.situation import (
    ContainerState,
    ContainerStatus,
    GpuNode,
    Pod,
    Situation,
    StartupKey,
    StartupLog,
    Target,
)

PEER_LOST: Final = (
    "INFO 11-24 10:00:00 [api_utils.py:345] version 0.32.0\n"
    "(EngineCore pid=70) ERROR 11-24 10:01:02 [core.py:1100] RuntimeError: "
    "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:544] Connection closed by peer [10.0.0.2]:38271\n"
    "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. "
    "Failed core proc(s): {}\n"
)
"""What gloo says on a rank whose peer has gone."""

TWO_NODES: Final[dict[str, Any]] = {
    "model": {"id": MODEL},
    "gpu": {"product": "NVIDIA-L4"},
    "topology": {"nodes": 2, "gpusPerNode": 1},
}


def l4(name: str, count: int = 1) -> GpuNode:
    """A node with L4s."""
    return GpuNode(name, {"nvidia.com/gpu.product": "NVIDIA-L4"}, {"nvidia.com/gpu": str(count)}, ready=True)


def running(restarts: int = 0, *, ready: bool = True) -> ContainerStatus:
    """A container that runs."""
    return ContainerStatus("vllm", ready, ready, restarts, ContainerState("running"))


def ended(second: int = 0, *, exit_code: int = 1) -> ContainerStatus:
    """A container whose first run ended, at that second, and that was started again."""
    last = ContainerState(
        "terminated", reason="Error", exit_code=exit_code, finished_at=f"2026-11-24T10:01:{second:02d}Z"
    )
    return ContainerStatus("vllm", False, False, 1, ContainerState("running"), last)


@dataclass
class GroupWorld:
    """One VLMDeployment over nodes, and what became of it.

    Attributes:
        missing: the API server's words where it has no LeaderWorkerSets.
        logs: what each pod's newest ended or running run printed, by rank.
    """

    spec: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(TWO_NODES))
    nodes: tuple[GpuNode, ...] = (l4("a"), l4("b"))
    missing: str | None = None
    status: dict[str, Any] = field(default_factory=dict)
    children: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: tuple[Pod, ...] = ()
    logs: dict[int, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    generation: int = 1
    now: datetime = datetime(2026, 11, 24, 10, 2, tzinfo=UTC)
    incarnation: int = 0

    def situation(self, logs: tuple[StartupLog, ...] = ()) -> Situation:
        """What gather would read."""
        return Situation(
            target=Target("default", "demo", "uid-1", self.generation, "1", self.spec, self.status),
            now=self.now,
            nodes=self.nodes,
            children=tuple(self.children.values()),
            pods=self.pods,
            logs=logs,
            model=qwen3_vl(),
            missing_kinds={} if self.missing is None else {"LeaderWorkerSet": self.missing},
        )

    def decide(self) -> Decision:
        """One decision, logs read as it asks; each is asked for once."""
        logs: tuple[StartupLog, ...] = ()
        for _ in range(3):
            decision = decide(self.situation(logs))
            if not decision.needs:
                return decision
            assert not {request.key for request in decision.needs} & {log.key for log in logs}
            logs = (*logs, *(self._read(request.key) for request in decision.needs))
        raise AssertionError("a decision asks for logs without end")

    def _read(self, key: StartupKey) -> StartupLog:
        (rank,) = (pod.rank for pod in self.pods if pod.uid == key.pod_uid)
        text = self.logs.get(rank)
        return StartupLog(key, text, unreadable=None if text else "not found", gone=not text)

    def reconcile(self) -> Decision:
        """Decide and apply."""
        decision = self.decide()
        if decision.status is not None:
            self.status = copy.deepcopy(dict(decision.status))
        self.events += decision.events
        for child in decision.children:
            before = self.children.get(child["kind"], {})
            made = copy.deepcopy(dict(child))
            made["metadata"]["uid"] = f"uid-{child['kind']}"
            made["status"] = before.get("status", {})
            self.children[child["kind"]] = made
        for reference in decision.superseded:
            del self.children[reference.kind]
        return decision

    def group(self, *statuses: ContainerStatus | None) -> None:
        """The LeaderWorkerSet makes a group anew; statuses by rank, None for a container that was not made yet."""
        self.incarnation += 1
        self.now += timedelta(seconds=30)
        template = self.children["LeaderWorkerSet"]["spec"]["leaderWorkerTemplate"]
        self.pods = tuple(
            Pod(
                name="demo-0" if rank == 0 else f"demo-0-{rank}",
                uid=f"pod-{self.incarnation}-{rank}",
                created_at=self.now.isoformat(),
                phase="Running" if status else "Pending",
                args=tuple(pod["spec"]["containers"][0]["args"]),
                image=pod["spec"]["containers"][0]["image"],
                containers=(status,) if status else (),
                annotations=pod["metadata"]["annotations"],
                group="0",
                rank=rank,
            )
            for rank, status in enumerate(statuses)
            for pod in [template["leaderTemplate" if rank == 0 else "workerTemplate"]]
        )
        ready = all(status is not None and status.ready for status in statuses)
        self.children["LeaderWorkerSet"]["status"] = {"readyReplicas": 1 if ready else 0}

    def deleting(self) -> None:
        """The group is being deleted."""
        self.pods = tuple(replace(pod, deleting=True, grace_seconds=30) for pod in self.pods)

    def condition(self, kind: str) -> dict[str, Any]:
        """A condition of the status; empty where it is absent."""
        return next((item for item in self.status.get("conditions", ()) if item["type"] == kind), {})

    @property
    def outcomes(self) -> list[tuple[str, str | None]]:
        """Outcome and reason of every attempt."""
        return [(attempt["outcome"], attempt.get("reason")) for attempt in self.status.get("attempts", ())]
