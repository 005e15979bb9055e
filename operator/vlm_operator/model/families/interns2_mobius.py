"""Intern-S2 Mobius: Qwen3.5's attention; layers share blocks of routed experts, in turn, and have a shared one each.

Source: vLLM 0.33 ``model_executor/models/interns2_mobius.py``; attention is Qwen3-Next's (``Qwen3NextAttention``),
whose table of positions has four rows.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.model.cache_layers_recurrent import gated_delta_net_typed
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Stage
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import require_files, timed_resize
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.renames import VISUAL
from vlm_operator.model.towers.deepstack import DeepstackTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights import hybrid
from vlm_operator.model.weights.experts import expert_count, router, shared_expert
from vlm_operator.model.weights.language import Language


def _tower(config: Config) -> DeepstackTower:
    return DeepstackTower.read(config.section("vision_config"), {})


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Bounds differ by checkpoint. Raises ``UnknownFact`` without ``preprocessor_config.json``."""
    require_files(config, files)
    return MultimodalFacts(
        config.text("model_type") or "interns2_mobius",
        ("image", "video"),
        timed_resize(config.section("vision_config"), files),
        FrameLoader.EVEN_ROUNDED,
    )


def _mobius(language: Language) -> None:
    """Blocks of routed experts outside the layers, on every stage; a gated shared expert in each layer."""
    config, hidden = language.config, language.text.hidden_size
    hybrid.qwen3_next_attention(language)
    experts = expert_count(config, "num_experts")
    for block in range(config.integer("num_blocks")):
        meta = language.end(f"model.meta_mlp.{block}", Stage.EVERY)
        router(meta, "gate", experts, hidden)
        meta.experts("experts", experts, hidden, config.integer("moe_intermediate_size"))
    layers = language.layers()
    layers.linear("mlp.shared_expert_gate", 1, hidden, quantizable=False)
    shared_expert(layers, "mlp.shared_expert", hidden, config.integer("shared_expert_intermediate_size"))


FAMILY: Final = Family(
    name="interns2_mobius",
    variants=(
        Variant(
            architecture="InternS2MobiusForConditionalGeneration",
            text=LanguageModel(architecture="InternS2MobiusForCausalLM", weights=_mobius, caches=gated_delta_net_typed),
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual", data_parallel=True),
    pixels=Pixels.RAW,
    tokens=_tokens,
    tying=Tying.SECTION,
    renames=VISUAL,
)
