"""OpenVLA: an image of 224 pixels through two towers, three matrices to Llama.

Sources: vLLM 0.33 ``model_executor/models/openvla.py``, ``transformers_utils/configs/openvla.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.towers.paired_timm import SIDE, TOKENS, WIDTH, PairedTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_backbone", IMAGE, quantizable=False, sharded=False)
_ONLY: Final = {
    "timm_model_ids": ["vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"],
    "timm_override_act_layers": [None, None],
    "image_sizes": [SIDE, SIDE],
    "use_fused_vision_backbone": True,
}
"""What vLLM's config class fills in, and all that its model takes."""


def _tower(config: Config) -> PairedTower:
    """The pair.

    Raises:
        UnknownFact: another, which vLLM refuses.
    """
    for key, only in _ONLY.items():
        if config.has(key) and config.values[key] != only:
            raise UnknownFact(f"{key}: vLLM takes {only} alone", field=key)
    return PairedTower.fixed(text_width(config))


def _weights(wrapper: Wrapper) -> None:
    hidden = wrapper.text.hidden_size
    _tower(wrapper.config).build(wrapper.collection, _PLACE)
    projector = wrapper.projector("projector")
    projector.column("fc1", 4 * WIDTH, WIDTH, bias=True)
    projector.row("fc2", hidden, 4 * WIDTH, bias=True)
    projector.linear("fc3", hidden, hidden, bias=True)
    wrapper.read_own_language()


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts("openvla", IMAGE, FixedTokens(TOKENS), item_limits=(("image", 1),))


FAMILY: Final = Family(
    name="openvla",
    variants=(
        Variant(
            architecture="OpenVLAForActionPrediction",
            model_types=("openvla",),
            text=LanguageModel(architecture="LlamaForCausalLM"),
            nested="llama",
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
