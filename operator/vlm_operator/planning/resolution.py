"""Resolve unset flags as vLLM would for this model on this GPU, by ``engine.defaults``."""

from __future__ import annotations

from vlm_operator.capacity.as_served import as_served
from vlm_operator.capacity.multimodal import max_item_tokens
from vlm_operator.engine.defaults import DeviceTraits, ModelTraits, resolve
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import AttentionCache, ModelFacts, StateCache
from vlm_operator.planning.workload import family_of


def resolved(settings: EngineSettings, model: ModelFacts, gpu: GPUFacts, version: EngineVersion) -> EngineSettings:
    """``settings`` with everything filled in that the budget depends on, as vLLM would."""
    largest = _largest_item(model, settings, version) if model.traits.prefix_attention else 0
    return resolve(settings, version, _model_traits(as_served(model, settings, version), largest), _device_traits(gpu))


def _largest_item(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> int:
    family = family_of(model)
    if family is None:
        return 0
    length = settings.max_model_len or model.derived_max_model_len
    return max(max_item_tokens(family, settings.with_(max_model_len=length), version).values(), default=0)


@cached_by_identity()
def _model_traits(model: ModelFacts, largest_item_tokens: int) -> ModelTraits:
    caches = [run.cache for run in model.cache_layers]
    return ModelTraits(
        architecture=model.architecture,
        derived_max_model_len=model.derived_max_model_len,
        mixture_of_experts=model.text.experts is not None,
        hybrid=any(isinstance(cache, StateCache) for cache in caches),
        quantized=model.quantization is not None,
        pooling=model.pooling or all(isinstance(cache, AttentionCache) and cache.encoder_only for cache in caches),
        encoder_decoder=any(isinstance(cache, AttentionCache) and cache.cross_attention for cache in caches),
        prefix_language_model=model.traits.prefix_attention,
        largest_item_tokens=largest_item_tokens,
    )


@cached_by_identity()
def _device_traits(gpu: GPUFacts) -> DeviceTraits:
    return DeviceTraits(gpu.nvml_total_bytes or gpu.total_bytes, gpu.device_name or gpu.product, gpu.compute_capability)
