"""``lifecycle_world`` with dry runs: it keeps Jobs and EngineFacts, and plays what became of a Job's pod."""

from __future__ import annotations

import copy
import io
import json
import tempfile
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from lifecycle_world import World
from vlm_operator.dryrun.transport import deliver
from vlm_operator.errors import UnknownFact, VlmOperatorError
from vlm_operator.lifecycle.decision import Decision
from vlm_operator.lifecycle.situation import ContainerState, ContainerStatus, Pod, Situation, StartupKey, StartupLog
from vlm_operator.model.facts import ModelFacts

REPORTS = Path(__file__).parent / "data" / "dry_runs"
PATH = {"model": {"path": "/models/new"}}
UNKNOWN = UnknownFact("model.path: /models/new lies in a volume", field="model.path", hint="name it by id")


def recorded(name: str = "qwen3-vl-8b-h100-0.32.0", **changes: Any) -> dict[str, Any]:
    """A report that vLLM's own code gave."""
    found: dict[str, Any] = json.loads((REPORTS / f"{name}.json").read_text())
    return {**found, **changes}


@dataclass
class DryRunWorld(World):
    """A VLMDeployment whose model only vLLM knows.

    Attributes:
        error: why the operator has no facts of the model; None where it has.
        read: the facts that it has once a dry run has read the model's config; None where no rule knows them.
        facts: EngineFacts by name.
        jobs: live Jobs by name; ``made`` are the names of all that ever were.
    """

    spec: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(PATH))
    error: VlmOperatorError | None = UNKNOWN
    read: ModelFacts | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    config_maps: list[dict[str, Any]] = field(default_factory=list)
    dry_run_pod: Pod | None = None
    dry_run_log: str | None = None

    def situation(self, logs: tuple[StartupLog, ...] = ()) -> Situation:
        """What gather would read."""
        model = self.model if self.error is None else self.read if self.facts else None
        return replace(
            super().situation(logs),
            model=model,
            model_error=None if model is not None else self.error,
            engine_facts=tuple(self.facts.values()),
            dry_run_jobs=tuple(self.jobs.values()),
            dry_run_pods=(self.dry_run_pod,) if self.dry_run_pod else (),
            dry_run_program={"__main__.py": "print()"},
        )

    def _read(self, key: StartupKey) -> StartupLog:
        if key.container == "dry-run":
            return StartupLog(key, self.dry_run_log)
        return super()._read(key)

    def _apply_observations(self, decision: Decision) -> None:
        super()._apply_observations(decision)
        for item in decision.engine_facts:
            self.facts[item["metadata"]["name"]] = copy.deepcopy(dict(item))

    def _apply_children(self, decision: Decision) -> None:
        for reference in decision.delete:
            if reference.kind == "Job":
                del self.jobs[reference.name]
                self.dry_run_pod = None
        super()._apply_children(decision)
        if decision.dry_run is not None:
            config_map, job = copy.deepcopy(decision.dry_run)
            name = job["metadata"]["name"]
            if name not in self.jobs:
                self.made.append(name)
                self.config_maps.append(dict(config_map))
                self.jobs[name] = {**job, "metadata": {**job["metadata"], "uid": f"job-{name}"}}

    # --- what becomes of the Job's pod

    @property
    def job(self) -> dict[str, Any]:
        """The Job that was made last."""
        return self.jobs[self.made[-1]]

    def pod_is(self, state: ContainerState | None, **more: Any) -> None:
        """The Job's pod has its container in this state."""
        containers = () if state is None else (ContainerStatus("dry-run", False, False, 0, state),)
        values = {"phase": "Pending", "owner_uid": self.job["metadata"]["uid"], "containers": containers, **more}
        self.dry_run_pod = Pod(f"{self.made[-1]}-x", "pod-x", self.now.isoformat(), args=(), image="", **values)

    def answers(self, report: dict[str, Any]) -> None:
        """The program ends with this report."""
        log = io.StringIO()
        with tempfile.TemporaryDirectory() as folder:
            deliver(report, f"{folder}/message", log)
            message = Path(folder, "message").read_text()
        self.dry_run_log = log.getvalue()
        self.pod_is(ContainerState("terminated", exit_code=0, reason="Completed", message=message), phase="Succeeded")

    def fails(self, reason: str = "Error", code: int = 1, message: str = "ImportError: no vllm") -> None:
        """The program ends with this exit code."""
        ended = ContainerState("terminated", exit_code=code, reason=reason, message=message)
        self.pod_is(ended, phase="Failed")

    def exceeds_deadline(self) -> None:
        """The Job controller ends the Job and removes its pod."""
        self.dry_run_pod = None
        failed = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}
        self.job["status"] = {"conditions": [failed]}

    @property
    def planned(self) -> tuple[str, str]:
        """Status and reason of the condition ``Planned``."""
        condition = self.condition("Planned")
        return condition["status"], condition["reason"]


def asking(**more: Any) -> DryRunWorld:
    """A world whose Job is under way."""
    world = DryRunWorld(**more)
    world.reconcile()
    return world


def answered(report: dict[str, Any] | None = None, **more: Any) -> DryRunWorld:
    """A world whose Job has answered, two looks later."""
    world = asking(**more)
    world.answers(report or recorded())
    world.reconcile()
    world.reconcile()
    return world


def tried_again(world: DryRunWorld, seconds: float = 3600) -> None:
    world.now += timedelta(seconds=seconds)
    world.reconcile()
