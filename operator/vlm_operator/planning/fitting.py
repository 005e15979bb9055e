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
    parts += [
        f"set --{flag.replace('_', '-')} to {value} ({price})"
        for flag, value, price in _smaller_items(model, intent, request, settings, bound)
        if _fits_with(model, intent, settings.with_(**{flag: value}), bound)
    ]
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


def _smaller_items(
    model: ModelFacts, intent: Intent, request: RequestSize, settings: EngineSettings, bound: int
) -> Iterator[tuple[str, str, str]]:
    """(flag, value, price) of the caps that might make the whole request fit, where they were left free."""
    workload, family = intent.workload, family_of(model)
    if workload is None or family is None:
        return
    spare = bound - request.tokens.total_tokens
    if workload.images is not None and "mm_processor_kwargs" not in intent.pinned:
        each = (spare + request.tokens.image_tokens) // max(workload.images.count, 1)
        each -= request.tokens_per_image - (request.image_encoder_tokens or 0)
        cap = cap_for_tokens(family, "image", each, intent.version) if each >= FEWEST_TOKENS else None
        arguments = cap and cap_arguments(cap, "image", settings, intent.version)
        if cap and arguments:
            yield "mm_processor_kwargs", canonical_json(arguments), cap.price
    videos, frames = workload.videos, request.frames_per_video
    if videos is not None and frames is not None and "media_io_kwargs" not in intent.pinned:
        left = (spare + request.tokens.video_tokens) / max(request.tokens.video_tokens, 1)
        target = int(frames * left)
        options = frame_options(family, settings, videos, target, intent.version) if target >= FEWEST_FRAMES else None
        if options is not None:
            price = f"one frame every {videos.seconds / target:.1f} s"
            yield "media_io_kwargs", canonical_json({"video": options}), price
