"""Levers on images and videos: pixel caps and frame limits that make described items smaller.

A cap shrinks what start-up profiles; one below the described size shrinks the request too, and with it the context that
is wanted. A cap at the described size costs nobody anything: larger items were not described.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from vlm_operator.capacity.multimodal import (
    Cap,
    Video,
    cap_for_tokens,
    frame_cap_for_tokens,
    max_item_tokens,
    video_tokens,
)
from vlm_operator.engine.flags import canonical_json
from vlm_operator.engine.processor_options import FLAT_SIZE_SINCE, SCOPES_SINCE
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import VlmOperatorError
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.planning.intent import Intent, Videos
from vlm_operator.planning.lever import Apply, Level, Lever
from vlm_operator.planning.workload import RequestSize, family_of

IMAGE_TOKENS: Final = ((4096, 5), (2048, 8), (1024, 11), (512, 20))
"""Caps tried, encoder tokens of an image, and their weights: half a megapixel is enough for a photo, not for a page."""

FULL_HD_TOKENS: Final = 2048
"""Where nobody described images, a cap at or above this is mild, encoder tokens: with the families that merge 28 or 32
pixels a side into a token, an image of 1920 x 1080 keeps nearly all of its pixels."""

FEWEST_FRAMES: Final = 8
"""A video is not thinned out below this."""

CAPPING: Final = frozenset({"mm_processor_kwargs", "media_io_kwargs"})
"""Flags that make described items smaller."""


class _Asked(NamedTuple):
    """What the levers may change, and the items as described; None where nobody described one.

    Attributes:
        free: flags that were left free.
        images: True where images were described.
        video_may_go: True where another lever may switch videos off.
        image_tokens, video_tokens: encoder tokens of one item.
        frames: frames that vLLM keeps of one video.
    """

    free: frozenset[str]
    images: bool
    video_may_go: bool
    image_tokens: int | None
    video_tokens: int | None
    frames: int | None
    videos: Videos | None


class _Items(NamedTuple):
    """What the levers are built from: the family's rules, the flags, and the items as described."""

    family: MultimodalFacts
    base: EngineSettings
    version: EngineVersion
    asked: _Asked


def item_levers(
    model: ModelFacts, intent: Intent, base: EngineSettings, request: RequestSize | None, *, pinned: frozenset[str]
) -> tuple[Lever, ...]:
    """Caps on images, on videos' pixels, and on their frames, as far as the family has them and they were left free."""
    family = family_of(model)
    if family is None:
        return ()
    free, videos = CAPPING - pinned, intent.workload.videos if intent.workload else None
    images = intent.workload is not None and intent.workload.images is not None
    may_go = intent.workload is None and "limit_mm_per_prompt" not in pinned
    if request is None:
        asked = _Asked(free, images, may_go, None, None, None, videos)
    else:
        sizes = request.image_encoder_tokens, request.video_encoder_tokens, request.frames_per_video
        asked = _Asked(free, images, may_go, *sizes, videos)
    return _levers(family, base, intent.version, asked)


def _key(base: EngineSettings, version: EngineVersion, asked: _Asked) -> tuple[object, ...]:
    """What item levers depend on beside the family."""
    return (
        base.max_model_len,
        base.limit_mm_per_prompt,
        base.language_model_only,
        base.mm_processor_kwargs,
        base.media_io_kwargs,
        version,
        asked,
    )


@cached_by_identity(kept=1024, by=_key)
def _levers(family: MultimodalFacts, base: EngineSettings, version: EngineVersion, asked: _Asked) -> tuple[Lever, ...]:
    try:
        largest = max_item_tokens(family, base, version)
    except VlmOperatorError:
        return ()
    items = _Items(family, base, version, asked)
    found: list[Lever] = []
    if "mm_processor_kwargs" in asked.free:
        if "image" in largest:
            found += _image_caps(items, largest["image"])
        if "video" in largest and asked.video_tokens:
            found += _video_caps(items, asked.video_tokens)
    if "media_io_kwargs" in asked.free and asked.videos is not None and asked.frames:
        found += _frames(items, asked.videos, asked.frames)
    return tuple(found)


def cap_arguments(cap: Cap, modality: str, settings: EngineSettings, version: EngineVersion) -> dict[str, Any] | None:
    """A cap as ``--mm-processor-kwargs`` that the release understands; None where it has no such words."""
    arguments: dict[str, Any] = json.loads(cap.processor_kwargs)
    scope = f"{modality}s_kwargs"
    if scope not in arguments or version >= SCOPES_SINCE:
        return arguments
    other = "video" if modality == "image" else "image"
    if version < FLAT_SIZE_SINCE or settings.enabled(other):
        return None  # a flat size reaches both modalities
    flat: dict[str, Any] = arguments[scope]
    return flat


def _image_caps(items: _Items, largest: int) -> Iterator[Lever]:
    described = items.asked.image_tokens
    levels: list[Level] = []
    if described is not None and described < largest:
        levels += _cap_level(items, "image", described, 1.5, unnoticed=True)
    for tokens, weight in IMAGE_TOKENS:
        if tokens < (largest if described is None else described):
            mild = not items.asked.images and tokens >= FULL_HD_TOKENS
            levels += _cap_level(items, "image", tokens, weight, mild=mild)
    if levels:
        yield Lever("mm_processor_kwargs", tuple(levels), "image", may_take_memory=True)


def _video_caps(items: _Items, tokens: int) -> Iterator[Lever]:
    """The whole video bounded where the family does so, else each frame: at the described size, a half, a quarter."""
    pairs = -(-(items.asked.frames or 1) // 2)
    levels: list[Level] = []
    for divisor, weight in ((1, 1.5), (2, 4), (4, 8)):
        found = _cap_level(items, "video", -(-tokens // divisor), weight, unnoticed=divisor == 1)
        levels += found or _cap_level(items, "frame", -(-tokens // (pairs * divisor)), weight, unnoticed=divisor == 1)
    if levels:
        yield Lever("mm_processor_kwargs", tuple(levels), "video", may_take_memory=True)


def _cap_level(
    items: _Items, what: str, tokens: int, weight: float, *, unnoticed: bool = False, mild: bool = False
) -> list[Level]:
    """The level that caps images, whole videos or frame pairs at ``tokens``; none where the family has no such cap."""
    if what == "frame":
        cap = frame_cap_for_tokens(items.family, tokens, items.version)
    else:
        cap = cap_for_tokens(items.family, what, tokens, items.version)
    modality = "image" if what == "image" else "video"
    if not cap:
        return []
    arguments, apply = cap_arguments(cap, modality, items.base, items.version), _merged
    if not arguments and what == "image" and items.asked.video_may_go:
        arguments, apply = (
            cap_arguments(cap, modality, _without_video(items.base), items.version),
            _merged_without_video,
        )
    if not arguments:
        return []
    cost = f"{cap.price}; those in the workload are not" if unnoticed else cap.price
    return [Level(weight, cost, apply(arguments), mild=mild or unnoticed)]


def _without_video(settings: EngineSettings) -> EngineSettings:
    return settings.with_(limit_mm_per_prompt=(("video", ModalityLimit(0)),))


def _frames(items: _Items, videos: Videos, frames: int) -> Iterator[Lever]:
    """Half, a quarter, an eighth of the frames, by whichever option the family's loader honours."""
    levels: list[Level] = []
    for divisor, weight in ((2, 5), (4, 9), (8, 16)):
        target = frames // divisor
        options = frame_options(items.family, items.base, videos, target, items.version)
        if target < FEWEST_FRAMES or options is None:
            break
        every = videos.seconds / target
        cost = f"{target:,} frames are sampled from each video instead of {frames:,}, one every {every:.1f} s"
        levels.append(Level(weight, cost, _media(options)))
    if levels:
        yield Lever("media_io_kwargs", tuple(levels), may_take_memory=True)


def frame_options(
    family: MultimodalFacts, settings: EngineSettings, videos: Videos, target: int, version: EngineVersion
) -> dict[str, Any] | None:
    """The ``video`` part of ``--media-io-kwargs`` that keeps at most ``target`` frames; None where nothing does.

    Found by counting: ``num_frames`` is the uniform loader's, ``max_frames`` Qwen's, ``fps`` the others'.
    """
    source = Video(videos.seconds, videos.frames_per_second, videos.width, videos.height)
    for options in ({"num_frames": target}, {"max_frames": target}, {"fps": round(target / videos.seconds, 3)}):
        given = settings.with_(media_io_kwargs=canonical_json({"video": options}))
        try:
            kept = video_tokens(family, source, given, version).frames_sampled
        except VlmOperatorError:
            continue
        if kept is not None and kept <= target:
            return dict(options)
    return None


def _merged(arguments: dict[str, Any]) -> Apply:
    added = canonical_json(arguments)
    return lambda settings, bounds: bounds.refit(
        settings.with_(mm_processor_kwargs=_merged_json(settings.mm_processor_kwargs, added))
    )


def _merged_without_video(arguments: dict[str, Any]) -> Apply:
    """The change where videos have been switched off before; none where the arguments would reach them too."""
    merged = _merged(arguments)
    return lambda settings, bounds: settings if settings.enabled("video") else merged(settings, bounds)


@lru_cache(maxsize=1024)
def _merged_json(given: str | None, added: str) -> str:
    return canonical_json({**json.loads(given or "{}"), **json.loads(added)})


def _media(options: dict[str, Any]) -> Apply:
    arguments = canonical_json({"video": options})
    return lambda settings, bounds: bounds.refit(settings.with_(media_io_kwargs=arguments))
