"""Which reader knows which architecture? Names as vLLM's registry spells them (0.32: ``models/registry.py``)."""

from __future__ import annotations

from typing import Final

from vlm_operator.model.weights import dense, experts, hybrid, latent
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
    "Phi3ForCausalLM": dense.phi3,
    "StableLmForCausalLM": dense.stablelm,
    "ChatGLMModel": dense.chatglm,
    "ChatGLMForConditionalGeneration": dense.chatglm,
    "GraniteForCausalLM": dense.granite,
    "Glm4ForCausalLM": dense.glm4,
    "InternLM2ForCausalLM": dense.internlm2,
    "NemotronForCausalLM": dense.nemotron,
    "BertModel": dense.bert,
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
    "MiniCPM3ForCausalLM": latent.minicpm3,
    "Qwen3NextForCausalLM": hybrid.qwen3_next,
    "Qwen3_5ForCausalLM": hybrid.qwen3_5,
    "Qwen3_5MoeForCausalLM": hybrid.qwen3_5,
    "NemotronHForCausalLM": hybrid.nemotron_h,
    "JambaForCausalLM": hybrid.jamba,
}
"""Text architectures, also as the language model inside a vision-language one."""
