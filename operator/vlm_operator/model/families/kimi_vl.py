"""Kimi-VL: MoonViT and a projector kept whole, before DeepSeek-V2's experts.

Source: vLLM 0.32 ``model_executor/models/kimi_vl.py``; ``moonshotai/Kimi-VL-A3B-Instruct``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, PatchLimit
from vlm_operator.model.towers.moonvit import MoonViT
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.wrapper import Wrapper


def _tower(config: Config) -> MoonViT:
    return MoonViT.read(config.section("vision_config"), text_width(config))


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, FAMILY.place)
    merged = tower.width * tower.merged
    projector = wrapper.projector(sharded=False)
    projector.norm("pre_norm", tower.width, bias=True)
    projector.linear("linear_1", merged, merged, bias=True, quantizable=False)
    projector.linear("linear_2", wrapper.text.hidden_size, merged, bias=True, quantizable=False)
    wrapper.read_own_language(kind="deepseek_v2")


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Native resolution up to ``in_token_limit`` patches."""
    kernel = files.image.items("merge_kernel_size") or [2, 2]
    return MultimodalFacts(
        "kimi_vl",
        ("image",),
        PatchLimit(
            patch_size=files.image.integer("patch_size", 14),
            merge_size=Config({"merge_kernel_size": kernel[0]}).integer("merge_kernel_size"),
            max_patches=files.image.integer("in_token_limit", 4096),
            wrapper_tokens=4,
        ),
    )


FAMILY: Final = Family(
    name="kimi_vl",
    variants=(
        Variant(
            architecture="KimiVLForConditionalGeneration",
            model_types=("kimi_vl",),
            text=LanguageModel(architecture="DeepseekV2ForCausalLM", model_type="deepseek_v2"),
        ),
    ),
    tower=_tower,
    place=TowerPlace("vision_tower", ("image",), data_parallel=True, quantizable=False),
    tokens=_tokens,
    weights=_weights,
)
