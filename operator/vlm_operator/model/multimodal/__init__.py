"""Read how a model turns images and videos into tokens, family by family.

Belongs here: readers that fill ``model.processors`` from a ``config.json`` and preprocessor files. Does not: counting
(``capacity.multimodal``), file access (``sources``). Called by ``model.reader`` and ``vlmctl tokens``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_operator.errors import UnknownFact
from vlm_operator.model import registry
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.vision_tower import read_vision_tower
from vlm_operator.model.processors import MultimodalFacts

__all__ = ["read_multimodal", "read_vision_tower"]


_ENCODER_KEYS = (
    "vision_config",
    "vision_encoder",
    "vit_config",
    "visual",
    "vision_model",
    "mm_vision_tower",
    "visual_tokenizer_config",
    "image_token_index",
    "image_token_id",
    "audio_config",
    "sound_config",
    "audio_encoder_config",
    "audio_model_id",
)


def read_multimodal(
    config: Mapping[str, Any],
    preprocessor: Mapping[str, Any] | None = None,
    *,
    video_preprocessor: Mapping[str, Any] | None = None,
    processor: Mapping[str, Any] | None = None,
) -> MultimodalFacts | None:
    """Token rules of the model that ``config`` describes, None for a text model.

    Args:
        config: the parsed ``config.json`` (or Mistral's ``params.json``).
        preprocessor: the parsed ``preprocessor_config.json``; without it the family's published values hold.
        video_preprocessor: the parsed ``video_preprocessor_config.json``.
        processor: the parsed ``processor_config.json``.

    Raises:
        UnknownFact: the model takes images or sounds, but its family's count is not known.
        InputError: a field has a value that it cannot have.
    """
    view = Config(config)
    files = Preprocessor(preprocessor, video_preprocessor, processor)
    architectures = [name for name in view.items("architectures") or [] if isinstance(name, str)]
    known = registry.family_of(view)
    if known is not None and (not architectures or known.variant.architecture in architectures):
        return known.family.tokens(view, files)
    model_type = view.text("model_type")
    if not any(view.has(key) for key in _ENCODER_KEYS) or registry.is_text(next(iter(architectures), None)):
        return None
    raise UnknownFact(
        f"model_type: the token arithmetic of {model_type or (architectures or ['this model'])[0]} is not known",
        field="model_type",
        hint="state the tokens an image or video takes, measured on a running server, instead of sizes",
    )
