"""Token rules of published models whose ``config.json`` is not in the built-in catalogue.

The values are those of the publishers' files on Hugging Face, reduced to the fields that counting needs, in the form
that this room's readers take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

_CLIP_336: Final = {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14}

_DEEPSEEK_CANVASES: Final = [
    (1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 2), (1, 4), (4, 1), (1, 5), (5, 1), (1, 6), (6, 1), (2, 3), (3, 2),
    (1, 7), (7, 1), (2, 4), (4, 2), (1, 8), (8, 1), (3, 3), (1, 9), (9, 1),
]  # fmt: skip

_SIGLIP_384: Final = {"model_type": "siglip_vision_model", "image_size": 384, "patch_size": 14}


def _smolvlm(architecture: str, image_size: int, patch_size: int, scale_factor: int, length: int) -> Mapping[str, Any]:
    return {
        "architectures": [architecture],
        "max_position_embeddings": length,
        "scale_factor": scale_factor,
        "vision_config": {"image_size": image_size, "patch_size": patch_size},
    }


def _paligemma(image_size: int) -> Mapping[str, Any]:
    return {
        "architectures": ["PaliGemmaForConditionalGeneration"],
        "max_position_embeddings": 8192,
        "vision_config": {"model_type": "siglip_vision_model", "image_size": image_size, "patch_size": 14},
    }


def _llava(architecture: str, vision: Mapping[str, Any], strategy: str, length: int) -> Mapping[str, Any]:
    return {
        "architectures": [architecture],
        "max_position_embeddings": length,
        "vision_config": vision,
        "vision_feature_select_strategy": strategy,
    }


def _internvl(language_model: str, vocabulary: int, length: int) -> Mapping[str, Any]:
    return {
        "architectures": ["InternVLChatModel"],
        "llm_config": {
            "model_type": language_model,
            "vocab_size": vocabulary,
            "max_position_embeddings": length,
        },
        "vision_config": {"image_size": 448, "patch_size": 14},
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "min_dynamic_patch": 1,
        "max_dynamic_patch": 12,
        "use_thumbnail": True,
    }


def _deepseek_vl2(length: int) -> Mapping[str, Any]:
    return {
        "architectures": ["DeepseekVLV2ForCausalLM"],
        "max_position_embeddings": length,
        "candidate_resolutions": [(384 * width, 384 * height) for width, height in _DEEPSEEK_CANVASES],
        "vision_config": {"image_size": 384, "patch_size": 14},
    }


CONFIGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "AIDC-AI/Ovis2.5-9B": {
        "architectures": ["Ovis2_5"],
        "max_position_embeddings": 40960,
        "vit_config": {"patch_size": 16, "hidden_stride": 2, "temporal_patch_size": 1},
    },
    "CohereLabs/command-a-vision-07-2025": {
        "architectures": ["Cohere2VisionForConditionalGeneration"],
        "max_position_embeddings": 131072,
        "downsample_factor": 2,
        "vision_config": {"image_size": 512, "patch_size": 16},
    },
    "HuggingFaceM4/Idefics3-8B-Llama3": {
        "architectures": ["Idefics3ForConditionalGeneration"],
        "max_position_embeddings": 131072,
    },
    "HuggingFaceTB/SmolVLM-256M-Instruct": _smolvlm("Idefics3ForConditionalGeneration", 512, 16, 4, 8192),
    "HuggingFaceTB/SmolVLM-500M-Instruct": _smolvlm("Idefics3ForConditionalGeneration", 512, 16, 4, 8192),
    "HuggingFaceTB/SmolVLM-Instruct": _smolvlm("Idefics3ForConditionalGeneration", 384, 14, 3, 16384),
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct": _smolvlm("SmolVLMForConditionalGeneration", 384, 14, 3, 8192),
    "HuggingFaceTB/SmolVLM2-256M-Video-Instruct": _smolvlm("SmolVLMForConditionalGeneration", 512, 16, 4, 8192),
    "LiquidAI/LFM2-VL-1.6B": {"architectures": ["Lfm2VlForConditionalGeneration"], "max_position_embeddings": 128000},
    "LiquidAI/LFM2-VL-450M": {"architectures": ["Lfm2VlForConditionalGeneration"], "max_position_embeddings": 128000},
    "OpenGVLab/InternVL2-8B": _internvl("internlm2", 92553, 32768),
    "OpenGVLab/InternVL2_5-8B": _internvl("internlm2", 92553, 32768),
    "OpenGVLab/InternVL3-8B": _internvl("qwen2", 151674, 32768),
    "Qwen/Qwen3-Omni-30B-A3B-Instruct": {
        "architectures": ["Qwen3OmniMoeForConditionalGeneration"],
        "model_type": "qwen3_omni_moe",
        "thinker_config": {
            "text_config": {"model_type": "qwen3_omni_moe_text", "max_position_embeddings": 65536},
            "vision_config": {"patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2},
            "audio_config": {"max_source_positions": 1500},
        },
    },
    "allenai/Molmo-7B-D-0924": {"architectures": ["MolmoForCausalLM"], "max_position_embeddings": 4096},
    "baidu/ERNIE-4.5-VL-28B-A3B-PT": {
        "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"],
        "max_position_embeddings": 131072,
    },
    "deepseek-ai/deepseek-vl2": _deepseek_vl2(4096),
    "deepseek-ai/deepseek-vl2-small": _deepseek_vl2(4096),
    "deepseek-ai/deepseek-vl2-tiny": _deepseek_vl2(4096),
    "google/paligemma-3b-mix-448": _paligemma(448),
    "google/paligemma2-10b-mix-448": _paligemma(448),
    "google/paligemma2-3b-mix-224": _paligemma(224),
    "google/paligemma2-3b-mix-448": _paligemma(448),
    "llava-hf/LLaVA-NeXT-Video-7B-hf": _llava("LlavaNextVideoForConditionalGeneration", _CLIP_336, "default", 4096),
    "llava-hf/llama3-llava-next-8b-hf": _llava("LlavaNextForConditionalGeneration", _CLIP_336, "default", 8192),
    "llava-hf/llava-1.5-13b-hf": _llava("LlavaForConditionalGeneration", _CLIP_336, "default", 4096),
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": _llava(
        "LlavaOnevisionForConditionalGeneration", _SIGLIP_384, "full", 32768
    ),
    "llava-hf/llava-onevision-qwen2-72b-ov-hf": _llava(
        "LlavaOnevisionForConditionalGeneration", _SIGLIP_384, "full", 32768
    ),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": _llava(
        "LlavaOnevisionForConditionalGeneration", _SIGLIP_384, "full", 32768
    ),
    "llava-hf/llava-v1.6-34b-hf": _llava("LlavaNextForConditionalGeneration", _CLIP_336, "default", 4096),
    "llava-hf/llava-v1.6-mistral-7b-hf": _llava("LlavaNextForConditionalGeneration", _CLIP_336, "default", 32768),
    "llava-hf/llava-v1.6-vicuna-13b-hf": _llava("LlavaNextForConditionalGeneration", _CLIP_336, "default", 4096),
    "mistral-community/pixtral-12b": {
        "architectures": ["LlavaForConditionalGeneration"],
        "max_position_embeddings": 131072,
        "vision_config": {"model_type": "pixtral", "image_size": 1024, "patch_size": 16},
    },
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503": {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "max_position_embeddings": 131072,
        "spatial_merge_size": 2,
        "vision_config": {"model_type": "pixtral", "image_size": 1540, "patch_size": 14},
    },
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": {
        "max_position_embeddings": 131072,
        "vision_encoder": {"patch_size": 14, "spatial_merge_size": 2, "image_size": 1540, "max_image_size": 1540},
    },
    "mistralai/Pixtral-12B-2409": {
        "max_position_embeddings": 128000,
        "vision_encoder": {"patch_size": 16, "image_size": 1024},
    },
    "moonshotai/Kimi-VL-A3B-Instruct": {
        "architectures": ["KimiVLForConditionalGeneration"],
        "max_position_embeddings": 131072,
        "vision_config": {"patch_size": 14, "merge_kernel_size": [2, 2]},
    },
    "nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16": {
        "architectures": ["NemotronH_Nano_VL_V2"],
        "max_position_embeddings": 131072,
        "force_image_size": 512,
        "patch_size": 16,
        "downsample_ratio": 0.5,
        "use_thumbnail": True,
    },
    "openbmb/MiniCPM-V-4.6": {
        "architectures": ["MiniCPMV4_6ForConditionalGeneration"],
        "max_position_embeddings": 262144,
    },
    "openbmb/MiniCPM-V-4_5": {
        "architectures": ["MiniCPMV"],
        "version": "4.5",
        "query_num": 64,
        "max_position_embeddings": 40960,
    },
    "openbmb/MiniCPM-o-2_6": {
        "architectures": ["MiniCPMO"],
        "version": "2.6",
        "query_num": 64,
        "max_position_embeddings": 32768,
    },
    "rhymes-ai/Aria": {
        "architectures": ["AriaForConditionalGeneration"],
        "max_position_embeddings": 65536,
        "projector_patch_to_query_dict": {"1225": 128, "4900": 256},
    },
    "stepfun-ai/step3": {"architectures": ["Step3VLForConditionalGeneration"], "max_position_embeddings": 65536},
    "zai-org/GLM-4.6V-Flash": {
        "architectures": ["Glm46VForConditionalGeneration"],
        "model_type": "glm46v",
        "max_position_embeddings": 131072,
        "vision_config": {"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2},
    },
}
"""By Hugging Face id: the fields of ``config.json`` that counting needs, and the context length."""


class _Published(Mapping[str, MultimodalFacts]):
    """Facts by id, read when asked for."""

    def __getitem__(self, model: str) -> MultimodalFacts:
        facts = read_multimodal(CONFIGS[model])
        if facts is None:
            raise KeyError(model)
        return facts

    def __iter__(self) -> Iterator[str]:
        return iter(CONFIGS)

    def __len__(self) -> int:
        return len(CONFIGS)


PUBLISHED: Final[Mapping[str, MultimodalFacts]] = _Published()
"""Facts by Hugging Face id."""


def published_config(model: str) -> Mapping[str, Any] | None:
    """The reduced config of a published model, upper and lower case alike, or None."""
    lowered = model.lower()
    return next((config for name, config in CONFIGS.items() if name.lower() == lowered), None)
