"""Compute how many of the described items a context holds: "3 such images, or 41 s of that video"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vlm_operator.capacity.multimodal import Video, cap_for_tokens, video_tokens
from vlm_operator.engine.flags import canonical_json
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import VlmOperatorError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.item_levers import FEWEST_FRAMES, cap_arguments, frame_options
from vlm_operator.planning.workload import RequestSize, WantedContext, family_of, request_size

FEWEST_TOKENS: Final = 256
"""A cap below this is not proposed, encoder tokens of an image: a thumbnail."""


def fitting_seconds(
    family: MultimodalFacts, video: Video, tokens: int, settings: EngineSettings, version: EngineVersion
) -> int:
    """Whole seconds of ``video`` whose prompt tokens fit into ``tokens``, 0 where not even one second does."""

    def fits(seconds: int) -> bool:
        part = Video(seconds, video.frames_per_second, video.width, video.height)
        try:
            return video_tokens(family, part, settings, version).prompt_tokens <= tokens
        except VlmOperatorError:
            return False

    low, high = 0, int(video.seconds)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def items_that_fit(
    model: ModelFacts, intent: Intent, request: RequestSize, settings: EngineSettings, context: int
) -> str:
    """How many of the described items a context of that many tokens holds beside prompt and answer; "" where none is.

    Each kind is counted alone: "3 such images, or 41 s of that video".
    """
    workload = intent.workload
    assert workload is not None
    room = max(context - workload.prompt_tokens - workload.output_tokens, 0)
    offers: list[str] = []
    if request.tokens_per_image:
        offers.append(_counted(room // request.tokens_per_image, "such image"))
    if request.tokens_per_video and workload.videos is not None:
        whole, described = room // request.tokens_per_video, workload.videos
        if whole or request.frames_per_video is None:
            offers.append(_counted(whole, "such video"))
        else:
            source = Video(described.seconds, described.frames_per_second, described.width, described.height)
            family = family_of(model)
            seconds = fitting_seconds(family, source, room, settings, intent.version) if family else 0
            offers.append(f"{seconds:,} s of that video")
    if request.tokens_per_audio:
        offers.append(_counted(room // request.tokens_per_audio, "such sound"))
    return ", or ".join(offers)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def what_would_fit(
    model: ModelFacts, intent: Intent, context: WantedContext, settings: EngineSettings, bound: int
) -> str:
    """The next step where a request is longer than the context: which items fit, which cap helps, which context."""
    request = context.request
    assert request is not None
    held = items_that_fit(model, intent, request, settings, bound)
    parts = [f"{bound:,} tokens hold {held}"] if held else []
    caps = (*_smaller_images(model, intent, request, settings, bound), *_fewer_frames(model, intent, settings, bound))
    parts += [f"set --{flag.replace('_', '-')} to {value} ({price})" for flag, value, price in caps]
    needed = request.tokens.total_tokens
    if needed <= context.model_maximum:
        parts.append(f"raise the context to at least {needed:,} tokens")
    else:
        parts.append(f"choose a model that supports {needed:,} tokens, not {context.model_maximum:,}")
    return "; or ".join(parts)


def _fits_with(model: ModelFacts, intent: Intent, settings: EngineSettings, bound: int) -> bool:
    assert intent.workload is not None
    try:
        return request_size(model, intent.workload, settings, intent.version).tokens.total_tokens <= bound
    except VlmOperatorError:
        return False


def _smaller_images(
    model: ModelFacts, intent: Intent, request: RequestSize, settings: EngineSettings, bound: int
) -> Iterator[tuple[str, str, str]]:
    """(flag, value, price) of the cap on images that makes the whole request fit, where it is free."""
    workload, family = intent.workload, family_of(model)
    if workload is None or workload.images is None or family is None or "mm_processor_kwargs" in intent.pinned:
        return
    spare = bound - request.tokens.total_tokens
    each = (spare + request.tokens.image_tokens) // max(workload.images.count, 1)
    each -= request.tokens_per_image - (request.image_encoder_tokens or 0)
    cap = cap_for_tokens(family, "image", each, intent.version) if each >= FEWEST_TOKENS else None
    arguments = cap and cap_arguments(cap, "image", settings, intent.version)
    if not cap or not arguments:
        return
    value = canonical_json(arguments)
    if _fits_with(model, intent, settings.with_(mm_processor_kwargs=value), bound):
        yield "mm_processor_kwargs", value, cap.price


def _fewer_frames(
    model: ModelFacts, intent: Intent, settings: EngineSettings, bound: int
) -> Iterator[tuple[str, str, str]]:
    """(flag, value, price) of the most frames with which the whole request fits, where their number is free."""
    workload, family = intent.workload, family_of(model)
    if workload is None or workload.videos is None or family is None or "media_io_kwargs" in intent.pinned:
        return
    videos, frames = workload.videos, request_size(model, workload, settings, intent.version).frames_per_video
    best: tuple[int, str] | None = None
    low, high = FEWEST_FRAMES, (frames or 0) - 1
    while low <= high:
        middle = (low + high + 1) // 2
        options = frame_options(family, settings, videos, middle, intent.version)
        value = options and canonical_json({"video": options})
        if value and _fits_with(model, intent, settings.with_(media_io_kwargs=value), bound):
            best, low = (middle, value), middle + 1
        else:
            high = middle - 1
    if best is not None:
        yield "media_io_kwargs", best[1], f"one frame every {videos.seconds / best[0]:.1f} s"
