"""What towers that came late take at start-up: peaks of vLLM 0.33's own ``forward``, every allocation counted.

Blocks of the published sizes, attention as one kernel, vLLM compiling; images beside the tower are not in the figures.
"""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.capacity.startup.encoder import bytes_per_patch
from vlm_operator.engine.encoder_rules import encoder_rules
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model import registry
from vlm_operator.model.config import Config
from vlm_operator.model.facts import VisionTower

VERSION = EngineVersion.parse("0.33.0")
GRANITE = {
    "vision_config": {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "image_size": 384}
    | {"num_attention_heads": 16, "patch_size": 16},
    "downsample_rate": "4/8",
    "deepstack_layer_map": [[-19, 0], [-13, 0], [-7, 1], [-1, 1]],
    "text_config": {"hidden_size": 2560},
}
AIMV2 = {"model_type": "aimv2", "hidden_size": 1024, "intermediate_size": 2816, "image_size": 448}


def tower(architecture: str, config: dict[str, Any]) -> VisionTower:
    known = registry.by_architecture(architecture)
    assert known is not None
    assert known.family.tower is not None
    found = known.family.tower(Config(config))
    assert found is not None
    return found.facts


@pytest.mark.parametrize(
    ("found", "patches", "peak"),
    [
        pytest.param(
            tower("Molmo2ForConditionalGeneration", {}), 18 * 729, 1_042_785_792, id="Molmo 2, 25 of 27 blocks"
        ),
        pytest.param(
            tower("Granite4VisionForConditionalGeneration", GRANITE), 10 * 576, 485_556_224, id="Granite 4 Vision"
        ),
        pytest.param(
            tower("Ovis", {"visual_tokenizer_config": {"backbone_config": AIMV2}}), 10 * 1024, 257_949_696, id="AIMv2"
        ),
    ],
)
def test_a_patch_takes_what_was_counted(found: VisionTower, patches: int, peak: int) -> None:
    each = bytes_per_patch(found, encoder_rules(found.traits, VERSION), 1, 2)
    assert patches * each == pytest.approx(peak, rel=0.03)
