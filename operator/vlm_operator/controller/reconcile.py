"""One VLMDeployment, from what is to what should be: gather, decide, apply. Level-triggered and safe to repeat."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from vlm_operator.api.names import API_VERSION
from vlm_operator.controller.api_errors import NotFound, Outdated
from vlm_operator.controller.apply import Applier
from vlm_operator.controller.client import Client, path_of
from vlm_operator.controller.gather import gather, read_log
from vlm_operator.controller.metrics import Metrics
from vlm_operator.controller.models import Models
from vlm_operator.controller.queue import Key
from vlm_operator.controller.reservations import Reservations
from vlm_operator.controller.service_reader import ServiceReader
from vlm_operator.controller.watches import World
from vlm_operator.lifecycle.decision import Decision
from vlm_operator.lifecycle.situation import Rejection, Situation
from vlm_operator.rendering import PodTemplatePolicy

LOGGER: Final = logging.getLogger(__name__)

ROUNDS: Final = 3
"""How often a decision may ask for further logs before it must be made without."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a reconcile ended.

    Attributes:
        name: ``ok``, ``gone``, ``outdated`` or ``rejected``; a label of the metric.
        requeue_after: seconds until the next look, None for never.
        failed: True where the queue should back off.
    """

    name: str
    requeue_after: float | None = None
    failed: bool = False


class Reconciler:
    """Reconciles VLMDeployments of one API server; each by one thread at a time.

    Args:
        client: the API server: logs, and what a conflict says is newer than the cache.
        world: what the watches have seen.
        models: facts of models.
        applier: writes.
        metrics: what is counted.
        decide: the answer to a situation.
        policy: what pod templates may ask for.
        now: the time; UTC.
        service: reads what servers print while they serve.
    """

    def __init__(
        self,
        client: Client,
        world: World,
        models: Models,
        applier: Applier,
        metrics: Metrics,
        *,
        decide: Callable[[Situation], Decision],
        policy: PodTemplatePolicy = PodTemplatePolicy.RESTRICTED,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        service: ServiceReader | None = None,
    ) -> None:
        self._client = client
        self._world = world
        self._models = models
        self._applier = applier
        self._metrics = metrics
        self._decision_of = decide
        self._policy = policy
        self._now = now
        self._service = service or ServiceReader(client)
        self._rejections: dict[Key, Rejection] = {}
        self._accepted: set[Key] = set()
        self._reservations = Reservations()
        self._sharing = threading.Lock()

    def reconcile(self, key: Key) -> Result:
        """Look at one VLMDeployment and make what should be of it.

        Of those that share a GPU one at a time: each has to see what the one before it was given, and let start.

        Raises:
            ApiError: a request failed; the same call may be repeated at any time.
        """
        with self._sharing if self._world.cache.shares(key) else nullcontext():
            return self._reconcile(key)

    def _reconcile(self, key: Key) -> Result:
        refused = self._rejections.get(key)
        situation = gather(self._world, self._models, key, policy=self._policy, rejection=refused, now=self._now())
        if situation is None:
            self._metrics.forget(key)
            self._rejections.pop(key, None)
            self._accepted.discard(key)
            self._reservations.forget(key)
            self._service.forget(key)
            return Result("gone")
        if situation.rejection is None and key not in self._accepted:  # what was refused before a restart
            situation = replace(situation, rejection=Rejection.of_status(situation.target))
        before = situation.rejection
        situation = self._service.read(key, situation)
        try:
            decision, situation = self._chosen(key, situation)
            rejection = self._applier.apply(situation, decision)
            self._service.settled(key, situation)
        except Outdated as error:
            LOGGER.debug("read again: %s", error.message)
            self._service.unsettled(key)
            self._read_again(key)
            return Result("outdated", failed=True)
        except NotFound as error:  # deleted, or its namespace was, while it was being looked at
            LOGGER.info("gone meanwhile: %s", error.message, extra={"vlmdeployment": "/".join(key)})
            return Result("gone", failed=True)
        if decision.status is not None:
            self._metrics.count(decision.events, decision.status)
            self._metrics.show(key, decision.status)
        return self._concluded(key, before, rejection, decision)

    def _read_again(self, key: Key) -> None:
        """Somebody wrote what the watch has not brought yet."""
        live = self._client.find(path_of(API_VERSION, "VLMDeployment", key.namespace, key.name))
        if live is not None:
            self._world.cache.wrote(live)

    def _chosen(self, key: Key, situation: Situation) -> tuple[Decision, Situation]:
        """The decision; where it is free to choose GPUs, none that another was just given."""
        spec, plan = situation.target.spec, situation.target.status.get("plan") or {}
        if spec.get("cpu") or (spec.get("gpu") or {}).get("product"):
            return self._noted(key, self._decide(situation))
        if plan.get("fingerprint"):  # it has its GPUs; only a failed start-up makes it choose again
            return self._noted(key, self._decide(self._with_awaited(key, situation)))
        with self._reservations.choosing:
            return self._noted(key, self._decide(self._with_awaited(key, situation)))

    def _with_awaited(self, key: Key, situation: Situation) -> Situation:
        holders = self._world.gpu_holders()
        return replace(situation, gpus_awaited=self._reservations.awaited(key, holders))

    def _noted(self, key: Key, decided: tuple[Decision, Situation]) -> tuple[Decision, Situation]:
        if decided[0].status is not None:
            self._reservations.given(key, decided[0].status)
        return decided

    def _decide(self, situation: Situation) -> tuple[Decision, Situation]:
        for _ in range(ROUNDS):
            decision = self._decision_of(situation)
            wanted = [request for request in decision.needs if situation.log(request.key) is None]
            if not wanted:
                return decision, situation
            namespace = situation.target.namespace
            logs = tuple(read_log(self._client, namespace, request) for request in wanted)
            situation = replace(situation, logs=situation.logs + logs)
        raise AssertionError(f"no decision after {ROUNDS} rounds: needs {decision.needs}")

    def _concluded(self, key: Key, before: Rejection | None, rejection: Rejection | None, decision: Decision) -> Result:
        if rejection is None:
            self._rejections.pop(key, None)
            if before is not None:
                self._accepted.add(key)
            else:
                self._accepted.discard(key)
            # What the API server refused before it takes now: the status that says so is out of date.
            return Result("ok", requeue_after=0.0 if before is not None else decision.requeue_after)
        LOGGER.warning(
            "%s %s not applied: %s",
            rejection.kind,
            rejection.name,
            rejection.message,
            extra={"vlmdeployment": "/".join(key)},
        )
        self._rejections[key] = rejection
        if not rejection.is_again(before):
            return Result("rejected", requeue_after=0.0)  # decide again, to say so
        return Result("rejected", failed=True)
