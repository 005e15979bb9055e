"""Facts of the models that an audit is about: those that run, and those to be placed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from vlm_operator.audit.fit_matrix import WantedModel
from vlm_operator.audit.placement import read_placement
from vlm_operator.audit.server_pod import ServerPod
from vlm_operator.cli.audit_files import documents
from vlm_operator.errors import InputError, VlmOperatorError
from vlm_operator.gpu.resources import AMD_DOMAIN, NVIDIA_DOMAIN
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources import load_model

CATALOGUE: Final = "catalogue"
_RENDERED_TOLERATIONS: Final = tuple(
    {"key": f"{domain}gpu", "operator": "Exists", "effect": "NoSchedule"} for domain in (NVIDIA_DOMAIN, AMD_DOMAIN)
)
"""Those that the operator gives every server (``rendering.server``)."""
_ENDINGS: Final = (".yaml", ".yml", ".json", ".txt")


def facts_of_servers(servers: Iterable[ServerPod], *, offline: bool) -> dict[str, ModelFacts | str]:
    """Facts of each model that runs, by name; the reason where there are none.

    A path in a container is no path here, so it is never read.
    """
    found: dict[str, ModelFacts | str] = {}
    for name in dict.fromkeys(server.model for server in servers if server.model):
        if name.startswith(("/", ".", "~")) or "://" in name:
            found[name] = f"model: {name} is inside the container: name it with --served-model-name ORG/MODEL"
            continue
        try:
            found[name] = load_model(name, offline=offline)
        except VlmOperatorError as error:
            found[name] = error.message
    return found


def wanted_models(
    named: Sequence[str], running: Mapping[str, ModelFacts | str], *, offline: bool
) -> tuple[WantedModel, ...]:
    """The models to place, each once; those that run where none is named.

    Raises:
        InputError: a file or model that is none.
    """
    if not named:
        return tuple(WantedModel(name, facts) for name, facts in running.items() if isinstance(facts, ModelFacts))
    found: dict[str, WantedModel] = {}
    for each in named:
        for model in _of(each, offline):
            found.setdefault(model.name, model)
    return tuple(found.values())


def _of(named: str, offline: bool) -> Iterable[WantedModel]:
    if named == CATALOGUE:
        from vlm_operator.sources import catalogue

        return (WantedModel(entry.id, catalogue.load(entry)) for entry in catalogue.entries().values())
    if named == "-" or named.endswith(_ENDINGS):
        return _of_file(named, offline)
    return (WantedModel(named, load_model(named, offline=offline)),)


def _of_file(path: str, offline: bool) -> Iterable[WantedModel]:
    found = tuple(documents(path, "models"))
    for document in found:
        kind = document.get("kind") if isinstance(document, dict) else None
        if kind == "VLMDeployment":
            yield _of_deployment(document, found, offline)
        if kind in ("VLMDeployment", "ConfigMap"):
            continue
        rows = document.get("models") if isinstance(document, dict) else document
        rows = rows.split() if isinstance(rows, str) else rows
        if not isinstance(rows, list):
            raise InputError(
                f"models: {path} holds no list of models",
                field="models",
                hint="write one id a line ('- Qwen/Qwen3-VL-8B-Instruct'), or VLMDeployments",
            )
        for entry in rows:
            yield _of_entry(entry, offline)


def _of_entry(entry: Any, offline: bool) -> WantedModel:
    name = entry.get("id") if isinstance(entry, dict) else entry
    if not isinstance(name, str) or not name:
        raise InputError(f"models: {str(entry)[:60]!r} names no model", field="models", hint="give a Hugging Face id")
    return WantedModel(name, load_model(name, offline=offline))


def _of_deployment(document: dict[str, Any], beside: Iterable[Any], offline: bool) -> WantedModel:
    """A VLMDeployment: all that it asks for, on any GPU."""
    from vlm_operator.api.base import parse
    from vlm_operator.api.intent import engine_version, intent_of
    from vlm_operator.api.vlm_deployment import VLMDeployment
    from vlm_operator.cli.model_config import model_of, with_config_maps

    deployment = with_config_maps(parse(VLMDeployment, document), beside)
    model = deployment.spec.model
    facts = model_of(deployment.spec, offline=offline)
    intent = intent_of(deployment.spec, engine_version(deployment.spec))
    spec = ((deployment.spec.pod_template or {}).get("spec")) or {}
    placed = read_placement({**spec, "tolerations": [*(spec.get("tolerations") or ()), *_RENDERED_TOLERATIONS]})
    return WantedModel(f"{deployment.metadata.name} ({model.source})", facts, intent, placed)
