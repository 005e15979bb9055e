"""Token rules of published models, read from the reduced configs that the project keeps."""

from __future__ import annotations

from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.sources.token_rules import reduced_configs


def _read(name: str) -> MultimodalFacts:
    facts = read_multimodal(reduced_configs()[name])
    assert facts is not None, name
    return facts


PUBLISHED = {name: _read(name) for name in reduced_configs()}
"""Facts by Hugging Face id."""
