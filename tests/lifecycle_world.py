"""A cluster in a few lines, for the lifecycle: it keeps what decisions apply and plays what the kubelet would do.

Whether a start-up passes is decided by ``kv_cache_bytes``: a hidden truth that differs from the model's prediction, as
a real GPU does. The logs have the wording of vLLM 0.32.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from builders import gpu, qwen3_vl
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.capacity.startup import startup_budget
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT
from vlm_operator.lifecycle.decide import decide
from vlm_operator.lifecycle.decision import Decision, Event
from vlm_operator.lifecycle.situation import (
    ContainerState,
    ContainerStatus,
    GpuNode,
    Kill,
    Pod,
    ServiceLog,
    Situation,
    StartupKey,
    StartupLog,
    Target,
)
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.seen_traffic import SeenTraffic
from vlm_operator.units import GIB

MODEL = "example/qwen3-vl-8b"


def flags_of(args: tuple[str, ...]) -> dict[str, str]:
    """``--flag value`` pairs of a command."""
    return {
        flag: value
        for flag, value in zip(args, (*args[1:], ""), strict=True)
        if flag.startswith("--") and not value.startswith("--")
    }


def capacity_log(length: int, needed: int, available: int, estimated: int) -> str:
    """What 0.32 prints when its capacity check fails."""
    return (
        "INFO 11-24 10:00:00 [api_utils.py:345] version 0.32.0\n"
        f"(EngineCore pid=70) INFO 11-24 10:01:00 [gpu_worker.py:480] Available KV cache memory: "
        f"{available / GIB:.2f} GiB\n"
        "(EngineCore pid=70) ERROR 11-24 10:01:01 [core.py:1100] ValueError: To serve at least one request with the "
        f"model's max seq len ({length}), ({needed / GIB:.2f} GiB KV cache is needed, which is larger than the "
        f"available KV cache memory ({available / GIB:.2f} GiB). Based on the available memory, the estimated maximum "
        f"model length is {estimated}. Try increasing `gpu_memory_utilization` (which also controls CPU memory on the "
        "CPU backend) or decreasing `max_model_len` when initializing the engine. See "
        "https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details.\n"
        "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. "
        "Failed core proc(s): {}\n"
    )


def started_log(length: int, available: int, tokens: int) -> str:
    """What 0.32 prints when it serves."""
    return (
        "INFO 11-24 10:00:00 [api_utils.py:345] version 0.32.0\n"
        f"(EngineCore pid=70) INFO 11-24 10:01:00 [gpu_worker.py:480] Available KV cache memory: "
        f"{available / GIB:.2f} GiB\n"
        f"(EngineCore pid=70) INFO 11-24 10:01:01 [kv_cache_utils.py:1300] GPU KV cache size: {tokens:,} tokens, "
        f"Maximum concurrency for {length:,} tokens per request: {tokens / length:.2f}x\n"
        "(APIServer pid=1) INFO:     Application startup complete.\n"
    )


UNSUPPORTED_LOG = (
    "(APIServer pid=1) pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig\n"
    "  Value error, Model architectures ['FooForCausalLM'] are not supported for now. Supported architectures: "
    "dict_keys(['LlamaForCausalLM']) [type=value_error, input_value=ArgsKwargs((), {}), input_type=ArgsKwargs]\n"
)
TOO_LONG = (
    "ERROR 11-24 11:00:00 [serving.py:1] ValueError: The decoder prompt (length {}) is longer than the maximum model "
    "length of 8192. Make sure"
)
"""A request that 0.32 refuses for its length, in tokens."""

UNKNOWN_LOG = (
    "(EngineCore pid=70) ERROR 11-24 10:01:01 [core.py:1100] Traceback (most recent call last):\n"
    '(EngineCore pid=70) ERROR 11-24 10:01:01 [core.py:1100]   File "vllm/v1/engine/core.py", line 1000, in run\n'
    "(EngineCore pid=70) ERROR 11-24 10:01:01 [core.py:1100] ZeroDivisionError: integer modulo by zero\n"
)


@dataclass
class World:
    """One VLMDeployment and what became of it.

    Attributes:
        spec: of the VLMDeployment.
        error_bytes: what a real start-up finds less than predicted.
        script: outcomes to play instead of the truth, first one first: a log text, or ``node``, ``unreadable``,
            ``probe`` (the start-up probe runs out).
        cpu_bytes: what the CPU backend really finds for its KV cache.
        kills: what the kubelet says about ending containers.
        seen: traffic of the serving pod, as far as its metrics were read.
        printed: what the serving pod has printed since the last look, line by line; read once.
    """

    spec: dict[str, Any] = field(default_factory=lambda: {"model": {"id": MODEL}})
    model: ModelFacts = field(default_factory=qwen3_vl)
    product: str = "NVIDIA-GeForce-RTX-5090"
    gpus: int = 1
    error_bytes: int = 0
    script: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    generation: int = 1
    deployment: dict[str, Any] | None = None
    pod: Pod | None = None
    log: str | None = None
    unreadable: bool = False
    termination_message: str | None = None
    cpu_bytes: int = 2 * GIB
    kills: tuple[Kill, ...] = ()
    printed: list[str] = field(default_factory=list)
    seen: SeenTraffic | None = None
    observations: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    failed: list[tuple[str, ...]] = field(default_factory=list)
    now: datetime = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
    pods_made: int = 0

    # --- the operator

    def situation(self, logs: tuple[StartupLog, ...] = ()) -> Situation:
        """What gather would read."""
        nodes = ()
        if self.gpus:
            labels = {"nvidia.com/gpu.product": self.product}
            nodes = (GpuNode("node-1", labels, {"nvidia.com/gpu": str(self.gpus)}, ready=True),)
        return Situation(
            target=Target(
                "default", "demo", "uid-1", self.generation, "1", self.spec, self.status, annotations=self.annotations
            ),
            now=self.now,
            nodes=nodes,
            children=(self.deployment,) if self.deployment else (),
            pods=(self.pod,) if self.pod else (),
            logs=logs,
            model=self.model,
            observations=tuple(self.observations.values()),
            service_logs=self._printed(),
            seen=self.seen,
        )

    def _printed(self) -> tuple[ServiceLog, ...]:
        status = self.pod.container("vllm") if self.pod else None
        if self.pod is None or status is None or not self.printed:
            return ()
        lines, self.printed = tuple(self.printed), []
        return (ServiceLog(StartupKey(self.pod.uid, "vllm", status.restart_count), lines, self.now.isoformat()),)

    def decide(self) -> Decision:
        """One decision, logs read as it asks."""
        logs: tuple[StartupLog, ...] = ()
        for _ in range(3):
            decision = decide(self.situation(logs))
            if not decision.needs:
                return decision
            logs = (*logs, *(self._read(request.key) for request in decision.needs))
        raise AssertionError("a decision asks for logs without end")

    def _read(self, key: StartupKey) -> StartupLog:
        if self.unreadable or self.log is None:
            return StartupLog(key, None, unreadable="not found", gone=self.unreadable, kills=self.kills)
        return StartupLog(key, self.log, kills=self.kills)

    def reconcile(self, *, killed_after: int | None = None) -> Decision:
        """Decide and apply; ``killed_after`` stops after so many of: observations, events, status, children."""
        decision = self.decide()
        steps = (self._apply_observations, self._apply_events, self._apply_status, self._apply_children)
        for step in steps[: killed_after if killed_after is not None else len(steps)]:
            step(decision)
        return decision

    def _apply_observations(self, decision: Decision) -> None:
        for item in decision.observations:
            self.observations[item["metadata"]["name"]] = copy.deepcopy(item)

    def _apply_events(self, decision: Decision) -> None:
        self.events += [event for event in decision.events if event not in self.events]

    def _apply_status(self, decision: Decision) -> None:
        if decision.status is not None:
            self.status = copy.deepcopy(dict(decision.status))

    def _apply_children(self, decision: Decision) -> None:
        for child in decision.children:
            if child["kind"] == "Deployment":
                before = self.deployment
                self.deployment = copy.deepcopy(dict(child))
                self.deployment["status"] = (before or {}).get("status", {})
                self._roll(before)

    # --- the cluster

    def _roll(self, before: dict[str, Any] | None) -> None:
        """Strategy Recreate: a changed template ends the old pod and makes a new one."""
        assert self.deployment is not None
        replicas = self.deployment["spec"].get("replicas", 1)
        template = self.deployment["spec"]["template"]
        if replicas == 0:
            self.pod = None
            self.deployment["status"] = {}
        elif self.pod is None or before is None or before["spec"]["template"] != template:
            self.pods_made += 1
            container = template["spec"]["containers"][0]
            self.commands.append(tuple(container["args"]))
            self.deployment["status"] = {}
            self.pod = Pod(
                name=f"demo-{self.pods_made}",
                uid=f"pod-{self.pods_made}",
                created_at=self.now.isoformat(),
                phase="Pending",
                args=tuple(container["args"]),
                image=container["image"],
                annotations=template["metadata"]["annotations"],
                startup_probe_seconds=container["startupProbe"]["failureThreshold"] * 10,
            )

    def start_up(self) -> str:
        """Let the pod's container run once; says how it ended."""
        self.now += timedelta(seconds=60)
        if self.pod is None:
            return "no pod"
        ending = self.script.pop(0) if self.script else self._truth()
        if ending == "node":
            self._set(ContainerState("terminated", exit_code=137, reason="Error"), restart=False)
            self.log = "INFO 11-24 10:00:00 [api_utils.py:345] version 0.32.0\n"
            return ending
        if ending == "probe":
            seconds = self.pod.startup_probe_seconds or 0
            start, self.now = self.now, self.now + timedelta(seconds=seconds + 1)
            moments = {"started_at": start.isoformat(), "finished_at": self.now.isoformat()}
            self._set(ContainerState("terminated", exit_code=137, reason="Error", **moments), restart=True)
            self.log = "INFO 11-24 10:00:00 [api_utils.py:345] version 0.32.0\n"
            return ending
        if ending == "unreadable":
            self.unreadable = True
            ended = ContainerState(
                "terminated",
                exit_code=1,
                reason="Error",
                message=self.termination_message,
                finished_at=self.now.isoformat(),
            )
            self._set(ended, restart=True)
            return ending
        self.unreadable = False
        self.log = ending
        if "Application startup complete" in ending:
            self._set(ContainerState("running"), ready=True)
            return "started"
        self.failed.append(self.pod.args)
        self._set(
            ContainerState("terminated", exit_code=1, reason="Error", finished_at=self.now.isoformat()), restart=True
        )
        return "failed"

    def runs_out_in_service(self, missing: float = 1.0, total: float = 31.36) -> None:
        """The serving container runs out of GPU memory and ends; GiB."""
        assert self.log is not None
        words = (
            f"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {missing + 0.4:.2f} GiB. GPU 0 has a total "
            f"capacity of {total} GiB of which 0.40 GiB is free. Including non-PyTorch memory, this process has "
            f"{total - 0.4:.2f} GiB memory in use. Of the allocated memory 29.61 GiB is allocated by PyTorch, and "
            "512.25 MiB is reserved by PyTorch but unallocated."
        )
        core = "(EngineCore pid=70) ERROR 11-24 12:00:00 [core.py:1100]"
        lines = ("EngineCore encountered a fatal error.", "Traceback (most recent call last):", words)
        self.log += "".join(f"{core} {line}\n" for line in lines)
        self.now += timedelta(hours=1)
        self._set(
            ContainerState("terminated", exit_code=1, reason="Error", finished_at=self.now.isoformat()), restart=True
        )

    def _truth(self) -> str:
        assert self.pod is not None
        if "cpu" in self.spec:
            return self._cpu_truth(int(flags_of(self.pod.args)["--max-model-len"]))
        settings_json = self.status["plan"]["settings"]
        from vlm_operator.engine.settings_json import settings_from_json
        from vlm_operator.planning.resolution import resolved

        card = gpu(self.product)
        settings = resolved(settings_from_json(settings_json), self.model, card, DEFAULT)
        found = startup_budget(self.model, card, settings, DEFAULT).kv_cache_bytes - self.error_bytes
        layout = kv_layout(self.model, settings, DEFAULT)
        length = int(flags_of(self.pod.args)["--max-model-len"])
        if layout.passes(found, length):
            return started_log(length, found, layout.capacity_tokens(found, length))
        available = max(found - layout.bytes_per_block, 0)
        estimated = layout.longest_context(max(found, 0), 10**9)
        return capacity_log(length, layout.needed_bytes(length), available, estimated)

    def _cpu_truth(self, length: int) -> str:
        layout = kv_layout(self.model, EngineSettings(block_size=128), DEFAULT)
        if layout.passes(self.cpu_bytes, length):
            tokens = layout.capacity_tokens(self.cpu_bytes, length)
            return started_log(length, self.cpu_bytes, tokens).replace("GPU KV cache", "CPU KV cache")
        available = self.cpu_bytes - layout.bytes_per_block
        estimated = layout.longest_context(self.cpu_bytes, 10**9)
        return capacity_log(length, layout.needed_bytes(length), available, estimated)

    def _set(self, state: ContainerState, *, restart: bool = False, ready: bool = False) -> None:
        assert self.pod is not None
        assert self.deployment is not None
        before = self.pod.container("vllm")
        count = before.restart_count if before else 0
        if restart:
            waiting = ContainerState("waiting", reason="CrashLoopBackOff")
            status = ContainerStatus("vllm", False, False, count + 1, waiting, last_state=state)
        else:
            status = ContainerStatus("vllm", ready, ready, count, state, before.last_state if before else None)
        from dataclasses import replace

        self.pod = replace(self.pod, phase="Running", containers=(status,))
        self.deployment["status"] = {"readyReplicas": 1} if ready else {}

    # --- what tests ask

    def condition(self, kind: str) -> dict[str, Any]:
        """A condition of the status; empty where it is absent."""
        return next((item for item in self.status.get("conditions", ()) if item["type"] == kind), {})

    def settle(self, rounds: int = 12) -> str:
        """Reconcile and start up until nothing moves: ``Ready`` or ``Stalled``; ``moving`` where it never settles."""
        for _ in range(rounds):
            self.reconcile()
            self.reconcile()
            if self.condition("Ready").get("status") == "True":
                return "Ready"
            if self.condition("Stalled").get("status") == "True":
                return "Stalled"
            self.start_up()
        return "moving"
