"""What a family's language model is where its config says nothing: the figures of its class in transformers 5.

``tests/data/family_text_defaults.json`` holds them as recorded; a figure that is one off fails here.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.model import families
from vlm_operator.model.family import LanguageModel

RECORDED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data" / "family_text_defaults.json").read_text(encoding="utf-8")
)
STATED: dict[str, LanguageModel] = {
    variant.architecture: variant.text
    for module in pkgutil.iter_modules(families.__path__)
    for variant in importlib.import_module(f"{families.__name__}.{module.name}").FAMILY.variants
    if variant.text is not None and (variant.text.defaults or variant.text.weight_defaults)
}


@pytest.mark.parametrize("architecture", sorted(RECORDED.keys() | STATED.keys()))
def test_defaults_are_those_of_the_class(architecture: str) -> None:
    text = STATED[architecture]
    assert {"model_type": text.model_type, **text.defaults, **text.weight_defaults} == RECORDED[architecture]
