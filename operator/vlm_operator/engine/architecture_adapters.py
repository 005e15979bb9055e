"""Which model classes take LoRA adapters, and on which of their layers: lists that vLLM keeps by class name.

Sources (vLLM 0.19.1, 0.23.0, 0.24.0, 0.28.0, 0.32.0, 0.33.0): ``supports_lora`` of the classes in
``model_executor/models``; their ``embedding_modules`` and ``is_3d_moe_weight``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion


def supports_adapters(architecture: str, version: EngineVersion) -> bool:
    """False where vLLM refuses ``--enable-lora`` for the class; True where it takes it or that is not known."""
    return architecture not in _NEVER and version > _NOT_UP_TO.get(architecture, _OLDEST)


def wraps_embeddings(architecture: str, version: EngineVersion) -> bool:
    """Whether embedding and output matrix take adapters too; True where it is not known, which counts more."""
    if architecture in _EMBEDDINGS_SINCE_0_32:
        return version > _V0_28
    return architecture not in _NO_EMBEDDINGS


def fuses_expert_gates(architecture: str) -> bool:
    """Whether gate and up projection of the routed experts share one half of an adapter (``FusedMoE3DWithLoRA``)."""
    return architecture in _FUSED_EXPERT_GATES


_OLDEST: Final = EngineVersion(0, 0)
_V0_19: Final = EngineVersion(0, 19, 999)
_V0_23: Final = EngineVersion(0, 23, 999)
_V0_24: Final = EngineVersion(0, 24, 999)
_V0_28: Final = EngineVersion(0, 28, 999)

_NEVER: Final = frozenset(
    [
        "AriaForConditionalGeneration",
        "AyaVisionForConditionalGeneration",
        "BailingMoeV3VLForConditionalGeneration",
        "BeeForConditionalGeneration",
        "ChameleonForConditionalGeneration",
        "Cohere2MoeForCausalLM",
        "Cohere2VisionForConditionalGeneration",
        "CohereAsrForConditionalGeneration",
        "Cosmos3EdgeForConditionalGeneration",
        "DbrxForCausalLM",
        "DeepseekV4ForCausalLM",
        "DeepseekV4ForConditionalGeneration",
        "DeepseekVLV2ForCausalLM",
        "FalconForCausalLM",
        "FalconMambaForCausalLM",
        "FuyuForCausalLM",
        "GPTJForCausalLM",
        "Gemma3nForCausalLM",
        "Gemma3nForConditionalGeneration",
        "Glm5NextForCausalLM",
        "Glm5NextForConditionalGeneration",
        "HCXVisionForCausalLM",
        "HCXVisionV2ForCausalLM",
        "HfMoondream",
        "InklingForCausalLM",
        "InklingForConditionalGeneration",
        "KananaVForConditionalGeneration",
        "KimiK25ForConditionalGeneration",
        "KimiK3ForConditionalGeneration",
        "KimiLinearForCausalLM",
        "KimiVLForConditionalGeneration",
        "LlavaOnevision2ForConditionalGeneration",
        "LlavaOnevisionForConditionalGeneration",
        "Mamba2ForCausalLM",
        "MambaForCausalLM",
        "MiMoV2FlashForCausalLM",
        "MiMoV2ForCausalLM",
        "MiMoV2OmniForCausalLM",
        "MiniMaxM3SparseForCausalLM",
        "MiniMaxM3SparseForConditionalGeneration",
        "MiniMaxVL01ForConditionalGeneration",
        "Moondream3ForCausalLM",
        "MoonshotKimiaForCausalLM",
        "NemotronParseForConditionalGeneration",
        "OpenVLAForActionPrediction",
        "Ovis",
        "Ovis2_5",
        "Ovis2_6ForCausalLM",
        "Ovis2_6_MoeForCausalLM",
        "PaddleOCRVLForConditionalGeneration",
        "Phi3VForCausalLM",
        "Phi4ForCausalLMV",
        "Qwen2AudioForConditionalGeneration",
        "StableLmForCausalLM",
        "Step3TextForCausalLM",
        "Step3VLForConditionalGeneration",
        "Step3p5ForCausalLM",
        "Step3p7ForConditionalGeneration",
        "StepVLForConditionalGeneration",
        "TarsierForConditionalGeneration",
        "Zamba2ForCausalLM",
    ]
)
"""Classes without ``SupportsLoRA`` in every release that was read."""

_NOT_UP_TO: Final = {
    "Gemma4ForConditionalGeneration": _V0_19,
    "Qwen3ASRForConditionalGeneration": _V0_19,
    "LlavaNextVideoForConditionalGeneration": _V0_24,
    "MiniCPMV4_6ForConditionalGeneration": _V0_24,
    "LlavaNextForConditionalGeneration": _V0_28,
    "NemotronH_Nano_VL_V2": _V0_28,
    "NemotronH_Nano_Omni_Reasoning_V3": _V0_28,
    "NemotronH_Super_Omni_Reasoning_V3": _V0_28,
    "Qwen3OmniMoeForConditionalGeneration": _V0_28,
}
"""Classes that gained it: the last release that was read without."""

_NO_EMBEDDINGS: Final = frozenset(
    [
        "DeepseekV2ForCausalLM",
        "DeepseekV3ForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration",
        "Gemma4ForCausalLM",
        "Gemma4ForConditionalGeneration",
        "GemmaForCausalLM",
        "Glm4MoeForCausalLM",
        "Glm4vForConditionalGeneration",
        "Glm4vMoeForConditionalGeneration",
        "GptOssForCausalLM",
        "MistralForCausalLM",
        "Mistral3ForConditionalGeneration",
        "Qwen2ForCausalLM",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3NextForCausalLM",
    ]
)
"""Classes whose language model names no ``embedding_modules``."""

_EMBEDDINGS_SINCE_0_32: Final = frozenset({"Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration"})
"""Classes whose language model names them from 0.32 on, and did not in 0.28."""

_FUSED_EXPERT_GATES: Final = frozenset(
    {
        "GptOssForCausalLM",
        "InternS1ProForConditionalGeneration",
        "Qwen3OmniMoeForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
        "Qwen3_5MoeForConditionalGeneration",
    }
)
"""Classes with ``is_3d_moe_weight``."""
