"""Bytes of weights one rank holds, from the model's modules or from its checkpoint's headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from vlm_operator.capacity.as_served import as_served
from vlm_operator.capacity.weights.checkpoint_bytes import FLOATING, alone, loaded_bytes, scaled
from vlm_operator.capacity.weights.quantized import Storage
from vlm_operator.capacity.weights.ranks import (
    ONE_RANK,
    Ranks,
    elements_of,
    held_by,
    layers_on,
    shape_of,
)
from vlm_operator.engine.pipeline import stage_bounds
from vlm_operator.engine.settings import MODALITIES, EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.weight_rules import Mxfp4Kernel, loads_quantization, mxfp4_kernel, skips_disabled_towers
from vlm_operator.errors import UnknownFact
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import (
    CheckpointFacts,
    Component,
    DType,
    Linear,
    ModelFacts,
    Quantization,
    WeightModule,
)


@dataclass(frozen=True, slots=True)
class WeightBytes:
    """Bytes of weights on one rank.

    Attributes:
        total: bytes of all its parameters and buffers.
        by_component: the same by part of the model; sums to ``total``.
        source: ``config`` where computed from dimensions, ``checkpoint`` where safetensors headers were read.
    """

    total: int
    by_component: Mapping[Component, int]
    source: str


def weight_bytes(
    model: ModelFacts,
    settings: EngineSettings,
    version: EngineVersion,
    compute_capability: tuple[int, int] | None = None,
    mxfp4: Mxfp4Kernel | None = None,
) -> WeightBytes:
    """Bytes of weights on the rank that holds most under these flags.

    Args, errors: as ``stage_weight_bytes``.
    """
    stages = stage_weight_bytes(model, settings, version, compute_capability, mxfp4)
    return max(stages, key=lambda stage: stage.total)


def stage_weight_bytes(
    model: ModelFacts,
    settings: EngineSettings,
    version: EngineVersion,
    compute_capability: tuple[int, int] | None = None,
    mxfp4: Mxfp4Kernel | None = None,
) -> tuple[WeightBytes, ...]:
    """Bytes of weights on one tensor-parallel rank of each pipeline stage, the first stage first.

    Args:
        model: its modules or its checkpoint's headers, and its quantisation.
        settings: ranks and limits.
        version: the vLLM release.
        compute_capability: of the GPU, which decides how MXFP4 experts are kept; None where there is none in mind.
        mxfp4: whose layout MXFP4 experts are kept in; as vLLM's own image does on that GPU where None.

    Raises:
        UnknownFact: the modules or the quantisation are not known for certain, or the release does not load them.
        InputError: the tensor-parallel size does not divide the model.
    """
    model = as_served(model, settings, version)
    enabled: tuple[str, ...] = MODALITIES
    if skips_disabled_towers(version, reads_limits_early=model.traits.reads_limits_early):
        enabled = tuple(modality for modality in MODALITIES if settings.enabled(modality))
    kernel = mxfp4 or mxfp4_kernel(version, compute_capability) if stores_mxfp4(model) else Mxfp4Kernel.NONE
    conditions = Conditions(model.dtype, model.text.layers, Ranks.of(settings), enabled, kernel)
    method = model.quantization.method if model.quantization is not None else ""
    if not loads_quantization(version, method):
        raise UnknownFact(
            f"quantization_config.quant_method: vLLM {version} does not load {method!r} checkpoints",
            field="quantization_config.quant_method",
            hint="choose another quantisation of the model, or an older vLLM",
        )
    if model.weights is None:
        return (_of_headers_alone(model, conditions),)
    return _of_modules(model.weights, model.quantization, model.checkpoint_bytes, conditions)


@cached_by_identity()
def stores_mxfp4(model: ModelFacts) -> bool:
    """Whether a kernel decides how some of its experts are kept."""
    rule = model.quantization
    return rule is not None and any(kind.method == "mxfp4" for kind in (rule, *(kind for _, kind in rule.listed)))


class Conditions(NamedTuple):
    """What weights depend on beside the modules: element type, layers to split, ranks, enabled modalities, a kernel."""

    dtype: DType
    layers: int
    ranks: Ranks
    enabled: tuple[str, ...]
    mxfp4: Mxfp4Kernel


def _of_headers_alone(model: ModelFacts, conditions: Conditions) -> WeightBytes:
    if model.checkpoint_bytes is None:
        raise UnknownFact(
            model.weights_unknown or f"architectures: the weights of {model.architecture!r} are not known",
            field="architectures",
            hint="give a checkpoint directory, whose safetensors headers hold the exact weights",
        )
    stored = frozenset(part.dtype for part in model.checkpoint_bytes.parts)
    sizes = loaded_bytes(model.checkpoint_bytes, model.dtype.size_bytes, quantized=not stored <= FLOATING)
    ranks = conditions.ranks.tensor * conditions.ranks.stages
    components = alone(sizes, ranks, encoder=bool(conditions.enabled))
    return WeightBytes(sum(components.values()), MappingProxyType(components), "checkpoint")


@cached_by_identity(kept=64)
def _storage(quantization: Quantization, element_bytes: int, mxfp4: Mxfp4Kernel) -> Storage:
    return Storage(quantization, element_bytes, mxfp4)


@cached_by_identity(3)
def _of_modules(
    modules: tuple[WeightModule, ...],
    quantization: Quantization | None,
    headers: CheckpointFacts | None,
    conditions: Conditions,
) -> tuple[WeightBytes, ...]:
    stages = stage_components(modules, quantization, conditions)
    if headers is not None:
        alone_on_one = conditions._replace(ranks=ONE_RANK, enabled=MODALITIES, mxfp4=Mxfp4Kernel.NONE)
        whole = stage_components(modules, quantization, alone_on_one)[0]
        stored = loaded_bytes(headers, conditions.dtype.size_bytes, quantized=quantization is not None)
        stages = [scaled(stage, whole, stored) for stage in stages]
    source = "config" if headers is None else "checkpoint"
    return tuple(WeightBytes(sum(stage.values()), MappingProxyType(stage), source) for stage in stages)


def stage_components(
    modules: tuple[WeightModule, ...], quantization: Quantization | None, conditions: Conditions
) -> list[dict[Component, int]]:
    """Bytes by component on one tensor-parallel rank of each stage of the pipeline."""
    dtype, ranks = conditions.dtype, conditions.ranks
    storage = _storage(quantization, dtype.size_bytes, conditions.mxfp4) if quantization is not None else None
    bounds = stage_bounds(conditions.layers, ranks.stages, ranks.partition)
    stages: list[dict[Component, int]] = [{} for _ in bounds]
    for module in modules:
        needed_by = module.placement.modalities
        if needed_by and not any(modality in conditions.enabled for modality in needed_by):
            continue
        sizes = _sizes(module, ranks, (module.dtype or dtype).size_bytes, storage)
        _share_out(module, sizes, bounds, stages)
    return stages


def _sizes(module: WeightModule, ranks: Ranks, element_bytes: int, storage: Storage | None) -> int | list[int]:
    """Bytes of this module on a rank that holds every layer: in all, or at each place where it is quantised."""
    if not isinstance(module, Linear):
        return module.count * elements_of(module, ranks) * element_bytes
    shape = shape_of(module, ranks)
    if storage is not None and module.quantizable:
        return storage.bytes_of(module, shape)
    return shape.count * (shape.rows * shape.columns + shape.bias) * element_bytes


def _share_out(
    module: WeightModule,
    sizes: int | list[int],
    bounds: tuple[tuple[int, int], ...],
    stages: list[dict[Component, int]],
) -> None:
    placement = module.placement
    whole = sizes if isinstance(sizes, int) else sum(sizes)
    for index, (bound, components) in enumerate(zip(bounds, stages, strict=True)):
        if not placement.layers:
            if not held_by(placement.stage, index, len(bounds)):
                continue
            share = whole
        elif len(bounds) == 1:
            share = whole
        elif isinstance(sizes, int):
            share = whole // len(placement.layers) * layers_on(placement, bound)
        else:
            share = sum(
                size for number, size in zip(placement.layers, sizes, strict=True) if bound[0] <= number < bound[1]
            )
        components[module.component] = components.get(module.component, 0) + share
