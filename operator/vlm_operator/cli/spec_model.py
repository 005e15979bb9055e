"""The model of a VLMDeployment that was read from a file."""

from __future__ import annotations

from vlm_operator.api.intent import hf_overrides_of
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources import load_served_model


def facts_of_spec(spec: VLMDeploymentSpec, *, offline: bool) -> ModelFacts:
    """Facts of the model that the spec serves, with what its ``--hf-overrides`` change.

    Raises:
        ModelNotFound, InputError, SourceUnavailable, UnknownFact: as ``sources.load_model``.
    """
    model = spec.model
    return load_served_model(model.source, revision=model.revision, offline=offline, hf_overrides=hf_overrides_of(spec))
