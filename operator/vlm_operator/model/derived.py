"""Facts of an upload whose config was not read: a base model's facts, stored as a scheme says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import Component, Linear, ModelFacts, WeightModule
from vlm_operator.model.upload_schemes import UploadScheme
from vlm_operator.model.weights import read_quantization

_OUTSIDE_THE_LANGUAGE_MODEL = frozenset({Component.VISION_TOWER, Component.PROJECTOR, Component.AUDIO_TOWER})


def derived_facts(
    base: ModelFacts, scheme: UploadScheme, quantization_config: Mapping[str, Any] | None, *, model: str
) -> ModelFacts:
    """The base model's facts with the weights stored as a scheme stores them.

    What a checkpoint may declare beside its storage (an FP8 KV cache) is taken as not declared: the plan then needs
    more memory than it may have to, never less.

    Args:
        base: facts of the base model.
        scheme: how the upload is quantised by its name.
        quantization_config: what the scheme's tool writes; None where weights stay unquantised.
        model: id of the upload.

    Raises:
        UnknownFact: the base model's weights are not known, or its storage does not let the scheme be derived.
    """
    bare = replace(base, model=model, quantization=None, checkpoint_bytes=None, kv_cache_dtype=None)
    if quantization_config is None:
        return bare
    if base.weights is None:
        raise _not_derivable(model, base, f"the weights of {base.model} are not known")
    if base.quantization is not None and base.quantization.experts_only:
        raise _not_derivable(model, base, f"{base.model} is itself published in {base.quantization.method}")
    quantization = read_quantization({"architectures": [base.architecture], "quantization_config": quantization_config})
    if quantization is not None and quantization.method == "bitsandbytes" and _packs_experts(base):
        raise _not_derivable(model, base, "bitsandbytes leaves routed experts that are one tensor unquantised")
    experts_alone = scheme.experts_alone and base.text.experts is not None
    weights = tuple(_stored(module, scheme, experts_alone=experts_alone) for module in base.weights)
    return replace(bare, weights=weights, quantization=quantization)


def _stored(module: WeightModule, scheme: UploadScheme, *, experts_alone: bool) -> WeightModule:
    """The module, marked where the scheme's tool leaves it unquantised."""
    if not isinstance(module, Linear) or not module.quantizable:
        return module
    tower = scheme.keeps_tower and module.component in _OUTSIDE_THE_LANGUAGE_MODEL
    beside_experts = experts_alone and module.component is not Component.EXPERTS
    if tower or beside_experts or any(part in module.name for part in scheme.kept):
        return replace(module, quantizable=False)
    return module


def _packs_experts(base: ModelFacts) -> bool:
    """Whether Transformers keeps the routed experts in one tensor, which bitsandbytes does not quantise."""
    return base.text.experts is not None and base.vision is not None


def _not_derivable(model: str, base: ModelFacts, why: str) -> UnknownFact:
    return UnknownFact(
        f"model: {model} looks like a quantisation of {base.model}, but its weights cannot be derived: {why}",
        field="model",
        hint="give the checkpoint's folder or config.json, or allow network calls",
    )
