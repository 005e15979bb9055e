"""Multimodal tokens: what an image, a video or a sound costs in prompt and encoder tokens, per kind of processor.

Belongs here: the processors' resizing, tiling and sampling as arithmetic. Does not: choosing limits (``planning``).
Called by ``capacity.startup``, ``planning`` and ``vlmctl tokens``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from vlm_operator.capacity.multimodal import (  # each registers the answers for its processor
    any_resolution,
    aspect_tiles,
    candidate_canvases,
    canvas_tiles,
    capped_cells,
    covering_partition,
    fixed,
    hd_crops,
    longest_edge_tiles,
    marked_resize,
    naflex,
    native_patches,
    newline_cells,
    ocr_views,
    overlapping_crops,
    pan_and_scan,
    patch_limit,
    probed_resize,
    row_breaks,
    searched_scale,
    slices,
    smart_resize,
    soft_tokens,
    upscale_tiles,
    volume_resize,
    window_patches,
)
from vlm_operator.capacity.multimodal.audio import count_audio, sound_of_video, videos_bring_sound, with_audio
from vlm_operator.capacity.multimodal.caps import Cap, cap_for_tokens, frame_cap_for_tokens
from vlm_operator.capacity.multimodal.counting import count_image, count_video, largest_items
from vlm_operator.capacity.multimodal.encoder_budget import EncoderBudget, budget_of, rejected
from vlm_operator.capacity.multimodal.items import (
    Audio,
    Image,
    ItemTokens,
    RefusedItem,
    Video,
    check_audio,
    check_image,
    check_video,
)
from vlm_operator.capacity.multimodal.knobs import ineffective
from vlm_operator.capacity.multimodal.request import request_of
from vlm_operator.engine.media_limits import max_image_pixels
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.processors import MultimodalFacts

__all__ = [
    "Audio",
    "Cap",
    "EncoderBudget",
    "Image",
    "ItemTokens",
    "RefusedItem",
    "Video",
    "audio_tokens",
    "cap_for_tokens",
    "encoder_budget",
    "fitting_items",
    "frame_cap_for_tokens",
    "image_tokens",
    "ineffective_knobs",
    "item_flags",
    "largest_item_tokens",
    "max_item_tokens",
    "plural",
    "rejected",
    "require_taken",
    "video_tokens",
    "videos_bring_sound",
]

_PROCESSORS = (
    any_resolution,
    aspect_tiles,
    candidate_canvases,
    canvas_tiles,
    capped_cells,
    covering_partition,
    fixed,
    hd_crops,
    longest_edge_tiles,
    marked_resize,
    naflex,
    native_patches,
    newline_cells,
    ocr_views,
    overlapping_crops,
    pan_and_scan,
    patch_limit,
    probed_resize,
    row_breaks,
    searched_scale,
    slices,
    smart_resize,
    soft_tokens,
    upscale_tiles,
    volume_resize,
    window_patches,
)


@lru_cache(maxsize=4096)
def image_tokens(facts: MultimodalFacts, image: Image, settings: EngineSettings, version: EngineVersion) -> ItemTokens:
    """Tokens of one image, as the processor of that release counts them.

    Raises:
        InputError: no such image, or a knob is wrong; ``RefusedItem`` where the processor refuses the image.
        UnknownFact: a knob whose effect on this family is not known.
    """
    check_image(image)
    require_taken(facts, "image")
    _require_decodable(image, version, "image")
    return count_image(facts.processor, image, request_of(facts, settings, version))


@lru_cache(maxsize=4096)
def video_tokens(facts: MultimodalFacts, video: Video, settings: EngineSettings, version: EngineVersion) -> ItemTokens:
    """Tokens of one video, sampled and resized as that release does; with its sound where the flags ask for it.

    Raises as ``image_tokens``.
    """
    source = check_video(video)
    require_taken(facts, "video")
    frame = Image(video.width, video.height)
    _require_decodable(frame, version, "video")
    request = request_of(facts, settings, version)
    counted = count_video(facts.processor, source, frame, request)
    sound = sound_of_video(request, video.seconds)
    return replace(counted, prompt_tokens=counted.prompt_tokens + sound) if sound else counted


@lru_cache(maxsize=4096)
def audio_tokens(facts: MultimodalFacts, audio: Audio, settings: EngineSettings, version: EngineVersion) -> ItemTokens:
    """Tokens of one sound, as the processor of that release counts them. Raises as ``image_tokens``."""
    check_audio(audio)
    require_taken(facts, "audio")
    rule = facts.audio
    if rule is None:
        raise UnknownFact(
            f"audio: the tokens of audio on {facts.family} are not known",
            field="audio",
            hint="leave audio out, or measure a sound on a running server",
        )
    return count_audio(rule, audio, request_of(facts, settings, version))


def largest_item_tokens(facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion) -> Mapping[str, int]:
    """Encoder tokens of the largest item per modality, as vLLM computes it at start-up, switched-off ones included
    where the family computes them all the same.

    Raises:
        InputError: ``max_model_len`` is not set and the family's largest item depends on it.
        UnknownFact: the release's rule is not known.
    """
    request = request_of(facts, settings, version)
    largest = largest_items(facts.processor, request) if facts.processor is not None else {}
    return with_audio(largest, request)


def item_flags(settings: EngineSettings, version: EngineVersion) -> tuple[object, ...]:
    """The flags that the tokens of items depend on."""
    return (
        settings.max_model_len,
        settings.limit_mm_per_prompt,
        settings.language_model_only,
        settings.mm_processor_kwargs,
        settings.media_io_kwargs,
        version,
    )


@cached_by_identity(by=item_flags)
def max_item_tokens(facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion) -> Mapping[str, int]:
    """Encoder tokens of the largest item of each enabled modality: what vLLM profiles. Raises as the function above."""
    largest = largest_item_tokens(facts, settings, version) if any(map(settings.enabled, facts.modalities)) else {}
    return {name: largest[name] for name in facts.modalities if name in largest and settings.enabled(name)}


def encoder_budget(facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion) -> EncoderBudget:
    """Which modality start-up profiles, how many items of it, and how large the encoder cache is.

    ``settings`` must be resolved: ``max_model_len``, ``max_num_batched_tokens`` and ``max_num_seqs`` set.
    """
    return budget_of(facts, max_item_tokens(facts, settings, version), settings, version)


def ineffective_knobs(facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion) -> tuple[str, ...]:
    """One sentence for each given processor option that this family accepts and that changes no count."""
    return ineffective(request_of(facts, settings, version))


def fitting_items(item: ItemTokens, tokens: int) -> int:
    """How many such items fit into ``tokens`` of a prompt."""
    return max(0, tokens) // max(item.prompt_tokens, 1)


def require_taken(facts: MultimodalFacts, modality: str) -> None:
    """Refuse items that vLLM does not serve on this model, or whose tokens are not known.

    Raises:
        InputError: the model takes none.
        UnknownFact: it takes them, and nobody knows how many tokens they become.
    """
    if modality in facts.uncounted:
        raise UnknownFact(
            f"{modality}: {facts.family} takes {plural(modality)} in vLLM, but the tokens of one are not known",
            field=modality,
            hint=f"leave {plural(modality)} out, or measure one on a running server",
        )
    if modality not in facts.modalities:
        taken = " and ".join(("text", *map(plural, facts.modalities)))
        raise InputError(
            f"{modality}: {facts.family} does not support {plural(modality)} (it supports {taken})",
            field=modality,
            hint=f"leave {plural(modality)} out, or choose a model that takes them",
        )


def plural(modality: str) -> str:
    """``images``, ``videos``, ``audio``."""
    return modality if modality == "audio" else f"{modality}s"


def _require_decodable(image: Image, version: EngineVersion, field: str) -> None:
    most = max_image_pixels(version)
    if most is not None and image.width * image.height > most:
        raise RefusedItem(
            f"{field}: vLLM refuses {image.width}x{image.height}: {image.width * image.height} pixels exceed the"
            f" maximum of {most}",
            field=field,
            hint="scale it down, or set VLLM_MAX_IMAGE_PIXELS on the server",
        )
