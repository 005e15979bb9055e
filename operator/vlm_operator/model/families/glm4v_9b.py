"""GLM-4V 9B: EVA-CLIP, patches merged by a convolution, ChatGLM's layers; a fixed grid, begin and end of image.

Source: vLLM 0.32 ``model_executor/models/glm4v.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.towers.eva import EvaTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("transformer.vision", IMAGE)


def _tower(config: Config) -> EvaTower | None:
    if not config.has("vision_config"):
        return None
    return EvaTower.read(config.section("vision_config"), config.integer("hidden_size", 0, least=0))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Begin and end of image are encoder outputs too."""
    _, patches = vision_grid(config.section("vision_config"), 1120, 14)
    processor = FixedTokens((patches // 2) ** 2 + 2)
    return MultimodalFacts("glm4v_9b", ("image",), processor, item_limits=(("image", 1),))


def _weights(wrapper: Wrapper) -> None:
    config, hidden = wrapper.config, wrapper.text.hidden_size
    tower = EvaTower.read(config.section("vision_config"), hidden)
    tower.build(wrapper.collection, _PLACE)
    projector = wrapper.projector(_PLACE.prefix)
    projector.tensor("boi", hidden)
    projector.tensor("eoi", hidden)
    projector.linear("conv", hidden, tower.width * tower.merge_size**2, bias=True, quantizable=False)
    projector.linear("linear_proj.linear_proj", hidden, hidden)
    projector.norm("linear_proj.norm1", hidden, bias=True)
    inner = config.integer("ffn_hidden_size", wrapper.text.intermediate_size)
    names = ("linear_proj.gate_proj", "linear_proj.dense_h_to_4h")
    projector.merged("linear_proj.merged_proj", names, (inner, inner), hidden)
    projector.row("linear_proj.dense_4h_to_h", hidden, inner)
    wrapper.read_own_language(prefix="")


FAMILY: Final = Family(
    name="glm4v_9b",
    variants=(
        Variant(architecture="GLM4VForCausalLM", text=LanguageModel(architecture="ChatGLMModel", model_type="")),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
