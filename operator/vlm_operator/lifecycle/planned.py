"""The plan in force: the one that status remembers while its episode lasts and it has not failed; else a new one.

A plan that serves is not improved upon: a better figure that another start-up measured would restart a healthy server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.settings_json import settings_from_json
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.lifecycle.episode import episode_of
from vlm_operator.lifecycle.history import FAILED, History
from vlm_operator.lifecycle.observations import ObservationKey, evidence_of, key_of
from vlm_operator.lifecycle.offers import Offers, offers, with_free
from vlm_operator.lifecycle.server import Server, server_of
from vlm_operator.lifecycle.situation import Situation
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.evidence import NOTHING, Evidence
from vlm_operator.planning.gpu_choice import GPUOffer, choose_gpu
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.log_evidence import MeasuredStartup, as_evidence, together
from vlm_operator.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with where it is to run.

    Attributes:
        plan: None where the plan of ``status.plan`` stays in force: it is not computed again.
        settings: flags of the command.
        offer: the GPUs; None on the CPU backend.
        episode: the episode it belongs to.
    """

    plan: Plan | None
    settings: EngineSettings
    offer: GPUOffer | None
    episode: str

    @property
    def gpu(self) -> GPUFacts | None:
        """One of the GPUs."""
        return self.offer.gpu if self.offer else None


@dataclass(frozen=True, slots=True)
class Planner:
    """Everything a plan of one VLMDeployment rests on."""

    situation: Situation
    spec: VLMDeploymentSpec
    model: ModelFacts
    intent: Intent
    offers: Offers

    @classmethod
    def of(cls, situation: Situation, spec: VLMDeploymentSpec, model: ModelFacts) -> Planner:
        """For a situation whose model is known.

        Raises:
            UnknownFact: the image does not say its vLLM release.
        """
        cluster = Offers(())
        if spec.cpu is None:
            cluster = offers(situation.nodes, spec.gpu)
            if spec.gpu is None or spec.gpu.product is None:  # only then is there a choice
                cluster = with_free(cluster, situation.gpus_in_use, situation.gpus_awaited)
        return cls(situation, spec, model, intent_of(spec, engine_version(spec)), cluster)

    @property
    def version(self) -> EngineVersion:
        """The vLLM release planned for."""
        return self.intent.version

    def key(self, offer: GPUOffer | None) -> ObservationKey:
        """What observations must share with a start-up on ``offer`` (None: the CPU backend)."""
        return key_of(self.spec, self.version, offer)

    def server(self, planned: Planned) -> Server:
        """The server that runs a plan."""
        return _server(self, planned)

    def episode(self, gpu: GPUFacts | None) -> str:
        """The episode of this spec on ``gpu``."""
        return episode_of(self.situation.target.spec, gpu)

    def evidence(self, offer: GPUOffer | None, history: History) -> Evidence:
        """Everything measured that bears on a plan for ``offer``: observations, and this spec's own attempts."""
        own = [
            as_evidence(
                MeasuredStartup(
                    kv_cache_bytes=attempt.numbers.get("kvCacheBytes"),
                    total_bytes=attempt.numbers.get("totalBytes"),
                    free_bytes=attempt.numbers.get("freeBytes"),
                    missing_bytes=attempt.numbers.get("missingBytes"),
                    outside_budget=bool(attempt.numbers.get("outsideBudget")),
                    compile_cache=attempt.numbers.get("compileCache"),
                ),
                attempt.settings,
                failed=attempt.outcome == FAILED,
                source="this deployment's own failed start-up",
            )
            for attempt in history.episode(self.episode(offer.gpu if offer else None)).failed()
        ]
        observed = evidence_of(self.situation.observations, self.key(offer))
        parts = [part for part in (observed, *own) if part is not NOTHING]
        return together(tuple(parts)) if parts else NOTHING

    def remembered(self, history: History) -> Planned | None:
        """The plan of ``status.plan`` while its episode lasts, whether or not its command has failed since."""
        status = self.situation.target.status.get("plan") or {}
        if not status.get("fingerprint") or not status.get("settings"):
            return None
        offer = None
        if self.spec.cpu is None:
            gpu = status.get("gpu") or {}
            offer = _find(self.offers.matching, gpu.get("product"), gpu.get("resource"))
            if offer is None:
                return None
        episode = self.episode(offer.gpu if offer else None)
        if status.get("episode") != episode:
            return None
        if history.find(episode, status["fingerprint"]) is None:
            return None
        return Planned(None, settings_from_json(status["settings"]), offer, episode)

    def fresh(self, history: History, prefer: GPUOffer | None = None) -> Planned | None:
        """A new plan; on ``prefer`` where it fits there. None where no GPU matches.

        Raises:
            InputError: the spec contradicts itself or the model.
        """
        if self.spec.cpu is not None:
            made = cpu_plan(self.model, self.intent, self.evidence(None, history))
            return Planned(made, made.settings, None, self.episode(None))
        if prefer is not None:
            intent = replace(self.intent, gpus_available=prefer.count)
            made = plan(self.model, prefer.gpu, intent, self.evidence(prefer, history))
            if made.fits or len(self.offers.matching) == 1:
                return Planned(made, made.settings, prefer, self.episode(prefer.gpu))
        chosen = choose_gpu(self.model, self.offers.matching, self.intent, lambda offer: self.evidence(offer, history))
        if chosen is None:
            return None
        made, offer = chosen
        return Planned(made, made.settings, offer, self.episode(offer.gpu))


@cached_by_identity(2, kept=64)
def _server(planner: Planner, planned: Planned) -> Server:
    """Asked for several times while one Decision is computed."""
    target = planner.situation.target
    return server_of(
        planner.spec,
        planned.settings,
        name=target.name,
        namespace=target.namespace,
        version=planner.version,
        offer=planned.offer,
        model=planner.model,
    )


def _find(matching: Iterable[GPUOffer], product: str | None, resource: str | None) -> GPUOffer | None:
    return next((offer for offer in matching if (offer.gpu.label, offer.resource) == (product, resource)), None)
