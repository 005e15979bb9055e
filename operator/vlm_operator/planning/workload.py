"""Tokens of one described request, and the rounded context that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.capacity.kv import derived_max_model_len
from vlm_operator.capacity.multimodal import (
    Audio,
    Image,
    Video,
    audio_tokens,
    image_tokens,
    item_flags,
    plural,
    require_taken,
    video_tokens,
)
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.planning.intent import Intent, Workload

IMAGE_CONTEXT: Final = 8192
"""Context that requests with a few images need, tokens: rule of thumb, used where no workload is described."""

VIDEO_CONTEXT: Final = 16384
"""Context that a short video needs at about 256 tokens a second, tokens: rule of thumb, as above."""

TEXT_CONTEXT: Final = 8192
"""Context for a text model without a described workload, tokens."""

SHORTEST_CONTEXT: Final = 1024
"""No context below this is chosen where nobody described a request or set a floor, tokens."""

LARGEST_COUNT: Final = 1_000_000
"""Items of one request; more is a mistake in the input."""


@dataclass(frozen=True, slots=True)
class WorkloadTokens:
    """Tokens of one request, by part."""

    prompt_tokens: int = 0
    image_tokens: int = 0
    video_tokens: int = 0
    output_tokens: int = 0
    audio_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """All parts together."""
        return self.prompt_tokens + self.image_tokens + self.video_tokens + self.audio_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class RequestSize:
    """One request as described: its tokens by part, and what one item of each modality costs.

    Attributes:
        image_encoder_tokens, video_encoder_tokens, audio_encoder_tokens: encoder outputs of one item, None where the
            user stated tokens.
        frames_per_video: frames that vLLM keeps of one video, None as above.
        image_pixels, frame_pixels: (width, height) that an image or a frame is resized to, None where tiles are cut.
    """

    tokens: WorkloadTokens
    tokens_per_image: int = 0
    tokens_per_video: int = 0
    image_encoder_tokens: int | None = None
    video_encoder_tokens: int | None = None
    frames_per_video: int | None = None
    image_pixels: tuple[int, int] | None = None
    frame_pixels: tuple[int, int] | None = None
    tokens_per_audio: int = 0
    audio_encoder_tokens: int | None = None

    @property
    def largest_encoder_tokens(self) -> int:
        """Encoder outputs of the largest item described, 0 where none is counted."""
        return max(self.image_encoder_tokens or 0, self.video_encoder_tokens or 0, self.audio_encoder_tokens or 0)


def _count(count: int, field: str) -> int:
    if not 0 <= count <= LARGEST_COUNT:
        raise InputError(f"{field}: {count} is not between 0 and {LARGEST_COUNT:,}", field=field)
    return count


def _request_flags(workload: Workload, settings: EngineSettings, version: EngineVersion) -> tuple[object, ...]:
    """What the size of a request depends on beside the model."""
    return (workload, *item_flags(settings, version))


@cached_by_identity(by=_request_flags)
def request_size(
    model: ModelFacts, workload: Workload, settings: EngineSettings, version: EngineVersion
) -> RequestSize:
    """Tokens of one request of ``workload`` on ``model``.

    Raises:
        InputError: items that the model or the flags do not take, that its processor refuses, or a number out of range.
        UnknownFact: the family's token arithmetic is not known and the user stated no tokens per item.
    """
    for name, value in (("promptTokens", workload.prompt_tokens), ("outputTokens", workload.output_tokens)):
        if not 0 <= value <= 2**40:
            raise InputError(f"workload.{name}: {value} is not between 0 and 2^40", field=f"workload.{name}")
    per_image = per_video = image_total = video_total = 0
    image_encoder: int | None = None
    video_encoder: int | None = None
    frames: int | None = None
    image_pixels: tuple[int, int] | None = None
    frame_pixels: tuple[int, int] | None = None
    images, videos = workload.images, workload.videos
    if images is not None and _count(images.count, "workload.images.count"):
        _require_served(model, settings, "image", images.count)
        if workload.tokens_per_image is not None:
            per_image = workload.tokens_per_image
        else:
            item = image_tokens(_family(model, "tokensPerImage"), Image(images.width, images.height), settings, version)
            per_image, image_encoder, image_pixels = item.prompt_tokens, item.encoder_tokens, item.scaled_to
        image_total = per_image * images.count
    if videos is not None and _count(videos.count, "workload.videos.count"):
        _require_served(model, settings, "video", videos.count)
        if workload.tokens_per_video is not None:
            per_video = workload.tokens_per_video
        else:
            source = Video(videos.seconds, videos.frames_per_second, videos.width, videos.height)
            item = video_tokens(_family(model, "tokensPerVideo"), source, settings, version)
            per_video, video_encoder = item.prompt_tokens, item.encoder_tokens
            frames, frame_pixels = item.frames_sampled, item.scaled_to
        video_total = per_video * videos.count
    count, per_audio, audio_encoder = _audios(model, workload, settings, version)
    tokens = WorkloadTokens(
        workload.prompt_tokens, image_total, video_total, workload.output_tokens, audio_tokens=per_audio * count
    )
    return RequestSize(
        tokens,
        per_image,
        per_video,
        image_encoder,
        video_encoder,
        frames,
        image_pixels,
        frame_pixels,
        tokens_per_audio=per_audio,
        audio_encoder_tokens=audio_encoder,
    )


def _audios(
    model: ModelFacts, workload: Workload, settings: EngineSettings, version: EngineVersion
) -> tuple[int, int, int | None]:
    """How many sounds, prompt tokens of one, and its encoder tokens (None where the user stated tokens)."""
    audios = workload.audios
    if audios is None or not _count(audios.count, "workload.audios.count"):
        return 0, 0, None
    _require_served(model, settings, "audio", audios.count)
    if workload.tokens_per_audio is not None:
        return audios.count, workload.tokens_per_audio, None
    item = audio_tokens(_family(model, "tokensPerAudio"), Audio(audios.seconds), settings, version)
    return audios.count, item.prompt_tokens, item.encoder_tokens


def _require_served(model: ModelFacts, settings: EngineSettings, modality: str, count: int) -> None:
    """Refuse items that every request would be refused for: by the model's family, or by pinned limits."""
    field, family = f"workload.{modality}s.count", family_of(model)
    if family is not None and modality in family.uncounted:
        require_taken(family, modality)
    if family is not None and modality not in family.modalities:
        takes = " and ".join(("text", *map(plural, family.modalities)))
        raise InputError(
            f"workload.{modality}s: {model.model} does not support {plural(modality)} (it supports {takes})",
            field=f"workload.{modality}s",
            hint=f"remove {plural(modality)} from the workload, or choose a model that supports them",
        )
    most = most_items(model, modality)
    if most is not None and count > most:
        raise InputError(
            f"{field}: {count:,} {modality}s in one request, but {model.model} supports at most {most}",
            field=field,
            hint=f"send at most {most} {modality}{'s' if most > 1 else ''} in a request, or choose another model",
        )
    limit = settings.limit(modality)
    if limit is not None and count > limit.count:
        flag = "language-model-only" if settings.language_model_only else "limit-mm-per-prompt"
        raise InputError(
            f"{field}: {count:,} {modality}s in one request, but the pinned {flag} allows {limit.count:,}",
            field=field,
            hint=f"raise or leave out {flag}, or describe fewer {modality}s",
        )


def most_items(model: ModelFacts, modality: str) -> int | None:
    """Items of one prompt that the model itself supports, None where it has no limit of its own."""
    family = family_of(model)
    return dict(family.item_limits).get(modality) if family is not None else None


def _family(model: ModelFacts, remedy: str) -> MultimodalFacts:
    family = family_of(model)
    if family is None:
        if model.vision is None and model.multimodal_unknown is None:  # a text model
            raise InputError(
                f"workload: {model.model} ({model.architecture}) supports text only",
                field="workload",
                hint="remove images, videos and audio from the workload, or choose a model that takes them",
            )
        raise UnknownFact(
            model.multimodal_unknown or f"the token arithmetic of {model.architecture} is not known",
            field="model_type",
            hint=f"state it yourself: workload.{remedy}",
        )
    return family


def rule_of_thumb_context(model: ModelFacts, settings: EngineSettings) -> tuple[int, str]:
    """Context for a model whose workload nobody described, tokens, and the rule in words."""
    modalities = modalities_of(model)
    if "video" in modalities and settings.enabled("video"):
        return VIDEO_CONTEXT, f"no workload is described: {VIDEO_CONTEXT:,} tokens, the default for short videos"
    if "image" in modalities and settings.enabled("image"):
        return IMAGE_CONTEXT, f"no workload is described: {IMAGE_CONTEXT:,} tokens, the default for images"
    return TEXT_CONTEXT, f"no workload is described: {TEXT_CONTEXT:,} tokens"


def family_of(model: ModelFacts) -> MultimodalFacts | None:
    """Token rules of the model's family; None for a text model or an unknown family."""
    return model.multimodal if isinstance(model.multimodal, MultimodalFacts) else None


def modalities_of(model: ModelFacts) -> tuple[str, ...]:
    """Modalities beside text that the model takes, empty for a text model or an unknown family."""
    family = family_of(model)
    return family.modalities if family is not None else ()


def round_context(tokens: int) -> int:
    """The next context at or above ``tokens`` that a person would choose: 2^n or 1.5 x 2^n, at least 2,048.

    >>> [round_context(n) for n in (1, 2049, 5000, 20000, 33000)]
    [2048, 3072, 6144, 24576, 49152]
    """
    size = 2048
    while size < tokens:
        if size * 3 // 2 >= tokens:
            return size * 3 // 2
        size *= 2
    return size


@dataclass(frozen=True, slots=True)
class WantedContext:
    """How long the context should be and must be, tokens.

    Attributes:
        wanted: what a person would choose.
        least: below this the plan refuses: the floor, or one request as described.
        cap: never above: the user's cap, or the model's own maximum.
        request: the described request, None where nobody described one.
        model_maximum: longest context the model supports on that release.
        why: where ``wanted`` comes from, in words.
    """

    wanted: int
    least: int
    cap: int
    model_maximum: int
    request: RequestSize | None
    why: str


def wanted_context(model: ModelFacts, intent: Intent, settings: EngineSettings) -> WantedContext:
    """The context that the workload, the floor and the cap ask for."""
    derived = derived_max_model_len(model, intent.version)
    cap = min(derived, intent.maximum_context or derived)
    request = None
    if intent.workload is not None:
        request = request_size(model, intent.workload, settings, intent.version)
        least = max(request.tokens.total_tokens, 1)
        wanted, why = round_context(least), f"one request as described takes {least:,} tokens"
    else:
        least = 1 if intent.minimum_context else SHORTEST_CONTEXT
        wanted, why = rule_of_thumb_context(model, settings)
    floor = intent.minimum_context or 1
    return WantedContext(min(max(wanted, floor), cap), min(max(least, floor), cap), cap, derived, request, why)
