"""How does it go on? From the newest start-up to the plan in force, the conditions and what just became so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from vlm_operator.api.conditions import ConditionType, EventReason
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.diagnosis import Diagnosis
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.lifecycle.conditions import Condition, Status, status_of, summary, timestamp
from vlm_operator.lifecycle.decision import Decision, Event, EventType
from vlm_operator.lifecycle.failure_reaction import Reaction, reaction_to
from vlm_operator.lifecycle.history import FAILED, STARTED, STARTING, AttemptRecord, History, fingerprints
from vlm_operator.lifecycle.observations import recorded, used
from vlm_operator.lifecycle.planned import Planned, Planner
from vlm_operator.lifecycle.server import Server, server_of
from vlm_operator.lifecycle.situation import Manifest, Situation
from vlm_operator.lifecycle.startup_outcome import StartupOutcome, StartupState
from vlm_operator.lifecycle.status import plan_status, status_with
from vlm_operator.planning.log_evidence import MeasuredStartup, measured_startup
from vlm_operator.planning.verdict import Verdict

RECHECK_SECONDS: Final = 15.0
"""Until a log that could not be read, or a fault of the node, is looked at again."""


UNDER_WAY_SECONDS: Final = 10.0
"""Until a start-up under way is looked at again even if no watch says so."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more will be tried until a person changes something."""

    reason: str
    message: str


class Course:
    """One decision in the making. It reads the situation, never changes it."""

    def __init__(self, situation: Situation, planner: Planner, outcome: StartupOutcome) -> None:
        self.situation, self.planner, self.outcome = situation, planner, outcome
        self.history = History.of_status(situation.target.status)
        self.events: list[Event] = []
        self.observations: list[Manifest] = []
        self.stop: Stop | None = None
        self.retuning: str | None = None
        self.observed: dict[str, Any] | None = None
        self.requeue: float | None = None

    def decision(self) -> Decision:
        """What should be."""
        planned = self.planner.remembered(self.history)
        if planned is None:
            planned = self._plan_anew(None)
        else:
            self._take_in(planned)
            attempt = self._attempt(planned)
            if attempt is not None and attempt.outcome == FAILED:
                planned = self._after_failure(planned, attempt)
        if planned is None:
            return self._no_gpu()
        if planned.plan is not None and not planned.plan.fits:
            return self._does_not_fit(planned)
        return self._in_force(planned)

    def _attempt(self, planned: Planned) -> AttemptRecord | None:
        return self.history.find(planned.episode, self._server(planned).fingerprint)

    def _after_failure(self, planned: Planned, failed: AttemptRecord) -> Planned | None:
        """The same plan, stopped; or a new one within the bounds of ``spec.retune``."""
        if failed.final:
            self.stop = Stop(failed.reason or "Unknown", failed.message or "")
        else:
            self.stop = self._exhausted(planned, failed)
        return planned if self.stop is not None else self._plan_anew(planned)

    # --- the newest start-up

    def _take_in(self, planned: Planned) -> None:
        """Record the newest outcome against the command it belongs to, once."""
        outcome, attempt = self.outcome, self._attempt(planned)
        if attempt is None or outcome.pod is None or not self._server(planned).runs_in(outcome.pod):
            return
        if outcome.key is not None and outcome.key in self.history.handled:
            return
        if outcome.state is StartupState.SERVING:
            self._served(planned, attempt)
            return
        reaction, reason, message = reaction_to(outcome, served_before=attempt.outcome == STARTED)
        if reaction is Reaction.WAIT:
            self.requeue = RECHECK_SECONDS
        elif reaction is not Reaction.NONE:
            self._failed(planned, attempt, reason, message, final=reaction is Reaction.STOP)

    def _served(self, planned: Planned, attempt: AttemptRecord) -> None:
        outcome = self.outcome
        if outcome.diagnosis is None:
            return
        startup = self._measured(outcome.diagnosis, planned.settings)
        self.observed = _observed(startup, outcome.diagnosis, attempt.fingerprint, self.situation.target.status)
        self.history = self.history.put(
            replace(
                attempt,
                outcome=STARTED,
                reason=None,
                message=None,
                key=outcome.key,
                numbers=_numbers(startup),
                finished_at=timestamp(self.situation.now),
            )
        )
        self._observe(planned, startup, None, None)

    def _failed(self, planned: Planned, attempt: AttemptRecord, reason: str, message: str, *, final: bool) -> None:
        outcome, numbers = self.outcome, {}
        if outcome.diagnosis is not None:
            startup = self._measured(outcome.diagnosis, planned.settings)
            failure = outcome.diagnosis.failure
            numbers = {**(dict(failure.numbers) if failure else {}), **_numbers(startup)}
            self._observe(planned, startup, reason, message)
        self.history = self.history.put(
            replace(
                attempt,
                outcome=FAILED,
                reason=reason,
                message=message,
                numbers=numbers,
                key=outcome.key,
                finished_at=outcome.finished_at or timestamp(self.situation.now),
                final=final,
            )
        )
        self._tell(EventType.WARNING, EventReason.STARTUP_FAILED, f"{reason}: {message}", "Diagnose")

    def _measured(self, diagnosis: Diagnosis, settings: EngineSettings) -> MeasuredStartup:
        block = kv_layout(self.planner.model, settings, self.planner.version).bytes_per_block
        return measured_startup(diagnosis, block, self.planner.version)

    def _observe(self, planned: Planned, startup: MeasuredStartup, reason: str | None, message: str | None) -> None:
        if startup.kv_cache_bytes is None or planned.offer is None or self.outcome.key is None:
            return
        if self.planner.spec.model.id is None:  # what lies at a path is another model on another volume
            return
        key = self.planner.key(planned.gpu, planned.offer.resource)
        self.observations.append(
            recorded(
                self.situation.observations,
                key,
                planned.settings,
                startup,
                run=self.outcome.key,
                reason=reason,
                message=message,
                now=self.situation.now,
            )
        )

    # --- the plan

    def _plan_anew(self, failed: Planned | None) -> Planned | None:
        """A plan that nothing has refuted; ``failed`` is the one whose command just did."""
        planned = self.planner.fresh(self.history, failed.offer if failed else None)
        self._note_use(planned)
        if planned is None or planned.plan is None or not planned.plan.fits:
            return planned
        server = self._server(planned)
        tried = fingerprints(self.history.episode(planned.episode).failed())
        if server.fingerprint in tried:
            self.stop = Stop("NotConverging", f"the best plan is a command that failed before: {planned.plan.message}")
            return planned
        if failed is not None or tried:
            self.retuning = _changes(failed.settings if failed else self._last_failed(planned), planned)
            self._tell(EventType.NORMAL, EventReason.RETUNED, f"{self.retuning}: {planned.plan.message}", "Retune")
        else:
            self._tell(EventType.NORMAL, EventReason.PLANNED, planned.plan.message, "Plan")
        return planned

    def _note_use(self, planned: Planned | None) -> None:
        if planned is None or planned.offer is None:
            return
        key = self.planner.key(planned.gpu, planned.offer.resource)
        written = {item["metadata"]["name"] for item in self.observations}
        noted = used(self.situation.observations, key, self.situation.now)
        self.observations += [item for item in noted if item["metadata"]["name"] not in written]

    def _last_failed(self, planned: Planned) -> EngineSettings:
        return self.history.episode(planned.episode).failed()[-1].settings

    def _exhausted(self, planned: Planned, newest: AttemptRecord) -> Stop | None:
        """The reason to stop where no further command may be tried."""
        allowed = self.planner.spec.retune.max_attempts
        tried = len(self.history.episode(planned.episode).attempts)
        if tried <= allowed:
            return None
        words = f"{newest.reason}: {newest.message}"
        help_ = self._what_would_help(planned)
        if allowed == 0:
            return Stop("RetuneDisabled", f"{words}; retune.maxAttempts is 0{help_}")
        return Stop("RetuneExhausted", f"{words}; {allowed} changed commands were tried{help_}")

    def _what_would_help(self, failed: Planned) -> str:
        proposed = self.planner.fresh(self.history, failed.offer)
        if proposed is None or proposed.plan is None:
            return ""
        if proposed.plan.fits:
            return f"; this would be tried next: {_changes(failed.settings, proposed)}"
        return f"; {proposed.plan.hint}" if proposed.plan.hint else ""

    def _server(self, planned: Planned) -> Server:
        target = self.situation.target
        return server_of(
            self.planner.spec,
            planned.settings,
            name=target.name,
            namespace=target.namespace,
            version=self.planner.version,
            offer=planned.offer,
        )

    # --- the answer

    def _in_force(self, planned: Planned) -> Decision:
        server = self._server(planned)
        attempt = self.history.find(planned.episode, server.fingerprint)
        if attempt is None and self.stop is None:
            attempt = AttemptRecord(
                server.fingerprint,
                planned.episode,
                planned.settings,
                STARTING,
                started_at=timestamp(self.situation.now),
            )
            self.history = self.history.put(attempt)
        plan = plan_status(planned, server, self.situation.target.status)
        conditions = self._conditions(plan, attempt)
        children = server.objects(stopped=self.stop is not None)
        return self._decision(conditions, plan, children)

    def _conditions(self, plan: dict[str, Any], attempt: AttemptRecord | None) -> tuple[Condition, ...]:
        planned = Condition(ConditionType.PLANNED, "True", plan["reason"], plan["message"])
        verified = self._verified(attempt, plan)
        available = self._available()
        ready = summary(planned, verified, available)
        conditions = [planned, verified, available, ready]
        if self.stop is not None:
            conditions.append(Condition(ConditionType.STALLED, "True", self.stop.reason, self.stop.message))
        elif ready.status != "True":
            conditions.append(Condition(ConditionType.RECONCILING, "True", ready.reason, ready.message))
        return tuple(conditions)

    def _verified(self, attempt: AttemptRecord | None, plan: dict[str, Any]) -> Condition:
        kind = ConditionType.CAPACITY_VERIFIED
        if self.stop is not None:
            return Condition(kind, "False", self.stop.reason, self.stop.message)
        if attempt is not None and attempt.outcome == STARTED:
            return Condition(kind, "True", "CapacityCheckPassed", _measured_words(attempt, plan))
        if self._serves_unread(plan):
            # vLLM answers /health only after its check; the log is asked for again at every look.
            words = f"the server is ready, so vLLM's check has passed; nothing was measured: {self.outcome.message}"
            return Condition(kind, "True", "CapacityCheckPassed", words)
        if self.retuning is not None or (attempt is not None and self._retuned(attempt)):
            words = self.retuning or "other flags are being tried after a failed start-up"
            return Condition(kind, "Unknown", "Retuning", words)
        outcome = self.outcome
        if outcome.state in {StartupState.STARTING, StartupState.NONE, StartupState.SERVING}:
            return Condition(
                kind, "Unknown", "Starting", "the server is starting; vLLM has not checked its capacity yet"
            )
        _, reason, message = reaction_to(outcome, served_before=False)
        return Condition(kind, "Unknown", reason, message)

    def _serves_unread(self, plan: dict[str, Any]) -> bool:
        """True where the planned command serves, but its log cannot be read."""
        outcome = self.outcome
        if outcome.state is not StartupState.SERVING or outcome.pod is None or not outcome.message:
            return False
        return ["vllm", "serve", *outcome.pod.args] == plan.get("command")

    def _retuned(self, attempt: AttemptRecord) -> bool:
        return bool(self.history.episode(attempt.episode).failed())

    def _available(self) -> Condition:
        kind, deployment = ConditionType.AVAILABLE, self.situation.child("Deployment")
        if self.stop is not None:
            return Condition(kind, "False", "ReplicasUnavailable", "the server is stopped: see CapacityVerified")
        status = (deployment or {}).get("status") or {}
        wanted = ((deployment or {}).get("spec") or {}).get("replicas", 1)
        ready = int(status.get("readyReplicas") or 0)
        if self.planner.spec.replicas == 0:
            return Condition(kind, "False", "ScaledToZero", "no replica is asked for")
        if deployment is not None and wanted and ready >= wanted:
            return Condition(kind, "True", "MinimumReplicasAvailable", f"{ready} of {wanted} replicas are ready")
        return Condition(kind, "False", "ReplicasUnavailable", f"{ready} of {wanted or 1} replicas are ready")

    def _no_gpu(self) -> Decision:
        words = self.planner.offers.refusal(self.planner.spec.gpu)
        return self._refusal("NoMatchingGPU", words, None)

    def _does_not_fit(self, planned: Planned) -> Decision:
        plan = planned.plan
        assert plan is not None
        words = f"{plan.message}; {plan.hint}" if plan.hint else plan.message
        failed = self.history.episode(planned.episode).failed()
        if failed:
            newest = failed[-1]
            reason = newest.reason or str(plan.reason)
            self.stop = Stop(reason, f"{newest.message}; nothing that is left free would mend it: {words}")
            settings, episode = newest.settings, planned.episode
            return self._in_force_stopped(Planned(plan, settings, planned.offer, episode))
        reason = "ModelLayoutUnknown" if plan.verdict is Verdict.UNKNOWN else str(plan.reason)
        return self._refusal(reason, words, planned, unknown=plan.verdict is Verdict.UNKNOWN)

    def _in_force_stopped(self, planned: Planned) -> Decision:
        server = self._server(planned)
        plan = plan_status(planned, server, self.situation.target.status)
        attempt = self.history.find(planned.episode, server.fingerprint)
        return self._decision(self._conditions(plan, attempt), plan, server.objects(stopped=True))

    def _refusal(self, reason: str, message: str, planned: Planned | None, *, unknown: bool = False) -> Decision:
        status: Status = "Unknown" if unknown else "False"
        planned_condition = Condition(ConditionType.PLANNED, status, reason, message)
        verified = Condition(ConditionType.CAPACITY_VERIFIED, "Unknown", reason, "there is no plan to verify")
        available = self._available()
        conditions = (
            planned_condition,
            verified,
            available,
            summary(planned_condition, verified, available),
            Condition(ConditionType.STALLED, "True", reason, message),
        )
        plan = plan_status(planned, None, {}) if planned is not None else None
        event = EventReason.PLAN_UNKNOWN if unknown else EventReason.DOES_NOT_FIT
        if self._is_news(ConditionType.PLANNED, status, message):
            self._tell(EventType.WARNING, event, f"{reason}: {message}", "Plan")
        return self._decision(conditions, plan, ())

    def _decision(
        self, conditions: tuple[Condition, ...], plan: dict[str, Any] | None, children: tuple[Manifest, ...]
    ) -> Decision:
        before = self.situation.target.status
        self._tell_transitions(conditions)
        status = status_with(self.situation, conditions, plan, self.history, self.observed or before.get("observed"))
        return Decision(
            children=children,
            status=status,
            events=tuple(self.events),
            observations=tuple(self.observations),
            requeue_after=self.requeue or _next_look(conditions),
        )

    def _tell_transitions(self, conditions: tuple[Condition, ...]) -> None:
        before = self.situation.target.status
        for condition in conditions:
            if status_of(before, condition.type) == condition.status:
                continue
            if condition.type is ConditionType.CAPACITY_VERIFIED and condition.status == "True":
                self._tell(EventType.NORMAL, EventReason.CAPACITY_VERIFIED, condition.message, "Verify")
            elif condition.type is ConditionType.READY and condition.status == "True":
                self._tell(EventType.NORMAL, EventReason.READY, condition.message, "Verify")
            elif condition.type is ConditionType.READY and status_of(before, condition.type) == "True":
                self._tell(EventType.WARNING, EventReason.NOT_READY, condition.message, "Verify")
            elif condition.type is ConditionType.STALLED and self.stop is not None:
                self._tell(EventType.WARNING, EventReason.STOPPED, condition.message, "Stop")

    def _is_news(self, kind: ConditionType, status: str, message: str) -> bool:
        for item in self.situation.target.status.get("conditions") or ():
            if item["type"] == str(kind):
                return (item["status"], item["message"]) != (status, message)
        return True

    def _tell(self, kind: EventType, reason: EventReason, message: str, action: str) -> None:
        self.events.append(Event(kind, str(reason), message, action))


def _next_look(conditions: tuple[Condition, ...]) -> float | None:
    """Seconds until the next look while something is under way: a watch may have missed what happened meanwhile."""
    settled = any(
        condition.type is ConditionType.STALLED
        or (condition.type is ConditionType.READY and condition.status == "True")
        for condition in conditions
    )
    return None if settled else UNDER_WAY_SECONDS


def _numbers(startup: MeasuredStartup) -> dict[str, Any]:
    numbers = {
        "kvCacheBytes": startup.kv_cache_bytes,
        "kvTokens": startup.kv_tokens,
        "totalBytes": startup.total_bytes,
        "freeBytes": startup.free_bytes,
        "missingBytes": startup.missing_bytes,
        "outsideBudget": startup.outside_budget or None,
    }
    return {name: value for name, value in numbers.items() if value is not None}


def _observed(startup: MeasuredStartup, diagnosis: Diagnosis, fingerprint: str, status: Manifest) -> dict[str, Any]:
    predicted = ((status.get("plan") or {}).get("container") or {}).get("capacityTokens")
    values = {
        "fingerprint": fingerprint,
        "kvTokens": startup.kv_tokens,
        "kvCacheBytes": startup.kv_cache_bytes,
        "weightsBytes": startup.weights_bytes,
        "activationPeakBytes": startup.activation_peak_bytes,
        "nonTorchBytes": startup.non_torch_bytes,
        "cudaGraphBytes": startup.cuda_graph_bytes,
        "totalBytes": startup.total_bytes,
        "freeBytes": startup.free_bytes,
        "concurrency": diagnosis.observation.concurrency,
        "predictedKvTokens": predicted,
    }
    return {name: value for name, value in values.items() if value is not None}


def _measured_words(attempt: AttemptRecord, plan: dict[str, Any]) -> str:
    tokens = attempt.numbers.get("kvTokens")
    predicted = (plan.get("container") or {}).get("capacityTokens")
    if tokens is None:
        return "vLLM passed its capacity check; its log no longer holds the figures"
    if predicted is None:
        return f"{tokens:,} tokens measured"
    return f"{tokens:,} tokens measured, {predicted:,} predicted"


def _changes(before: EngineSettings, planned: Planned) -> str:
    """What a new command changes, and at which price."""
    after = planned.settings
    prices = {flag: move.cost for move in (planned.plan.ladder if planned.plan else ()) for flag, _, _ in move.change}
    words = [
        f"--{name.replace('_', '-')} {_shown(getattr(before, name))} -> {_shown(getattr(after, name))}"
        + (f" ({prices[name]})" if name in prices else "")
        for name in (
            "max_model_len",
            "gpu_memory_utilization",
            "tensor_parallel_size",
            "kv_cache_dtype",
            "max_num_seqs",
            "max_num_batched_tokens",
            "limit_mm_per_prompt",
            "mm_processor_kwargs",
            "enforce_eager",
        )
        if getattr(before, name) != getattr(after, name)
    ]
    return ", ".join(words) or "the same flags on another GPU"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(f"{name}: {limit.count}" for name, limit in value) + "}"
    return "default" if value is None else str(value)
