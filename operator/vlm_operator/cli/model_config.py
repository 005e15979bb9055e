"""``spec.model`` of a file to facts: a config that the spec gives comes before every other source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vlm_operator.api.intent import hf_overrides_of
from vlm_operator.api.model_spec import ModelSpec
from vlm_operator.api.vlm_deployment import VLMDeployment, VLMDeploymentSpec
from vlm_operator.errors import InputError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources import load_served_model
from vlm_operator.sources.given_files import facts_of_files, files_of_config_map

_FIELD = "model.config.configMapRef"


def model_of(spec: VLMDeploymentSpec, *, offline: bool = False) -> ModelFacts:
    """Facts of the model that a spec serves, with what its ``--hf-overrides`` change.

    By the files that the spec gives, else from where ``load_model`` finds them.

    Raises:
        InputError: the config is by a ConfigMap that was not put in its place (``with_config_maps``), or is wrong.
        VlmOperatorError: as ``load_model``.
    """
    model, replaced = spec.model, hf_overrides_of(spec)
    if model.config is None:
        return _found(model, offline=offline, replaced=replaced)
    if model.config.inline is None:
        assert model.config.config_map_ref is not None
        raise _not_there(model.config.config_map_ref.name)
    return facts_of_files(model.config.inline, model=model.source, hf_overrides=replaced)


def _found(model: ModelSpec, *, offline: bool, replaced: Mapping[str, Any] | None) -> ModelFacts:
    try:
        return load_served_model(model.source, revision=model.revision, offline=offline, hf_overrides=replaced)
    except InputError as error:
        if model.path is None or Path(model.path).exists():
            raise
        raise InputError(
            f"spec.model.path: {model.path} is not on this machine",
            field="spec.model.path",
            hint="put a copy of the folder (config.json and the safetensors files, or an index) at that path, give its "
            "config.json in spec.model.config, or apply it: the operator has vLLM read the path in a pod (spec.dryRun)",
        ) from error


def with_config_maps(deployment: VLMDeployment, documents: Iterable[Any]) -> VLMDeployment:
    """The VLMDeployment with the files of the ConfigMap that it names, where one of the documents is that ConfigMap.

    Raises:
        InputError: the ConfigMap holds no config.json, or a file that is no JSON object.
    """
    config = deployment.spec.model.config
    if config is None or config.config_map_ref is None:
        return deployment
    name = config.config_map_ref.name
    found = next((each for each in documents if _is_config_map(each, name, deployment.metadata.namespace)), None)
    if found is None:
        return deployment
    files = files_of_config_map(_texts(found.get("data") or {}, name), f"ConfigMap {name}")
    given = config.model_copy(update={"inline": files, "config_map_ref": None})
    model = deployment.spec.model.model_copy(update={"config": given})
    return deployment.model_copy(update={"spec": deployment.spec.model_copy(update={"model": model})})


def _is_config_map(document: Any, name: str, namespace: str | None) -> bool:
    if not isinstance(document, dict) or document.get("kind") != "ConfigMap":
        return False
    metadata = document.get("metadata") or {}
    return metadata.get("name") == name and metadata.get("namespace") in (None, namespace or "default", namespace)


def _texts(data: Mapping[str, Any], name: str) -> Mapping[str, str]:
    for key, value in data.items():
        if not isinstance(value, str):
            raise InputError(
                f"ConfigMap {name}, data.{key}: a ConfigMap holds texts",
                field=_FIELD,
                hint=f"put the file's text after '{key}: |', indented",
            )
    return data


def _not_there(name: str) -> InputError:
    return InputError(
        f"{_FIELD}: no ConfigMap {name} stands beside the VLMDeployment",
        field=_FIELD,
        hint="put its manifest (kubectl create configmap … --dry-run=client -o yaml) into the same file or folder, or "
        "give the files in model.config.inline",
    )
