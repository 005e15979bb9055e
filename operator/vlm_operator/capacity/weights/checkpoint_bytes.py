"""Bytes of one rank from a checkpoint's headers, divided over ranks as its modules are.

Where the modules are known, the config's figure is kept wherever the headers agree with it (to 0.5 %: padding, buffers
and fused scales are vLLM's own); a part of the model that the checkpoint stores in another size (layers left
unquantised that the config does not list) is scaled by what the headers say. Where the modules are not known, one rank
alone can be answered: how they would be divided is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import CheckpointFacts, Component

ENCODER: Final = (Component.VISION_TOWER, Component.PROJECTOR, Component.AUDIO_TOWER)
GROUPS: Final = (
    (Component.EMBEDDING,),
    (Component.LANGUAGE_LAYERS,),
    (Component.EXPERTS,),
    (Component.HEAD,),
    ENCODER,
)
AGREEMENT_PARTS: Final = 200
"""The headers agree where they differ by less than one part in so many."""

FLOATING: Final = frozenset({"F64", "F32", "F16", "BF16"})


def loaded_bytes(facts: CheckpointFacts, element_bytes: int, *, quantized: bool) -> dict[Component, int]:
    """Bytes by component once loaded: an unquantised model's floating tensors are cast to its own element type."""
    sizes: dict[Component, int] = {}
    for part in facts.parts:
        cast = not quantized and part.dtype in FLOATING
        size = part.elements * element_bytes if cast else part.size_bytes
        sizes[part.component] = sizes.get(part.component, 0) + size
    return sizes


def alone(sizes: Mapping[Component, int], ranks: int, *, encoder: bool) -> dict[Component, int]:
    """Bytes of a model whose modules are not known, on its only rank.

    Raises:
        UnknownFact: more than one rank.
    """
    if ranks > 1:
        raise UnknownFact(
            f"tensor-parallel-size: how this architecture's weights are divided over {ranks} ranks is not known",
            field="tensor-parallel-size",
            hint="plan for one GPU, whose weights are the checkpoint's own size",
        )
    return {component: size for component, size in sizes.items() if encoder or component not in ENCODER}


def scaled(
    rank: Mapping[Component, int], whole: Mapping[Component, int], headers: Mapping[Component, int]
) -> dict[Component, int]:
    """The rank's bytes, each part scaled by how the headers differ from the whole model by its config."""
    result = dict(rank)
    for group in GROUPS:
        expected, stored = (sum(sizes.get(component, 0) for component in group) for sizes in (whole, headers))
        if not expected or not stored or abs(stored - expected) * AGREEMENT_PARTS < expected:
            continue
        for component in group:
            if component in result:
                result[component] = result[component] * stored // expected
    return result
