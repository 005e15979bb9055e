"""Readers of the families that take each image whole: a fixed cost, a budget of tokens, or rows of cells."""

from __future__ import annotations

from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import reads, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import (
    FixedTokens,
    MultimodalFacts,
)


@reads("Gemma3nForConditionalGeneration", model_types=("gemma3n",))
def read_gemma3n(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Gemma 3n: vLLM fixes 256 tokens an image and 188 an audio."""
    return MultimodalFacts(
        "gemma3n",
        ("image", "audio"),
        FixedTokens(256, wrapper_tokens=4),
        audio_tokens=188,
        audio_opens_with_convolutions=True,
    )


@reads("AriaForConditionalGeneration", model_types=("aria",))
def read_aria(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Aria: the largest entry of ``projector_patch_to_query_dict`` for every image."""
    queries = config.section("projector_patch_to_query_dict")
    tokens = max((queries.integer(key) for key in queries.values), default=256)
    return MultimodalFacts("aria", ("image",), FixedTokens(tokens))


@reads("Moondream3ForCausalLM", "HfMoondream", model_types=("moondream3",))
def read_moondream3(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Moondream 3: a grid of 27x27 and the begin-of-text token, which belongs to the encoder's outputs."""
    return MultimodalFacts("moondream3", ("image",), FixedTokens(27 * 27 + 1), item_limits=(("image", 1),))


@reads("BagelForConditionalGeneration", model_types=("bagel",))
def read_bagel(config: Config, files: Preprocessor) -> MultimodalFacts:
    """BAGEL: every image as large as the vision encoder's positions allow (``vit_max_num_patch_per_side``)."""
    return MultimodalFacts("bagel", ("image",), FixedTokens(config.integer("vit_max_num_patch_per_side", 70) ** 2))


@reads("Blip2ForConditionalGeneration", model_types=("blip-2",))
def read_blip2(config: Config, files: Preprocessor) -> MultimodalFacts:
    """BLIP-2: one token a query."""
    return MultimodalFacts(
        "blip-2", ("image",), FixedTokens(config.integer("num_query_tokens", 32)), item_limits=(("image", 1),)
    )


@reads("GLM4VForCausalLM")
def read_glm4v_9b(config: Config, files: Preprocessor) -> MultimodalFacts:
    """GLM-4V-9B: a fixed grid, begin and end of image are encoder outputs too."""
    _, patches = vision_grid(config.section("vision_config"), 1120, 14)
    return MultimodalFacts("glm4v_9b", ("image",), FixedTokens((patches // 2) ** 2 + 2), item_limits=(("image", 1),))
