"""Step3: a CLIP-like tower that two convolutions thin; Step3-VL-10B and Step 3.7: the Perception Encoder.

Source: vLLM 0.32 ``model_executor/models/step3_vl.py`` (its own processor: a view of 728 pixels and 169 tokens,
windows of 504 pixels and 81 tokens).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, WindowPatches
from vlm_operator.model.towers.perception_encoder import PerceptionEncoder
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.thinned import THINNED, ThinnedTower
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_model", IMAGE, data_parallel=True)


def _is_step_vl(config: Config) -> bool:
    """Step3-VL-10B and Step 3.7, whose tower is another one."""
    named = {"StepVLForConditionalGeneration", "Step3p7ForConditionalGeneration"}
    given = config.items("architectures") or []
    return bool(named & {str(each) for each in given}) or config.text("model_type") in {"step_robotics", "step3p7"}


def _tower(config: Config) -> Tower | None:
    if not config.has("vision_config"):
        return None
    output = text_width(config)
    stride = config.integer("understand_projector_stride", 0, least=0)
    merge = 2 * stride if stride else 4
    vision = config.section("vision_config")
    if _is_step_vl(config):
        return PerceptionEncoder.read(vision, output_size=output, merge_size=merge)
    return ThinnedTower.read(vision, THINNED, output_size=output, merge_size=merge)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    enabled = config.section("vision_config").boolean("enable_patch", True)
    return MultimodalFacts("step3_vl", ("image",), WindowPatches(169, 81, enabled))


def _weights(wrapper: Wrapper) -> None:
    config = wrapper.config
    if _is_step_vl(config):
        _step_vl_weights(wrapper)
        return
    tower = ThinnedTower.read(config.section("vision_config"), THINNED, output_size=0, merge_size=4)
    tower.build(wrapper.collection, _PLACE)
    output = tower.thinned_width
    projector = wrapper.projector("", sharded=False)
    projector.linear("vit_downsampler", output, tower.width * 2**2, bias=True, quantizable=False)
    projector.linear("vit_downsampler2", 2 * output, output * 3**2, bias=True, quantizable=False)
    bias = config.boolean("projector_bias", True)
    projector.linear("vit_large_projector", wrapper.text.hidden_size, 2 * output, bias=bias, quantizable=False)
    wrapper.read_own_language()


def _step_vl_weights(wrapper: Wrapper) -> None:
    section = wrapper.config.section("vision_config")
    tower = PerceptionEncoder.read(section, output_size=0, merge_size=4)
    tower.build(wrapper.collection, _PLACE)
    bias = wrapper.config.boolean("projector_bias", True)
    projector = wrapper.projector("", data_parallel=True)
    projector.column("vit_large_projector", wrapper.text.hidden_size, 4 * tower.width, bias=bias)
    wrapper.read_language()


FAMILY: Final = Family(
    name="step3_vl",
    variants=(
        Variant(
            architecture="Step3VLForConditionalGeneration",
            model_types=("step3_vl",),
            text=LanguageModel(architecture="Step3TextForCausalLM", model_type="step3_text"),
        ),
        Variant(architecture="StepVLForConditionalGeneration", model_types=("step_robotics",), nested="qwen3"),
        Variant(
            architecture="Step3p7ForConditionalGeneration",
            model_types=("step3p7",),
            text=LanguageModel(architecture="Step3p5ForCausalLM"),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
