"""The KV cache rule of each architecture in vLLM's registry.

A text architecture has a rule of its own. A multimodal one takes the rule of the language model it wraps, found by
that model's ``model_type``.

Sources (vLLM): ``model_executor/models/registry.py`` of 0.11 to 0.33 and the model files it names.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model import cache_layers_attention as plain
from vlm_operator.model import cache_layers_delta as delta
from vlm_operator.model import cache_layers_latent as latent
from vlm_operator.model import cache_layers_recurrent as recurrent
from vlm_operator.model import registry
from vlm_operator.model.facts import LayerRun
from vlm_operator.model.text_config import TextConfig

Rule = Callable[[TextConfig], plain.Caches]

_RULES: Final[dict[Rule, tuple[str, ...]]] = {
    plain.uniform: (
        "ArcticForCausalLM",
        "BailingMoeForCausalLM",
        "BailingMoeV2ForCausalLM",
        "CohereForCausalLM",
        "Dots1ForCausalLM",
        "Ernie4_5_MoeForCausalLM",
        "ExaoneForCausalLM",
        "GemmaForCausalLM",
        "Glm4ForCausalLM",
        "Glm4MoeForCausalLM",
        "Grok1ForCausalLM",
        "Grok1ModelForCausalLM",
        "HYV3ForCausalLM",
        "HyperCLOVAXForCausalLM",
        "K2HorizonForCausalLM",
        "MiMoForCausalLM",
        "MiniMaxM2ForCausalLM",
        "MixtralForCausalLM",
        "NemotronForCausalLM",
        "PanguEmbeddedForCausalLM",
        "Param2MoEForCausalLM",
        "PersimmonForCausalLM",
        "PhiMoEForCausalLM",
        "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
        "SarvamMoEForCausalLM",
        "SolarForCausalLM",
    ),
    plain.uniform_hidden: (
        "DeepseekForCausalLM",
        "GraniteMoeForCausalLM",
        "GraniteMoeSharedForCausalLM",
        "InternLM2ForCausalLM",
        "MiniCPMForCausalLM",
        "OlmoeForCausalLM",
        "OrionForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen2MoeForCausalLM",
        "StableLMEpochForCausalLM",
        "StableLmForCausalLM",
        "TeleChat2ForCausalLM",
    ),
    plain.listed: (
        "AfmoeForCausalLM",
        "ApertusForCausalLM",
        "AquilaForCausalLM",
        "AquilaModel",
        "ArceeForCausalLM",
        "CwmForCausalLM",
        "Ernie4_5ForCausalLM",
        "Exaone4ForCausalLM",
        "ExaoneMoEForCausalLM",
        "ExaoneMoeForCausalLM",
        "FlexOlmoForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "GlmForCausalLM",
        "GraniteForCausalLM",
        "GraniteMoeSWAForCausalLM",
        "GraniteSWAForCausalLM",
        "HunYuanDenseV1ForCausalLM",
        "HunYuanMoEV1ForCausalLM",
        "IQuestCoderForCausalLM",
        "InternLM3ForCausalLM",
        "InternLMForCausalLM",
        "Jais2ForCausalLM",
        "LLaMAForCausalLM",
        "LlamaForCausalLM",
        "MellumForCausalLM",
        "Ministral3ForCausalLM",
        "MistralForCausalLM",
        "MuseGlimmerForCausalLM",
        "NanbeigeForCausalLM",
        "Olmo2ForCausalLM",
        "Olmo3ForCausalLM",
        "OlmoForCausalLM",
        "Phi3ForCausalLM",
        "PhiForCausalLM",
        "SeedOssForCausalLM",
        "SmolLM3ForCausalLM",
        "Starcoder2ForCausalLM",
        "TeleChat3ForCausalLM",
        "TeleFLMForCausalLM",
        "VaultGemmaForCausalLM",
        "XverseForCausalLM",
    ),
    plain.listed_only: ("LagunaForCausalLM",),
    plain.inclusive: ("Cohere2ForCausalLM", "Cohere2MoeForCausalLM"),
    plain.alternating: ("GptOssForCausalLM",),
    plain.sharing_last_layers: ("Gemma3nForCausalLM",),
    plain.chunked: ("Llama4ForCausalLM",),
    plain.own_window_heads: ("MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM"),
    plain.grouped_by_setting: ("Step3p5ForCausalLM",),
    plain.indexed: ("MiniMaxM3SparseForCausalLM",),
    plain.listed_or_all_windows: ("BeamForCausalLM",),
    plain.looped: ("IQuestLoopCoderForCausalLM",),
    plain.window_a_layer: ("Plamo3ForCausalLM",),
    plain.stacked: ("HrmTextForCausalLM",),
    plain.single_kv_head: ("Step3TextForCausalLM",),
    plain.falcon: ("FalconForCausalLM", "RWForCausalLM"),
    plain.chatglm: ("ChatGLMForConditionalGeneration", "ChatGLMModel"),
    plain.gpt_bigcode: ("GPTBigCodeForCausalLM",),
    plain.dbrx: ("DbrxForCausalLM",),
    plain.blocks_with_group_sizes: ("DeciLMForCausalLM",),
    plain.all_heads: (
        "BaiChuanForCausalLM",
        "BaichuanForCausalLM",
        "BloomForCausalLM",
        "GPT2LMHeadModel",
        "GPTJForCausalLM",
        "GPTNeoXForCausalLM",
        "OPTForCausalLM",
        "QWenLMHeadModel",
    ),
    plain.bidirectional: (
        "BertForMaskedLM",
        "BertForSequenceClassification",
        "BertForTokenClassification",
        "BertModel",
        "ModernBertForSequenceClassification",
        "ModernBertModel",
        "NomicBertModel",
        "RobertaForMaskedLM",
        "RobertaForSequenceClassification",
        "RobertaModel",
        "XLMRobertaForSequenceClassification",
        "XLMRobertaModel",
    ),
    latent.latent: (
        "AXK1ForCausalLM",
        "DeepseekV2ForCausalLM",
        "DeepseekV3ForCausalLM",
        "Glm4MoeLiteForCausalLM",
        "KimiK2ForCausalLM",
        "MistralLarge3ForCausalLM",
        "PanguUltraMoEForCausalLM",
    ),
    latent.always: ("SarvamMLAForCausalLM",),
    latent.sparse_as_listed: ("HYV4ForCausalLM",),
    latent.sparse: ("DeepseekV32ForCausalLM", "GlmMoeDsaForCausalLM"),
    latent.two_per_layer: ("LongcatFlashForCausalLM", "LongcatFlashNgramForCausalLM"),
    latent.decompressed: ("MiniCPM3ForCausalLM",),
    recurrent.gated_delta_net: ("Qwen3NextForCausalLM",),
    recurrent.gated_delta_net_of_its_own: ("OlmoHybridForCausalLM",),
    recurrent.gated_delta_net_typed: ("Qwen3_5ForCausalLM", "Qwen3_5MoeForCausalLM"),
    recurrent.jamba: ("JambaForCausalLM",),
    recurrent.mamba: ("FalconMambaForCausalLM", "MambaForCausalLM"),
    recurrent.mamba2: ("Mamba2ForCausalLM",),
    recurrent.granite_hybrid: ("GraniteMoeHybridForCausalLM",),
    recurrent.bamba: ("BambaForCausalLM",),
    recurrent.falcon_h1: ("FalconH1ForCausalLM",),
    recurrent.zamba2: ("Zamba2ForCausalLM",),
    recurrent.nemotron_h: ("NemotronHForCausalLM", "NemotronHPuzzleForCausalLM"),
    recurrent.short_convolution: ("Lfm2ForCausalLM",),
    recurrent.short_convolution_experts: ("Lfm2MoeForCausalLM",),
    recurrent.lightning_attention: (
        "MiniMaxForCausalLM",
        "MiniMaxM1ForCausalLM",
        "MiniMaxText01ForCausalLM",
    ),
    delta.linear_and_latent: ("BailingMoeV2_5ForCausalLM",),
    delta.delta_and_gated_attention: ("AliceAIForCausalLM",),
    delta.kimi_delta_attention: ("KimiLinearForCausalLM",),
}

_BY_ARCHITECTURE: Final = {name: rule for rule, names in _RULES.items() for name in names}

TEXT_ARCHITECTURES: Final = frozenset(_BY_ARCHITECTURE)
"""Language models on their own: no family's record has one of these, so none is read for it."""

_BY_MODEL_TYPE: Final[dict[str, Rule]] = {
    "aria_text": plain.listed,
    "chatglm": plain.chatglm,
    "cohere": plain.uniform,
    "cohere2": plain.inclusive,
    "deepseek_ocr2_text": latent.latent,
    "deepseek_v2": latent.latent,
    "deepseek_v3": latent.latent,
    "deepseek_vl_v2": latent.latent,
    "emu3_text_model": plain.listed,
    "ernie4_5": plain.listed,
    "ernie4_5_moe": plain.uniform,
    "exaone4": plain.listed,
    "gemma": plain.uniform,
    "gemma2": plain.listed,
    "gemma3_text": plain.listed,
    "gemma3n_text": plain.sharing_last_layers,
    "glm4": plain.uniform,
    "glm4_moe": plain.uniform,
    "gpt_oss": plain.alternating,
    "granite": plain.listed,
    "granitemoehybrid": recurrent.granite_hybrid,
    "hunyuan_vl_text": plain.listed,
    "internlm2": plain.uniform_hidden,
    "internlm3": plain.listed,
    "kimi_k2": latent.latent,
    "lfm2": recurrent.short_convolution,
    "lfm2_moe": recurrent.short_convolution_experts,
    "llama": plain.listed,
    "llama4_text": plain.chunked,
    "minimax_text_01": recurrent.lightning_attention,
    "ministral": plain.listed,
    "ministral3": plain.listed,
    "mistral": plain.listed,
    "mixtral": plain.uniform,
    "nemotron_h": recurrent.nemotron_h,
    "olmo2": plain.listed,
    "opt": plain.all_heads,
    "phi": plain.listed,
    "phi3": plain.listed,
    "qwen2": plain.uniform_hidden,
    "qwen2_moe": plain.uniform_hidden,
    "qwen3": plain.uniform,
    "qwen3_5_moe_text": recurrent.gated_delta_net_typed,
    "qwen3_5_text": recurrent.gated_delta_net_typed,
    "qwen3_moe": plain.uniform,
    "qwen3_next": recurrent.gated_delta_net,
    "seed_oss": plain.listed,
    "smollm3": plain.listed,
    "step3_text": plain.single_kv_head,
    "voxtral_realtime_text": plain.listed,
}

_WRAPPERS: Final = frozenset(
    {
        "AudioFlamingo3ForConditionalGeneration",
        "AyaVisionForConditionalGeneration",
        "Emu3ForConditionalGeneration",
        "GlmAsrForConditionalGeneration",
        "GraniteSpeechForConditionalGeneration",
        "GraniteSpeechPlusForConditionalGeneration",
        "KananaVForConditionalGeneration",
        "MantisForConditionalGeneration",
        "MiniMaxVL01ForConditionalGeneration",
        "MusicFlamingoForConditionalGeneration",
        "Qwen2AudioForConditionalGeneration",
        "Qwen3ASRForConditionalGeneration",
        "TarsierForConditionalGeneration",
        "Tarsier2ForConditionalGeneration",
        "UltravoxModel",
        "VoxtralForConditionalGeneration",
    }
)
"""Multimodal architectures whose language model is nested in the config and decides."""

_HEAD_SUFFIXES: Final = (
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForRewardModel",
    "ForProcessRewardModel",
    "RewardModel",
    "Model",
)
"""Ends of architectures that vLLM builds from the causal model of the same name with another head."""


def cache_layers(text: TextConfig) -> tuple[LayerRun, ...]:
    """What each layer caches, in model order, equal neighbours as one run.

    Raises:
        UnknownFact: the architecture or a layer's cache is not known.
        InputError: a field is out of range.
    """
    caches = rule_of(text)(text)
    if not text.config.boolean("is_causal", True):
        caches = plain.bidirectional(text)
    runs = []
    for layers, same in groupby(caches):
        first, *rest = layers or (None,)
        runs.append(LayerRun(sum(1 for _ in same), first, tuple(cache for cache in rest if cache is not None)))
    return tuple(runs)


def rule_of(text: TextConfig) -> Rule:
    """The rule of the config's architecture.

    Raises:
        UnknownFact: neither the architecture nor the language model it wraps is known.
    """
    architecture = text.architecture
    rule = _BY_ARCHITECTURE.get(architecture)
    if rule is not None:
        return rule
    known = registry.by_architecture(architecture)
    if known is not None and known.variant.text is not None:
        rule = known.variant.text.caches or _rule_of_class(known.variant.text.architecture)
        if rule is not None:
            return rule
    if known is not None or architecture in _WRAPPERS:
        rule = _BY_MODEL_TYPE.get(text.model_type) or _rule_of_section(text.model_type)
        if rule is not None:
            return rule
        field = text.given.field("model_type")
        raise UnknownFact(
            f"{field}: what a language model {text.model_type[:60]!r} caches inside {architecture} is not known",
            field=field,
            hint="serve it once and read the KV cache lines of the log",
        )
    rule = _rule_of_class(architecture)
    if rule is not None:
        return rule
    for suffix in _HEAD_SUFFIXES:
        rule = _rule_of_class(architecture.removesuffix(suffix) + "ForCausalLM")
        if architecture.endswith(suffix) and rule is not None:
            return rule
    raise UnknownFact(
        f"architectures: what the layers of {architecture[:80]!r} cache is not known",
        field="architectures",
        hint="serve it once and read the KV cache lines of the log",
    )


def _rule_of_class(architecture: str) -> Rule | None:
    """The rule of a text architecture: from the table, or from the record of the family that brings it."""
    rule = _BY_ARCHITECTURE.get(architecture)
    if rule is not None:
        return rule
    described = registry.language_model(architecture)
    return described.caches if described else None


def _rule_of_section(model_type: str) -> Rule | None:
    """The rule of a language model whose section has this ``model_type``, where a family's record describes it."""
    described = registry.text_section(model_type)
    return (described.caches or _rule_of_class(described.architecture)) if described else None
