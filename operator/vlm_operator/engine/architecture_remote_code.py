"""Model classes that vLLM serves only with ``--trust-remote-code``: their repositories hold code of their own.

Source: ``tests/models/registry.py`` of the vLLM repository (commit 0008d356) names the classes whose published
checkpoints vLLM tests with ``trust_remote_code=True``: their config class, processor or tokenizer stands in the
checkpoint's repository, and neither Transformers nor vLLM (``transformers_utils/config.py: _CONFIG_REGISTRY``) has it.
"""

from __future__ import annotations

from typing import Final

_NAMES: Final = (
    "BeeForConditionalGeneration ColQwen3 ColQwen3_5 DotsOCRForCausalLM Eagle2_5_VLForConditionalGeneration "
    "Ernie4_5_VLMoeForConditionalGeneration GLM4VForCausalLM H2OVLChatModel HCXVisionForCausalLM "
    "HCXVisionV2ForCausalLM InternLM2ForRewardModel InternS1ForConditionalGeneration "
    "InternS1ProForConditionalGeneration InternVLChatModel IsaacForConditionalGeneration "
    "KananaVForConditionalGeneration KeyeForConditionalGeneration KeyeVL1_5ForConditionalGeneration "
    "KimiK25ForConditionalGeneration KimiVLForConditionalGeneration LlamaNemotronVLModel Llama_Nemotron_Nano_VL "
    "MiDashengLMModel MiMoForCausalLM MiMoV2FlashForCausalLM MiniCPMO MiniCPMV "
    "MiniMaxVL01ForConditionalGeneration Molmo2ForConditionalGeneration MolmoForCausalLM "
    "MoonshotKimiaForCausalLM NVLM_D NemotronH_Nano_VL_V2 NemotronParseForConditionalGeneration "
    "OpenCUAForConditionalGeneration OpenPanguVLForConditionalGeneration OpsColQwen3Model Ovis Ovis2_5 "
    "Ovis2_6ForCausalLM Ovis2_6_MoeForCausalLM PaddleOCRVLForConditionalGeneration Phi3VForCausalLM "
    "Phi4MMForCausalLM QwenVLForConditionalGeneration RForConditionalGeneration SkyworkR1VChatModel "
    "Step1ForCausalLM Step3TextForCausalLM Step3VLForConditionalGeneration StepVLForConditionalGeneration "
    "TeleChat2ForCausalLM TeleChatForCausalLM TeleFLMForCausalLM UltravoxModel XverseForCausalLM "
)

_WITH_CODE_OF_THEIR_OWN: Final = frozenset(_NAMES.split())


def needs_remote_code(architecture: str) -> bool:
    """Whether the published checkpoints of this class do not load without ``--trust-remote-code``."""
    return architecture in _WITH_CODE_OF_THEIR_OWN
