"""Model classes that vLLM serves only with ``--trust-remote-code``: their repositories hold code of their own.

Source: ``tests/models/registry.py`` of the vLLM repository (commit 0008d356) names the classes whose published
checkpoints vLLM tests with ``trust_remote_code=True``: their config class, processor or tokenizer stands in the
checkpoint's repository, and neither Transformers nor vLLM (``transformers_utils/config.py: _CONFIG_REGISTRY``) has it,
or had it in an earlier release than the newest. Classes that vLLM tests so although Transformers has had them since
before 0.11 (Cohere, DeepSeek-V2 and -V3, Phi-MoE, …) are left out: no code of a repository runs without need.
Intern-S2 and LLaVA-OneVision 2 came later: no config class of theirs is in Transformers 5.19 or vLLM 0.33, and the
latter's processor is taken from the repository (0.33: ``models/llava_onevision2.py: _load_ov2_processor``).
"""

from __future__ import annotations

from typing import Final

_NAMES: Final = (
    "AquilaForCausalLM AquilaModel ArcticForCausalLM AXK1ForCausalLM BaichuanForCausalLM BaiChuanForCausalLM "
    "BailingMoeForCausalLM BailingMoeV2_5ForCausalLM BailingMoeV2ForCausalLM BeeForConditionalGeneration "
    "ChatGLMForConditionalGeneration ChatGLMModel ColBERTJinaRobertaModel ColQwen3 ColQwen3_5 DeciLMForCausalLM "
    "DeepseekForCausalLM DotsOCRForCausalLM Eagle2_5_VLForConditionalGeneration "
    "Ernie4_5_VLMoeForConditionalGeneration ExaoneForCausalLM GLM4VForCausalLM Grok1ForCausalLM "
    "Grok1ModelForCausalLM GteModel GteNewForSequenceClassification GteNewModel H2OVLChatModel HCXVisionForCausalLM "
    "HCXVisionV2ForCausalLM HunYuanMoEV1ForCausalLM HyperCLOVAXForCausalLM InternLM2ForCausalLM "
    "InternLM2ForRewardModel InternLM2VEForCausalLM InternLM3ForCausalLM InternLMForCausalLM "
    "InternS1ForConditionalGeneration InternS1ProForConditionalGeneration InternVLChatModel IQuestCoderForCausalLM "
    "InternS2MobiusForConditionalGeneration InternS2PreviewForConditionalGeneration "
    "LlavaOnevision2ForConditionalGeneration "
    "IQuestLoopCoderForCausalLM IsaacForConditionalGeneration KananaVForConditionalGeneration "
    "KeyeForConditionalGeneration KeyeVL1_5ForConditionalGeneration KimiK25ForConditionalGeneration "
    "KimiLinearForCausalLM KimiVLForConditionalGeneration Llama_Nemotron_Nano_VL "
    "LlamaBidirectionalForSequenceClassification LlamaBidirectionalModel LlamaNemotronVLForSequenceClassification "
    "LlamaNemotronVLModel MiDashengLMModel MiMoForCausalLM MiMoV2FlashForCausalLM MiniCPM3ForCausalLM "
    "MiniCPM4ForCausalLM MiniCPMForCausalLM MiniCPMO MiniCPMV MiniMaxM1ForCausalLM MiniMaxM2ForCausalLM "
    "MiniMaxText01ForCausalLM MiniMaxVL01ForConditionalGeneration Molmo2ForConditionalGeneration MolmoForCausalLM "
    "MoonshotKimiaForCausalLM NemotronH_Nano_VL_V2 NemotronParseForConditionalGeneration NomicBertModel NVLM_D "
    "OpenCUAForConditionalGeneration OpenPanguVLForConditionalGeneration OpsColQwen3Model OrionForCausalLM "
    "OuroForCausalLM Ovis Ovis2_5 Ovis2_6_MoeForCausalLM Ovis2_6ForCausalLM PaddleOCRVLForConditionalGeneration "
    "PanguEmbeddedForCausalLM PanguProMoEV2ForCausalLM PanguUltraMoEForCausalLM Phi3VForCausalLM Phi4MMForCausalLM "
    "Plamo2ForCausalLM Plamo3ForCausalLM QWenLMHeadModel QwenVLForConditionalGeneration RForConditionalGeneration "
    "SarvamMLAForCausalLM SarvamMoEForCausalLM SkyworkR1VChatModel SolarForCausalLM Step1ForCausalLM "
    "Step3TextForCausalLM Step3VLForConditionalGeneration StepVLForConditionalGeneration TeleChat2ForCausalLM "
    "TeleChatForCausalLM TeleFLMForCausalLM UltravoxModel VoyageQwen3BidirectionalEmbedModel XverseForCausalLM "
)

_WITH_CODE_OF_THEIR_OWN: Final = frozenset(_NAMES.split())


def needs_remote_code(architecture: str) -> bool:
    """Whether the published checkpoints of this class do not load without ``--trust-remote-code``."""
    return architecture in _WITH_CODE_OF_THEIR_OWN
