"""Which models have an encoder to profile, and which cannot be answered."""

from __future__ import annotations

import dataclasses

import pytest
from startup_shapes import TOWER, gpu, model, resolved

from vlm_operator.capacity.startup.profiled_encoder import profiled_encoder
from vlm_operator.engine.settings import ModalityLimit
from vlm_operator.errors import UnknownFact

OFF = tuple((name, ModalityLimit(0)) for name in ("audio", "image", "video"))


def test_a_text_model_has_none() -> None:
    settings, version = resolved("0.32.0", model(), gpu())
    assert profiled_encoder(model(), settings, version) is None


def test_a_tower_without_token_rules_is_unknown_and_names_the_way_out() -> None:
    unknown = dataclasses.replace(model(vision=TOWER), multimodal_unknown="no rules for the family test")
    settings, version = resolved("0.32.0", unknown, gpu())
    with pytest.raises(UnknownFact, match="no rules for the family test") as caught:
        profiled_encoder(unknown, settings, version)
    assert "--limit-mm-per-prompt" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "flags", [{"language_model_only": True}, {"limit_mm_per_prompt": OFF}], ids=["text only", "limits"]
)
def test_switched_off_modalities_need_no_rules(flags: dict[str, object]) -> None:
    unknown = dataclasses.replace(model(vision=TOWER), multimodal_unknown="no rules for the family test")
    settings, version = resolved("0.32.0", unknown, gpu(), **flags)
    assert profiled_encoder(unknown, settings, version) is None
