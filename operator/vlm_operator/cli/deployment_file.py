"""A VLMDeployment in a file: read, checked by the rules of the CRD, planned and rendered as the operator would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click

from vlm_operator.api.base import parse
from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.model_spec import ModelSpec
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.cli.facts_file import with_facts
from vlm_operator.cli.intent_options import overridden
from vlm_operator.cli.node_options import on_nodes
from vlm_operator.cli.observation_file import evidence_from
from vlm_operator.cli.this_machine import LOCAL, local_gpu, on_this_machine
from vlm_operator.cli.yaml_file import DEPLOYMENT_LINES, read_documents
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import GPU_RESOURCE
from vlm_operator.lifecycle.observations import key_of
from vlm_operator.lifecycle.offers import find_product
from vlm_operator.lifecycle.server import Server, server_of
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.evidence import NOTHING
from vlm_operator.planning.gpu_choice import GPUOffer
from vlm_operator.planning.plan import Plan
from vlm_operator.sources import load_model


@dataclass(frozen=True, slots=True)
class PlannedDeployment:
    """One VLMDeployment of a file with its plan."""

    deployment: VLMDeployment
    plan: Plan
    offer: GPUOffer | None

    def server(self) -> Server:
        """What the operator would apply for it."""
        metadata = self.deployment.metadata
        return server_of(
            self.deployment.spec,
            self.plan.settings,
            name=metadata.name,
            namespace=metadata.namespace or "default",
            version=self.plan.version,
            offer=self.offer,
            model=self.plan.model,
            nodes=self.plan.nodes,
        )


def read_deployments(path: str) -> Iterator[VLMDeployment]:
    """Every VLMDeployment of a file; other kinds are passed over.

    Raises:
        InputError: none is there, or one breaks a rule.
    """
    found = False
    for document in read_documents(path):
        if isinstance(document, dict) and document.get("kind") == "VLMDeployment":
            found = True
            yield parse(VLMDeployment, document)
    if not found:
        raise InputError(f"filename: {path} holds no VLMDeployment", field="filename", hint=DEPLOYMENT_LINES)


def _model(named: ModelSpec, *, offline: bool) -> ModelFacts:
    """The facts of the model that a VLMDeployment names.

    Raises:
        InputError: it cannot be read; a path is one of the pod's, which this machine need not have.
    """
    try:
        return load_model(named.source, revision=named.revision, offline=offline)
    except InputError as error:
        if named.path is None or Path(named.path).exists():
            raise
        raise InputError(
            f"spec.model.path: {named.path} is not on this machine",
            field="spec.model.path",
            hint="put a copy of the folder (config.json and the safetensors files, or an index) at that path, or apply "
            "it: the operator has vLLM read the path in a pod (spec.dryRun)",
        ) from error


def plan_deployment(
    deployment: VLMDeployment,
    gpu: str | None,
    *,
    version: EngineVersion | None = None,
    offline: bool = False,
    observations: str | None = None,
    facts: str | None = None,
    nodes: str | None = None,
    gpus_per_node: int | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
    platform: str | None = None,
) -> PlannedDeployment:
    """The plan of one VLMDeployment on GPUs of the product ``gpu``, or of ``spec.gpu.product``.

    Args:
        gpu: a product, ``local`` for the GPUs of this machine and never more than it has, or None.
        nodes, gpus_per_node: in the place of ``spec.topology``.
        options: of the command line, which override what the file says.

    Raises:
        InputError: no GPU is named, this machine has too few, or the spec contradicts itself or the model.
    """
    spec = deployment.spec
    intent = on_nodes(intent_of(spec, version or engine_version(spec)), nodes, gpus_per_node)
    intent, used = overridden(intent, dict(options))
    if used:
        click.echo(f"overrides the file: {', '.join(used)}", err=True)
    model = _model(spec.model, offline=offline)
    if spec.cpu is not None:
        key = key_of(spec, intent.version, None)
        evidence = NOTHING if observations is None else evidence_from(observations, key)
        return PlannedDeployment(deployment, cpu_plan(model, intent, evidence), None)
    product = gpu or (spec.gpu.product if spec.gpu else None)
    if product is None:
        raise InputError(
            "gpu: the VLMDeployment names no GPU product",
            field="gpu",
            hint="give --gpu PRODUCT, or set spec.gpu.product; 'vlmctl gpus' lists the products",
        )
    claimed = spec.gpu is not None and spec.gpu.claim is not None
    if product == LOCAL:
        offer = _local_offer(platform, claimed=claimed)
        intent = on_this_machine(intent, offer.gpu, min(offer.count, intent.gpus_available))
    else:
        resource, stated = (spec.gpu.resource, spec.gpu.platform) if spec.gpu else (GPU_RESOURCE, None)
        offer = find_product(product, resource, intent.gpus_available, platform or stated, spec=spec.gpu)
    key = key_of(spec, intent.version, offer)
    evidence = NOTHING if observations is None else evidence_from(observations, key)
    evidence = with_facts(evidence, facts, spec.model.source, offer.gpu, intent.version)
    return PlannedDeployment(deployment, plan(model, offer.gpu, intent, evidence), offer)


def _local_offer(platform: str | None, *, claimed: bool) -> GPUOffer:
    gpu, installed = local_gpu(platform)
    return GPUOffer(gpu, GPU_RESOURCE, installed, node_label="" if claimed else gpu.label, claimed=claimed)


def plan_of_file(values: dict[str, Any], version: str | None) -> PlannedDeployment:
    """The plan of the one VLMDeployment in ``--filename``.

    Raises:
        InputError: more than one, or none.
    """
    deployments = list(read_deployments(values["filename"]))
    if len(deployments) != 1:
        raise InputError(
            f"filename: {values['filename']} holds {len(deployments)} VLMDeployments, and a plan is for one",
            field="filename",
            hint="use 'vlmctl render' for several, or split the file",
        )
    return plan_found(deployments[0], values, version)


def plan_found(deployment: VLMDeployment, values: dict[str, Any], version: str | None) -> PlannedDeployment:
    """The plan of a VLMDeployment of a file with the command's options.

    Raises:
        InputError: an option says what the file says, or as ``plan_deployment``.
    """
    _refuse_what_the_file_says(values)
    wanted = EngineVersion.parse(version) if version else None
    return plan_deployment(
        deployment,
        values["gpu"],
        version=wanted,
        offline=values["offline"],
        observations=values["observations"],
        facts=values["facts"],
        nodes=values["nodes"],
        gpus_per_node=values["gpus_per_node"],
        options=values,
        platform=values["platform"],
    )


def _refuse_what_the_file_says(values: Mapping[str, Any]) -> None:
    """Refuse options that say which model and hardware a file is about: half a file is nobody's intent.

    Raises:
        InputError: one is given.
    """
    for option, place in _SAID_BY_THE_FILE.items():
        if values[option]:
            name = option.replace("_", "-")
            raise InputError(
                f"{name}: {values[option]} and a file are given, and the file says that itself",
                field=name,
                hint=f"set {place} in the file, or leave -f out",
            )


_SAID_BY_THE_FILE: Final = {
    "model": "spec.model.id",
    "revision": "spec.model.revision",
    "hf_overrides": "--hf-overrides in spec.engine.extraArgs",
    "gpu_memory": "spec.gpu.product",
    "cpu_kv_cache_space": "spec.cpu.kvCacheSpace",
}
"""Options that a file leaves no room for, and where it says the same."""
