"""The plan in force: the one that status remembers while its episode lasts and it has not failed; else a new one.

A plan that serves is not improved upon: a better figure that another start-up measured would restart a healthy server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.api.gpu_spec import GPUSpec
from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.settings_json import settings_from_json
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.engine_facts.document import EngineFacts
from vlm_operator.errors import ModelNotFound, SourceUnavailable, UnknownFact, VlmOperatorError
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.lifecycle.dry_run.knowledge import about, bearing, read_facts, told_version
from vlm_operator.lifecycle.dry_run.subject import DryRunSubject, subject_of
from vlm_operator.lifecycle.episode import episode_of
from vlm_operator.lifecycle.free_memory import with_free_memory
from vlm_operator.lifecycle.gpu_share import GroupPlan, group_plan, node_labels
from vlm_operator.lifecycle.history import FAILED, History
from vlm_operator.lifecycle.observations import ObservationKey, evidence_of, key_of
from vlm_operator.lifecycle.offers import Offers, offers, with_free
from vlm_operator.lifecycle.server import Server, server_of
from vlm_operator.lifecycle.situation import Situation
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.asked_plan import AskedPlan, asked_plan, flags_to_ask, gpu_count, unasked_plan
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.engine_evidence import evidence_of as simulated
from vlm_operator.planning.evidence import NOTHING, Evidence
from vlm_operator.planning.gpu_choice import GPUOffer, choose_gpu
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.log_evidence import MeasuredStartup, as_evidence, together
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.share import Sharer
from vlm_operator.planning.verdict import Verdict
from vlm_operator.rendering import SharedGPU

MOST_ANSWERS: Final = 8
"""Answers that a plan may follow: a long and a short context, on one, two, four and eight GPUs."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with where it is to run.

    Attributes:
        plan: None where the plan of ``status.plan`` stays in force: it is not computed again; an ``AskedPlan`` where
            only vLLM itself knows the model.
        settings: flags of the command.
        offer: the GPUs; None on the CPU backend.
        episode: the episode it belongs to.
        nodes: nodes that a replica stands on.
        group: the plan of the group that shares the GPU, where one was just made.
    """

    plan: Plan | AskedPlan | None
    settings: EngineSettings
    offer: GPUOffer | None
    episode: str
    nodes: int = 1
    group: GroupPlan | None = None

    @property
    def gpu(self) -> GPUFacts | None:
        """One of the GPUs."""
        return self.offer.gpu if self.offer else None


@dataclass(frozen=True, slots=True)
class Planner:
    """Everything a plan of one VLMDeployment rests on.

    Attributes:
        model: None where only vLLM itself can tell about it.
        facts: what dry runs have found that bears on this VLMDeployment.
        unknown: why ``model`` is None, or why its rules do not hold for this vLLM.
    """

    situation: Situation
    spec: VLMDeploymentSpec
    model: ModelFacts | None
    intent: Intent
    offers: Offers
    facts: tuple[EngineFacts, ...] = ()
    unknown: VlmOperatorError | None = None

    @classmethod
    def of(cls, situation: Situation, spec: VLMDeploymentSpec) -> Planner:
        """For a situation whose model is known, or may be asked of vLLM.

        Raises:
            UnknownFact: the image does not say its vLLM release, and vLLM is not to be asked.
            VlmOperatorError: what the model source said instead of facts, where vLLM is not to be asked.
        """
        namespace = situation.target.namespace
        facts = read_facts(bearing(situation.engine_facts, spec, namespace)) if situation.engine_facts else ()
        unknown = situation.model_error
        try:
            version = engine_version(spec)
        except UnknownFact as error:
            told = told_version(facts)
            version, unknown = told or DEFAULT, unknown if told else unknown or error
        if unknown is not None and not may_ask(spec, unknown) and (spec.cpu is not None or not facts):
            raise unknown
        model = None if unknown is not None else situation.model
        return cls(situation, spec, model, intent_of(spec, version), cls._cluster(situation, spec), facts, unknown)

    @staticmethod
    def _cluster(situation: Situation, spec: VLMDeploymentSpec) -> Offers:
        cluster = Offers(())
        if spec.cpu is None:
            cluster = offers(situation.nodes, spec.gpu, spec.topology)
            if spec.gpu is None or spec.gpu.product is None:  # only then is there a choice
                cluster = with_free(cluster, situation.gpus_in_use, situation.gpus_awaited)
            neighbours = (pod.uid for each in situation.neighbours for pod in each.pods)
            own = frozenset((*(pod.uid for pod in situation.pods), *neighbours))
            cluster = with_free_memory(cluster, situation.nodes, situation.gpus_in_use, own, situation.now)
        return cluster

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

    def told_weights(self, planned: Planned) -> int | None:
        """Weights of the whole model as vLLM told them when the plan was made; None for a model that rules know."""
        if self.model is not None:
            return None
        if isinstance(planned.plan, AskedPlan):
            return planned.plan.weights_bytes
        told = ((self.situation.target.status.get("plan") or {}).get("budget") or {}).get("weightsBytes")
        return None if told is None else int(told) * gpu_count(planned.settings)

    def subject(self, offer: GPUOffer, settings: EngineSettings) -> DryRunSubject:
        """What vLLM is asked about these flags on ``offer``.

        Raises:
            UnknownFact: the GPU's compute capability is not known.
        """
        namespace = self.situation.target.namespace
        return subject_of(self.spec, namespace, offer.gpu, settings, self.version)

    def episode(self, gpu: GPUFacts | None) -> str:
        """The episode of this spec on ``gpu``."""
        return episode_of(self.situation.target.spec, gpu, self.situation.model_config)

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
                    in_service=bool(attempt.numbers.get("inService")),
                    compile_cache=attempt.numbers.get("compileCache"),
                ),
                attempt.settings,
                failed=attempt.outcome == FAILED,
                source="this deployment's own failed start-up",
            )
            for attempt in history.episode(self.episode(offer.gpu if offer else None)).failed()
        ]
        observed = evidence_of(self.situation.observations, self.key(offer))
        asked = [
            simulated(each)
            for each in self.facts
            if offer is not None and each.gpu_product == offer.gpu.label and each.vllm_version == str(self.version)
        ]
        parts = [part for part in (observed, *asked, *own) if part is not NOTHING]
        return together(tuple(parts)) if parts else NOTHING

    def remembered(self, history: History) -> Planned | None:
        """The plan of ``status.plan`` while its episode lasts, whether or not its command has failed since."""
        status = self.situation.target.status.get("plan") or {}
        if not status.get("fingerprint") or not status.get("settings"):
            return None
        offer = None
        if self.spec.cpu is None:
            gpu = status.get("gpu") or {}
            offer = _find(self.offers.matching, gpu)
            if offer is None:
                return None
        episode = self.episode(offer.gpu if offer else None)
        if status.get("episode") != episode:
            return None
        if history.find(episode, status["fingerprint"]) is None:
            return None
        nodes = int((status.get("gpu") or {}).get("nodesPerReplica") or 1)
        return Planned(None, settings_from_json(status["settings"]), offer, episode, nodes)

    def fresh(self, history: History, prefer: GPUOffer | None = None) -> Planned | None:
        """A new plan; on ``prefer`` where it fits there. None where no GPU matches.

        Where rules do not know the model or the release, the plan is vLLM's own answer, or the question to it.

        Raises:
            InputError: the spec contradicts itself or the model.
            UnknownFact: something is not known, and vLLM is not to be asked.
        """
        if self.spec.gpu is not None and self.spec.gpu.share is not None:
            return self._in_group(self.spec.gpu, history)
        if self.model is None or self.unknown is not None:
            return self._asked(history, prefer, self.unknown)
        try:
            planned = self._by_rules(self.model, history, prefer)
        except UnknownFact as error:
            if not self.facts and not may_ask(self.spec, error):
                raise
            return self._asked(history, prefer, error)
        made = planned.plan if planned is not None else None
        if made is None or made.verdict is not Verdict.UNKNOWN or made.gpu is None or not made.gpu.supported:
            return planned
        unknown = UnknownFact(made.message, field="model", hint=made.hint)
        if not self.facts and not may_ask(self.spec, unknown):
            return planned
        return self._asked(history, planned.offer if planned else prefer, unknown)

    def _in_group(self, gpu: GPUSpec, history: History) -> Planned | None:
        """On a GPU that several share: what vLLM alone could tell is not enough to add up."""
        if self.model is None or self.unknown is not None:
            raise self.unknown or UnknownFact("gpu.share: the model is not known", field="gpu.share")
        me = Sharer(self.situation.target.name, self.model, self.intent)
        made = group_plan(self.situation, gpu, self.offers, me, lambda offer: self.evidence(offer, history))
        if made is None:
            return None
        found = made.own.plan
        return Planned(found, found.settings, made.offer, self.episode(made.offer.gpu), group=made)

    def _by_rules(self, model: ModelFacts, history: History, prefer: GPUOffer | None) -> Planned | None:
        if self.spec.cpu is not None:
            made = cpu_plan(model, self.intent, self.evidence(None, history))
            return Planned(made, made.settings, None, self.episode(None))
        if prefer is not None:
            made = plan(model, prefer.gpu, prefer.asked(self.intent), self.evidence(prefer, history))
            if made.fits or (len(self.offers.matching) == 1 and self.intent.nodes == 1):
                return Planned(made, made.settings, prefer, self.episode(prefer.gpu), made.nodes)
        chosen = choose_gpu(model, self.offers.matching, self.intent, lambda offer: self.evidence(offer, history))
        if chosen is None:
            return None
        made, offer = chosen
        return Planned(made, made.settings, offer, self.episode(offer.gpu), made.nodes)

    def _asked(self, history: History, prefer: GPUOffer | None, unknown: VlmOperatorError | None) -> Planned | None:
        """By vLLM's own answer; before there is one, a plan that is ``Unknown`` with the flags to ask about."""
        offer = prefer or offer_to_ask(self.offers.matching, self.facts)
        if offer is None:
            return None
        words = unknown.message if unknown is not None else "the model is not known"
        settings, intent = flags_to_ask(self.intent), offer.asked(self.intent)
        made = unasked_plan(offer.gpu, self.intent, settings, words, unknown.hint if unknown else None)
        for _ in range(MOST_ANSWERS):
            facts = about(self.facts, self.subject(offer, settings), self.intent)
            if facts is None:
                made = unasked_plan(offer.gpu, self.intent, settings, words, unknown.hint if unknown else None)
                break
            made = asked_plan(facts, offer.gpu, intent, self.version, self._found(history, offer))
            if made.next_question is None:
                break
            settings = made.next_question
        return Planned(made, made.settings, offer, self.episode(offer.gpu))

    def _found(self, history: History, offer: GPUOffer) -> int | None:
        """The least KV cache that start-ups of this episode found, None where none told."""
        attempts = history.episode(self.episode(offer.gpu)).attempts
        sizes = [attempt.numbers["kvCacheBytes"] for attempt in attempts if "kvCacheBytes" in attempt.numbers]
        return min(sizes, default=None)


def may_ask(spec: VLMDeploymentSpec, unknown: VlmOperatorError) -> bool:
    """Whether vLLM itself may be asked about what is not known.

    A model that the operator does not find is asked for only where the pod may reach more: with a token, or a volume.
    """
    if spec.dry_run == "Never" or spec.cpu is not None:
        return False
    if isinstance(unknown, UnknownFact):
        return True
    if spec.model.config is not None:  # not there yet: it is to be waited for
        return False
    cache = spec.model_cache
    holds_models = cache is not None and (cache.claim is not None or cache.host_path is not None)
    reaches_more = spec.model.token_secret_ref is not None or holds_models
    return isinstance(unknown, SourceUnavailable | ModelNotFound) and reaches_more


def offer_to_ask(matching: Iterable[GPUOffer], facts: Iterable[EngineFacts]) -> GPUOffer | None:
    """The GPUs to ask about where the spec names none; None where there are none.

    Those that were asked about, else the largest: whatever is free at the moment, the question stays the same.
    """
    asked = {each.gpu_product for each in facts}
    return max(
        (offer for offer in matching if offer.gpu.supported),
        key=lambda offer: (offer.gpu.label in asked, offer.gpu.total_bytes, offer.gpu.label, offer.resource),
        default=None,
    )


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
        weights_bytes=planner.told_weights(planned),
        nodes=planned.nodes,
        share=_shared_gpu(planner, planned),
    )


def _shared_gpu(planner: Planner, planned: Planned) -> SharedGPU | None:
    """How its pods come onto the group's GPU, None where it has GPUs of its own."""
    gpu, situation = planner.spec.gpu, planner.situation
    if gpu is None or gpu.share is None or planned.offer is None:
        return None
    members = (situation.target, *(each.target for each in situation.neighbours))
    owners = tuple((each.name, each.uid) for each in members)
    return SharedGPU(gpu.share.group, node_labels(planned.offer), owners)


def _find(matching: Iterable[GPUOffer], gpu: Mapping[str, Any]) -> GPUOffer | None:
    """The offer of ``status.plan.gpu``; one product may be offered to one pod each, and to several."""
    place = gpu.get("product"), gpu.get("resource")
    found = [offer for offer in matching if (offer.gpu.label, offer.resource) == place]
    return min(found, key=lambda offer: offer.gpu.shared != bool(gpu.get("shared")), default=None)
