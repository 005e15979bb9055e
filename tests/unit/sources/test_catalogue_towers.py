"""The tower that start-up memory is worked out for is the tower whose weights are built, for every catalogued model."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from vlm_operator.engine.tower_traits import TowerKind
from vlm_operator.model import registry
from vlm_operator.model.facts import Component, Linear, ModelFacts, VisionTower
from vlm_operator.sources import catalogue

_UP = re.compile(r"\.(fc[01]|linear_fc1|gate_proj|gate_proj\.linear|w1|lin1)$")
"""First matrix of a block's MLP, in the names that vLLM's towers give it."""
_GATE = re.compile(r"\.(up_proj|up_proj\.linear|fc3)$")
_QUERY = re.compile(r"\.(qkv|wqkv|q_proj|query|wq)(\.linear)?$")

ENTRIES = sorted((entry for entry in catalogue.entries().values() if "image" in entry.modalities), key=lambda e: e.id)


class Built(NamedTuple):
    """What the weight modules say of a tower: blocks, width, width of the MLP, whether it is gated."""

    layers: int
    width: int
    inner: int
    gated: bool


def built(model: ModelFacts) -> set[Built]:
    """Every tower whose blocks are among the modules (DeepSeek-OCR has two)."""
    towers = [
        module
        for module in model.weights or ()
        if isinstance(module, Linear) and module.component is Component.VISION_TOWER and module.placement.numbers
    ]
    found = set()
    for module in towers:
        if _UP.search(module.name):
            prefix = module.name.partition("{}")[0]
            gated = any(_GATE.search(other.name) and other.name.startswith(prefix) for other in towers)
            if gated or not (module.name.endswith("fc1") and _has(towers, prefix, "fc0")):
                found.add(Built(len(module.placement.numbers), module.inputs, module.outputs, gated))
    return found


def _has(towers: list[Linear], prefix: str, suffix: str) -> bool:
    return any(other.name.startswith(prefix) and other.name.endswith(f".{suffix}") for other in towers)


def _query_widths(model: ModelFacts) -> set[tuple[int, int]]:
    return {
        (module.outputs, module.inputs)
        for module in model.weights or ()
        if isinstance(module, Linear) and module.component is Component.VISION_TOWER and _QUERY.search(module.name)
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_weights_and_memory_are_of_one_tower(entry: catalogue.CatalogueEntry) -> None:
    model = catalogue.load(entry)
    assert isinstance(model.vision, VisionTower)
    tower = model.vision
    if tower.traits.kind is TowerKind.CONVOLUTIONS:
        assert built(model) == set()
        return
    blocks = {found[1:]: found.layers for found in built(model)}
    figures = (tower.hidden_size, tower.intermediate_size, tower.traits.gated)
    assert figures in blocks
    # families without a record count blocks that vLLM does not build (those after the last feature layer)
    assert blocks[figures] == tower.layers or (registry.by_architecture(model.architecture) is None)
    assert tower.hidden_size % tower.attention_heads == 0
    assert any(inputs == tower.hidden_size for _, inputs in _query_widths(model))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_has_the_traits_that_its_familys_record_says(entry: catalogue.CatalogueEntry) -> None:
    model = catalogue.load(entry)
    known = registry.by_architecture(model.architecture)
    if known is None:
        return
    assert model.traits == known.family.traits(prefix_attention=model.traits.prefix_attention)
