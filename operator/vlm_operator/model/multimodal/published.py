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
    "OpenGVLab/InternVL3-8B": {
        "architectures": ["InternVLChatModel"],
        "max_position_embeddings": 32768,
        "llm_config": {"model_type": "qwen2", "vocab_size": 151674},
        "vision_config": {"image_size": 448, "patch_size": 14},
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "min_dynamic_patch": 1,
        "max_dynamic_patch": 12,
        "use_thumbnail": True,
    },
    "allenai/Molmo-7B-D-0924": {"architectures": ["MolmoForCausalLM"], "max_position_embeddings": 4096},
    "deepseek-ai/deepseek-vl2-small": {
        "architectures": ["DeepseekVLV2ForCausalLM"],
        "max_position_embeddings": 4096,
        "candidate_resolutions": [(384 * width, 384 * height) for width, height in _DEEPSEEK_CANVASES],
        "vision_config": {"image_size": 384, "patch_size": 14},
    },
    "google/paligemma-3b-mix-448": {
        "architectures": ["PaliGemmaForConditionalGeneration"],
        "max_position_embeddings": 8192,
        "vision_config": {"model_type": "siglip_vision_model", "image_size": 448, "patch_size": 14},
    },
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": {
        "architectures": ["LlavaOnevisionForConditionalGeneration"],
        "max_position_embeddings": 32768,
        "vision_config": {"model_type": "siglip_vision_model", "image_size": 384, "patch_size": 14},
        "vision_feature_select_strategy": "full",
    },
    "llava-hf/llava-v1.6-mistral-7b-hf": {
        "architectures": ["LlavaNextForConditionalGeneration"],
        "max_position_embeddings": 32768,
        "vision_config": _CLIP_336,
        "vision_feature_select_strategy": "default",
    },
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
