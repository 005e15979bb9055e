"""North Micro Vision (Cohere Compass): the DeepStack tower, images only, before Command's layers with windows.

Layers are rotated by the parameters of their kind, a kind without them not at all; heads share one norm with the MLP.

Sources: vLLM 0.33 ``model_executor/models/cohere_compass.py``; transformers 5 ``models/cohere_compass``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.cache_layers_attention import FULL, SLIDING, Caches, attention, require_window
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.facts import AttentionCache
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import require_files, timed_resize
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.renames import VISUAL
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.deepstack import DEEPSTACK_CLASS, DeepstackTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.wrapper import IMAGE

_VISION: Final = {**DEEPSTACK_CLASS, "deepstack_visual_indexes": (8, 16, 24)}


def _tower(config: Config) -> DeepstackTower:
    return DeepstackTower.read(config.section("vision_config"), _VISION)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Bounds differ by checkpoint. Raises ``UnknownFact`` without ``preprocessor_config.json``."""
    require_files(config, files)
    return MultimodalFacts("cohere_compass", IMAGE, timed_resize(config.section("vision_config"), files))


def _caches(text: TextConfig) -> Caches:
    """All layers see everything unless they are listed otherwise."""
    full = attention(text)
    types = text.layer_types([FULL] * text.layers) or []
    if SLIDING not in types:
        return [(full,)] * text.layers
    windowed = AttentionCache(full.kv_heads, full.head_size, full.head_size, sliding_window=require_window(text))
    return [(windowed if kind == SLIDING else full,) for kind in types]


def _language(language: Language) -> None:
    """One norm before both attention and MLP; the head is the embeddings'."""
    language.tied(True)
    config, text = language.config, language.text
    size, bias = text.head_size, config.boolean("attention_bias", False)
    language.every_stage = True
    language.embeddings()
    language.final_norm()
    layers = language.layers()
    layers.qkv("self_attn", text.attention_heads, text.kv_heads, size, text.hidden_size, bias=bias)
    layers.row("self_attn.o_proj", text.hidden_size, text.attention_heads * size, bias=bias)
    layers.attention_scales()
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    layers.norm("input_layernorm", text.hidden_size)
    rotated, kinds = config.section("rope_parameters"), config.items("layer_types") or [FULL]
    for kind in (FULL, SLIDING):
        if kind in kinds and rotated.has(kind):
            language.rotary(size, layer_type=kind)


FAMILY: Final = Family(
    name="cohere_compass",
    variants=(
        Variant(
            architecture="CohereCompassForConditionalGeneration",
            model_types=("cohere_compass",),
            text=LanguageModel(
                architecture="CohereCompassForCausalLM",
                model_type="cohere_compass_text",
                defaults=text_class(40, 8192, 22528, 256000, 64, None, None, 8192, 4096, tied=True),
                weights=_language,
                caches=_caches,
            ),
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual", IMAGE, data_parallel=True),
    tokens=_tokens,
    tying=Tying.SECTION,
    renames=VISUAL,
)
