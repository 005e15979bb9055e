"""What is watched: the kinds a decision rests on, each kept in a cache by an informer.

Events only ever put keys into the queue; nothing is written to users' objects, and there are no finalizers: an operator
that is down must not keep ``kubectl delete`` hanging.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from vlm_operator.api.names import (
    AGENT_LABEL,
    API_VERSION,
    DEPLOYMENT_LABEL,
    DRY_RUN_LABEL,
    MODEL_CONFIG_LABEL,
    SHARE_LABEL,
)
from vlm_operator.controller.cache import (
    FACTS,
    JOB,
    OBSERVATION,
    POD,
    ROOT,
    SETTLE_SECONDS,
    SHARED_CLAIM,
    Cache,
    Changed,
    DryRunPods,
    KindOfCache,
)
from vlm_operator.controller.client import Client
from vlm_operator.controller.fit_reports import FIT_REPORT, FitReports
from vlm_operator.controller.gpu_use import ClaimUse, GpuUse, together
from vlm_operator.controller.informer import Informer, Sink, Watched
from vlm_operator.controller.model_configs import CONFIG_MAP, ModelConfigs
from vlm_operator.controller.nodes import Nodes
from vlm_operator.controller.queue import Key
from vlm_operator.gpu.resources import DRA_DRIVER
from vlm_operator.lifecycle.children import CHILD_KINDS

BOUND_AND_ALIVE: Final = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
"""Field selector of pods that may hold GPUs."""


class World:
    """The cluster as the watches have seen it. Safe to use from several threads.

    Args:
        changed: told which VLMDeployments are to be looked at, from an informer's thread.

    Attributes:
        cache: VLMDeployments, children, pods of model servers, observations, facts, Jobs of dry runs and their pods.
        nodes: nodes with GPUs.
        gpu_use: GPUs that pods of anybody ask for.
        claim_use: devices that claims of anybody were given.
        model_configs: ConfigMaps with configs of models.
        fit_reports: what audits found; only exported.
    """

    def __init__(self, changed: Changed) -> None:
        self.cache = Cache(changed)
        self.nodes = Nodes(lambda delay: changed(self.cache.keys(), delay))
        self.gpu_use = GpuUse()
        self.claim_use = ClaimUse()
        self.model_configs = ModelConfigs(self._look_at_namespace)
        self.fit_reports = FitReports()
        self._changed = changed
        self._lock = threading.Lock()
        self._missing: dict[Watched, str] = {}

    def gpus_in_use(self, but: Key, shares: str = "") -> Mapping[str, Mapping[str, int]] | None:
        """By node and resource, GPUs that others than ``but`` ask for or were given; None where pods are not known.

        Args:
            shares: the group whose claim is its own, too; empty for none.
        """
        return together(self.gpu_use.by_node(but), self.claim_use.by_node(but, self.nodes.snapshot(), shares))

    def gpu_holders(self) -> frozenset[Key]:
        """VLMDeployments whose pods or claims hold GPUs."""
        return self.gpu_use.holders() | self.claim_use.holders()

    def missing_kinds(self) -> Mapping[str, str]:
        """Kinds that the API server does not have or does not show, with its words."""
        with self._lock:
            return {watched.kind: words for watched, words in self._missing.items()}

    def _look_at_namespace(self, namespace: str) -> None:
        """A config of a model there has changed."""
        self._changed([key for key in self.cache.keys() if key.namespace == namespace], SETTLE_SECONDS)  # noqa: SIM118

    def answered(self, watched: Watched, refusal: str | None) -> None:
        """Whether these objects can be listed; what is news makes every VLMDeployment be looked at.

        Args:
            refusal: the API server's words, None where it listed them.
        """
        with self._lock:
            is_news = (watched in self._missing) != (refusal is not None)
            if refusal is None:
                self._missing.pop(watched, None)
            else:
                self._missing[watched] = refusal
        if is_news:
            self._changed(self.cache.keys(), 0.0)


class Watches:
    """The informers of one operator.

    Args:
        client: the API server.
        world: what they fill.
        namespaces: those to watch; empty for all.
        synced: called from an informer's thread when the last of the listings is in the caches; maybe twice.
    """

    def __init__(self, client: Client, world: World, namespaces: Sequence[str], synced: Callable[[], None]) -> None:
        self._synced = synced
        self._informers = [
            Informer(client, watched, sink, self._one_synced, world.answered)
            for watched, sink in watched_kinds(world, namespaces)
        ]

    def __len__(self) -> int:
        return len(self._informers)

    def start(self) -> None:
        """Start them all."""
        for informer in self._informers:
            informer.start()

    def stop(self) -> None:
        """Let them end."""
        for informer in self._informers:
            informer.stop()

    def waiting_for(self) -> str | None:
        """The first listing that is not there yet, with the reason; None once all are."""
        return next((informer.problem for informer in self._informers if informer.problem), None)

    def _one_synced(self) -> None:
        if self.waiting_for() is None:
            self._synced()


def watched_kinds(world: World, namespaces: Sequence[str]) -> Iterable[tuple[Watched, Sink]]:
    """Which objects fill which cache."""
    labels = DEPLOYMENT_LABEL
    yield Watched("v1", "Node"), world.nodes
    dra = "resource.k8s.io/v1"
    yield Watched(dra, "ResourceSlice", fields=f"spec.driver={DRA_DRIVER}", required=False), world.nodes.slices
    yield Watched(dra, "DeviceClass", required=False), world.nodes.device_classes
    yield Watched(dra, "ResourceClaim", required=False), world.claim_use.claims
    yield Watched(API_VERSION, OBSERVATION), KindOfCache(world.cache, OBSERVATION)
    yield Watched(API_VERSION, FACTS), KindOfCache(world.cache, FACTS)
    yield Watched(API_VERSION, "GPUNode", required=False), world.nodes.measured
    yield Watched("v1", POD, None, AGENT_LABEL, required=False), world.nodes.agents
    yield Watched(API_VERSION, FIT_REPORT, required=False), world.fit_reports
    for namespace in namespaces or (None,):
        for child in CHILD_KINDS:
            watched = Watched(child.api_version, child.kind, namespace, labels, required=not child.optional)
            yield watched, KindOfCache(world.cache, child.kind)
        claims = Watched(dra, SHARED_CLAIM, namespace, SHARE_LABEL, required=False)
        yield claims, KindOfCache(world.cache, SHARED_CLAIM)
        for api_version, kind, selector in (
            ("v1", POD, labels),
            ("batch/v1", JOB, DRY_RUN_LABEL),
            (API_VERSION, ROOT, ""),
        ):
            yield Watched(api_version, kind, namespace, selector), KindOfCache(world.cache, kind)
        yield Watched("v1", POD, namespace, DRY_RUN_LABEL), DryRunPods(world.cache)
        yield Watched("v1", CONFIG_MAP, namespace, MODEL_CONFIG_LABEL, required=False), world.model_configs
    # All pods where the rights are there; else at least those of the namespaces watched.
    for namespace in (None, *namespaces):
        yield Watched("v1", POD, namespace, fields=BOUND_AND_ALIVE, required=False), world.gpu_use
