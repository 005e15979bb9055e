"""Registry of weight readers, under the architecture names of vLLM's registry (0.32: ``models/registry.py``)."""

from __future__ import annotations

from typing import Final

from vlm_operator.model import registry
from vlm_operator.model.weights import dense, experts, hybrid, latent, transformers_backend
from vlm_operator.model.weights.language import LanguageReader

LANGUAGE_MODELS: Final[dict[str, LanguageReader]] = {
    "LlamaForCausalLM": dense.llama,
    "LLaMAForCausalLM": dense.llama,
    "LlamaModel": dense.llama,
    "MistralForCausalLM": dense.llama,
    "MistralModel": dense.llama,
    "Ministral3ForCausalLM": dense.llama,
    "InternLM3ForCausalLM": dense.llama,
    "IQuestCoderForCausalLM": dense.llama,
    "TeleChat3ForCausalLM": dense.llama,
    "Qwen2ForCausalLM": dense.qwen2,
    "Qwen2Model": dense.qwen2,
    "Qwen3ForCausalLM": dense.qwen3,
    "GemmaForCausalLM": dense.gemma,
    "Gemma2ForCausalLM": dense.gemma2,
    "Gemma2Model": dense.gemma2,
    "Gemma3ForCausalLM": dense.gemma3,
    "CohereForCausalLM": dense.cohere,
    "Cohere2ForCausalLM": dense.cohere,
    "Phi3ForCausalLM": dense.llama,
    "StableLmForCausalLM": dense.stablelm,
    "ChatGLMModel": dense.chatglm,
    "ChatGLMForConditionalGeneration": dense.chatglm,
    "GraniteForCausalLM": dense.granite,
    "Glm4ForCausalLM": dense.glm4,
    "InternLM2ForCausalLM": dense.internlm2,
    "NemotronForCausalLM": dense.nemotron,
    "Ernie4_5ForCausalLM": dense.llama,
    "Exaone4ForCausalLM": dense.exaone4,
    "GlmForCausalLM": transformers_backend.glm,
    "MiMoForCausalLM": dense.qwen2,
    "Olmo2ForCausalLM": transformers_backend.olmo2,
    "Olmo3ForCausalLM": transformers_backend.olmo3,
    "SeedOssForCausalLM": transformers_backend.seed_oss,
    "SmolLM3ForCausalLM": transformers_backend.smollm3,
    "Starcoder2ForCausalLM": transformers_backend.starcoder2,
    "BertModel": dense.bert,
    "RobertaModel": dense.bert,
    "XLMRobertaModel": dense.bert,
    "Ernie4_5_MoeForCausalLM": experts.ernie4_5_moe,
    "GraniteMoeHybridForCausalLM": hybrid.granitemoehybrid,
    "MixtralForCausalLM": experts.mixtral,
    "Qwen2MoeForCausalLM": experts.qwen2_moe,
    "Qwen3MoeForCausalLM": experts.qwen3_moe,
    "Llama4ForCausalLM": experts.llama4,
    "PhiMoEForCausalLM": experts.phimoe,
    "GptOssForCausalLM": experts.gpt_oss,
    "MiniMaxM2ForCausalLM": experts.minimax_m2,
    "MiMoV2FlashForCausalLM": experts.mimo_v2,
    "Glm4MoeForCausalLM": experts.glm4_moe,
    "GraniteMoeForCausalLM": experts.granitemoe,
    "GraniteMoeSharedForCausalLM": experts.granitemoe,
    "OlmoeForCausalLM": experts.olmoe,
    "DeepseekForCausalLM": latent.deepseek,
    "DeepseekV2ForCausalLM": latent.deepseek,
    "DeepseekV3ForCausalLM": latent.deepseek,
    "Glm4MoeLiteForCausalLM": latent.glm4_moe_lite,
    "MiniCPM3ForCausalLM": latent.minicpm3,
    "Qwen3NextForCausalLM": hybrid.qwen3_next,
    "Qwen3_5ForCausalLM": hybrid.qwen3_5,
    "Qwen3_5MoeForCausalLM": hybrid.qwen3_5,
    "NemotronHForCausalLM": hybrid.nemotron_h,
    "JambaForCausalLM": hybrid.jamba,
    "Lfm2ForCausalLM": hybrid.lfm2,
    "Lfm2MoeForCausalLM": hybrid.lfm2_moe,
    "MiniCPMForCausalLM": dense.minicpm,
    "Step3TextForCausalLM": experts.step3_text,
}
"""Text architectures, also as the language model inside a vision-language one."""

LANGUAGE_OF_MODEL_TYPE: Final[dict[str, str]] = {
    "cohere": "CohereForCausalLM",
    "cohere2": "Cohere2ForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "glm4": "Glm4ForCausalLM",
    "glm4_moe": "Glm4MoeForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "granite": "GraniteForCausalLM",
    "internlm2": "InternLM2ForCausalLM",
    "llama": "LlamaForCausalLM",
    "ministral3": "Ministral3ForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "qwen3_5_moe_text": "Qwen3_5MoeForCausalLM",
    "qwen3_5_text": "Qwen3_5ForCausalLM",
    "qwen3_next": "Qwen3NextForCausalLM",
}
"""The language model that a wrapper builds for a ``text_config`` of this ``model_type``."""


def language_reader(architecture: str) -> LanguageReader | None:
    """The reader of a text architecture: from the table above, or from the record of the family that brings it."""
    known = LANGUAGE_MODELS.get(architecture)
    if known is not None:
        return known
    described = registry.language_model(architecture)
    return described.weights if described else None
