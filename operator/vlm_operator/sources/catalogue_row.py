"""What ``vlmctl models`` shows of a model, computed from its facts: the same for built-in and added entries."""

from __future__ import annotations

from vlm_operator.capacity.weights.weight_bytes import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import Linear, ModelFacts
from vlm_operator.planning.workload import modalities_of
from vlm_operator.sources.catalogue import CatalogueEntry, Origin


def entry_of(
    facts: ModelFacts, *, revision: str | None = None, aliases: tuple[str, ...] = (), origin: Origin = Origin.READ
) -> CatalogueEntry:
    """The row of a model."""
    return CatalogueEntry(
        id=facts.model,
        architecture=facts.architecture,
        parameters=parameters(facts),
        weights_bytes=weights_on_one_gpu(facts),
        context_tokens=facts.derived_max_model_len,
        quantization=facts.quantization.method if facts.quantization else None,
        modalities=modalities_of(facts),
        revision=revision,
        source=facts.source,
        aliases=aliases,
        origin=origin,
    )


def parameters(facts: ModelFacts) -> int | None:
    """Elements of all weights; tables that are computed at start-up (``cos_sin_cache``) are none."""
    if facts.weights is None:
        return None
    return sum(
        module.count * (module.outputs * (module.inputs + module.bias))
        if isinstance(module, Linear)
        else module.count * module.elements * (not module.name.endswith("cache"))
        for module in facts.weights
    )


def weights_on_one_gpu(facts: ModelFacts) -> int | None:
    """Bytes of weights as the default release of vLLM holds them without parallelism, None where not known."""
    try:
        return weight_bytes(facts, EngineSettings(), DEFAULT).total
    except UnknownFact:
        return None
