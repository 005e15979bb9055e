"""Frames of a video that vLLM keeps: the frame loaders, by release.

Up to 0.22 every family was loaded by the uniform loader (32 frames); from 0.25 a family whose video processor has a
loader of its own is sampled by that one. ``--media-io-kwargs '{"video": {"video_backend": NAME}}'`` names one.

Sources: vLLM ``multimodal/video.py`` (0.11.2 to 0.32.0: classes ``…VideoBackend``) and
``multimodal/media/video.py`` (``num_frames`` is 32 where nothing says otherwise).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact


class FrameLoader(StrEnum):
    """How a video loader of vLLM chooses frames (classes in ``VIDEO_LOADER_REGISTRY``)."""

    UNIFORM = "opencv"
    """``num_frames`` frames spread evenly, at most ``fps`` a second: for every family without a loader of its own."""
    DYNAMIC = "opencv_dynamic"
    """``fps`` a second for up to five minutes, spread over all of a longer video."""
    EVEN_ROUNDED = "evenRounded"
    """``fps`` a second, 4 to 768, spread evenly and rounded to the nearest frame."""
    EVEN_PAIRS = "evenPairs"
    """The same floored to whole temporal patches."""
    TIERED = "tiered"
    """6, 2 or 1 a second by the video's length, ``fps`` ignored."""
    WALKED = "walked"
    """The first frame at or after each step of ``fps``."""


GENERIC_BACKENDS: Final = {"opencv": FrameLoader.UNIFORM, "opencv_dynamic": FrameLoader.DYNAMIC}
"""Names of loaders that belong to no family; those of families are in their records."""

DEFAULT_NUM_FRAMES: Final = 32
"""``VideoMediaIO.__init__``: frames kept where ``--media-io-kwargs`` does not say ``num_frames``."""

FAMILY_LOADERS_SINCE: Final = EngineVersion(0, 25)
"""First release read in which families have loaders of their own."""

UNIFORM_LOADER_UNTIL: Final = EngineVersion(0, 23)
"""Releases before this one load every family with the uniform loader; those between were not read."""

MOST_FRAMES: Final = 2**20
"""More sampled frames than this are refused: a minute of them would not fit any host."""

_EVEN_MAX_FRAMES: Final = 768
_MAX_FPS: Final = 30
_EVEN_MIN_FRAMES: Final = 4
_TIERED_MAX_FRAMES: Final = 640
_TIERED_MAX_SECONDS: Final = 2400


@dataclass(frozen=True, slots=True)
class VideoSource:
    """A video as its container describes it.

    Attributes:
        total_frames: frames in the file.
        frames_per_second: its frame rate.
    """

    total_frames: int
    frames_per_second: float

    @property
    def seconds(self) -> float:
        """Duration, as the loaders compute it."""
        return self.total_frames / self.frames_per_second


@dataclass(frozen=True, slots=True)
class SampledFrames:
    """The frames a loader keeps.

    Attributes:
        count: how many.
        index: place of the n-th kept frame in the source, ascending in n.
        source: what they were taken from.
        complete: True where every frame was kept; some processors then sample again.
    """

    count: int
    index: Callable[[int], int]
    source: VideoSource
    complete: bool

    def second(self, position: int) -> float:
        """Time of the n-th kept frame."""
        return self.index(position) / self.source.frames_per_second


def loader_of(
    family_loader: FrameLoader,
    backend: str | None,
    version: EngineVersion,
    named: Mapping[str, FrameLoader] = GENERIC_BACKENDS,
) -> FrameLoader:
    """The loader that a release uses: the one named by ``video_backend``, else the family's own, else the uniform one.

    Args:
        family_loader: the family's own.
        backend: ``video_backend`` of ``--media-io-kwargs``.
        version: the release.
        named: loaders by the names that vLLM registers them under.

    Raises:
        UnknownFact: a loader whose sampling is not known, or a release whose choice is not known.
    """
    if backend is not None:
        if backend not in named:
            raise UnknownFact(
                f"media-io-kwargs: the sampling of video_backend {backend[:40]!r} is not known",
                field="media-io-kwargs.video.video_backend",
                hint=f"known: {', '.join(sorted(named))}",
            )
        return named[backend]
    if family_loader is FrameLoader.UNIFORM or version < UNIFORM_LOADER_UNTIL:
        return FrameLoader.UNIFORM
    if version < FAMILY_LOADERS_SINCE:
        raise UnknownFact(
            f"vllm-version: which frames of a video vLLM {version} keeps is not known (families got loaders of their"
            f" own between {UNIFORM_LOADER_UNTIL} and {FAMILY_LOADERS_SINCE})",
            field="vllm-version",
            hint='name the loader: --media-io-kwargs \'{"video": {"video_backend": "opencv"}}\'',
        )
    return family_loader


def sample(loader: FrameLoader, source: VideoSource, options: Mapping[str, Any]) -> SampledFrames:
    """The frames that ``loader`` keeps of ``source``, given the ``video`` part of ``--media-io-kwargs``.

    Raises:
        InputError: an option is not a number, or the loader refuses the video.
    """
    return _sample(
        loader,
        source,
        num_frames=_number(options, "num_frames", DEFAULT_NUM_FRAMES),
        fps=_number(options, "fps", None),
        max_frames=_number(options, "max_frames", None),
        min_frames=_number(options, "min_frames", None),
        max_duration=_number(options, "max_duration", 300),
    )


@lru_cache(maxsize=1024)
def _sample(
    loader: FrameLoader,
    source: VideoSource,
    *,
    num_frames: float | None,
    fps: float | None,
    max_frames: float | None,
    min_frames: float | None,
    max_duration: float | None,
) -> SampledFrames:
    match loader:
        case FrameLoader.UNIFORM:
            frames = _uniform(source, int(num_frames or -1), -1 if fps is None else fps)
        case FrameLoader.EVEN_ROUNDED:
            frames = even_frames(source, 2 if fps is None else fps, max_frames, min_frames)
        case FrameLoader.EVEN_PAIRS:
            frames = _even_pairs(source, 2 if fps is None else fps, max_frames, min_frames)
        case FrameLoader.DYNAMIC:
            frames = dynamic_frames(source, 2 if fps is None else fps, 300 if max_duration is None else max_duration)
        case FrameLoader.TIERED:
            frames = tiered_frames(source)
        case FrameLoader.WALKED:
            frames = _walked(source, 2 if fps is None else fps, max_frames)
    if frames.count > MOST_FRAMES:
        raise InputError(
            f"video: {frames.count} frames would be kept, more than {MOST_FRAMES} are not counted",
            field="video",
            hint='bound them with --media-io-kwargs \'{"video": {"num_frames": 32}}\'',
        )
    return frames


def _number(options: Mapping[str, Any], key: str, default: float | None) -> float | None:
    value = options.get(key, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(
            f"media-io-kwargs.video.{key}: {str(value)[:40]!r} is not a number",
            field=f"media-io-kwargs.video.{key}",
            hint=f'for instance --media-io-kwargs \'{{"video": {{"{key}": {default or 2}}}}}\'',
        )
    if abs(value) > 2**31:
        raise InputError(
            f"media-io-kwargs.video.{key}: {str(value)[:40]} is out of range", field=f"media-io-kwargs.video.{key}"
        )
    return value


def _spread(total: int, count: int) -> Callable[[int], int]:
    """``numpy.linspace(0, total - 1, count, dtype=int)``, element by element."""
    if count == total:
        return lambda position: position
    step = (total - 1) / (count - 1) if count > 1 else 0.0
    return lambda position: total - 1 if position == count - 1 and count > 1 else int(position * step)


def _spread_rounded(total: int, count: int) -> Callable[[int], int]:
    """``numpy.linspace(0, total - 1, count).round()``, element by element."""
    step = (total - 1) / (count - 1) if count > 1 else 0.0
    return lambda position: total - 1 if position == count - 1 and count > 1 else round(position * step)


def _listed(source: VideoSource, indices: list[int]) -> SampledFrames:
    return SampledFrames(len(indices), indices.__getitem__, source, len(indices) == source.total_frames)


def _uniform(source: VideoSource, num_frames: int, fps: float) -> SampledFrames:
    total = source.total_frames
    count = min(num_frames, total) if num_frames > 0 else total
    if fps > 0:
        count = min(count, math.floor(source.seconds * fps))
    count = max(1, count)
    return SampledFrames(count, _spread(total, count), source, count == total)


def even_frames(
    source: VideoSource, fps: float, max_frames: float | None = None, min_frames: float | None = None
) -> SampledFrames:
    """``fps`` frames a second (2 by default), 4 to 768, spread evenly and rounded to the nearest frame."""
    total = source.total_frames
    wanted = int(total / source.frames_per_second * min(fps, _MAX_FPS))
    least = _EVEN_MIN_FRAMES if min_frames is None else int(min_frames)
    most = _EVEN_MAX_FRAMES if max_frames is None else min(int(max_frames), _EVEN_MAX_FRAMES)
    count = min(max(wanted, least), most, total)
    _require_frames(count, FrameLoader.EVEN_ROUNDED)
    return SampledFrames(count, _spread_rounded(total, count), source, count == total)


def _even_pairs(
    source: VideoSource, fps: float, max_frames: float | None, min_frames: float | None, temporal_patch_size: int = 2
) -> SampledFrames:
    """As ``even_frames``, floored to whole temporal patches; the float step may yield one frame more."""
    total = source.total_frames
    least = _EVEN_MIN_FRAMES if min_frames is None else min_frames
    most = _EVEN_MAX_FRAMES if max_frames is None else min(max_frames, _EVEN_MAX_FRAMES)
    most = math.floor(min(most, total) / temporal_patch_size) * temporal_patch_size
    wanted = total / source.frames_per_second * min(fps, _MAX_FPS)
    count = math.floor(min(max(wanted, least), most, total) / temporal_patch_size) * temporal_patch_size
    _require_frames(count, FrameLoader.EVEN_PAIRS)
    step = total / count
    emitted = min(total, math.ceil(total / step))
    return SampledFrames(emitted, lambda position: min(total - 1, int(position * step)), source, emitted == total)


def _require_frames(count: int, loader: FrameLoader) -> None:
    if count < 1:
        raise InputError(
            f"video: the {loader} loader keeps no frame of so short a video",
            field="video",
            hint="give a video of at least two frames",
        )


def _require_rate(fps: float) -> None:
    if fps <= 0:
        raise InputError(
            f"media-io-kwargs.video.fps: {fps} is not above zero, and this loader samples by it",
            field="media-io-kwargs.video.fps",
            hint="leave fps out for 2 frames a second",
        )


def dynamic_frames(source: VideoSource, fps: float, max_duration: float = 300) -> SampledFrames:
    """``fps`` frames a second for at most ``max_duration`` seconds, else as many spread over all of it."""
    _require_rate(fps)
    total, rate, seconds = source.total_frames, source.frames_per_second, source.seconds
    last = total - 1
    if seconds <= max_duration:
        wanted = min(math.floor(seconds * fps), MOST_FRAMES + 1)
        if wanted >= 1 and fps >= rate and wanted > total * math.ceil(fps / rate):
            return SampledFrames(total, _spread(total, total), source, True)
        indices = sorted({min(last, math.ceil(position * rate / fps)) for position in range(wanted)})
    else:
        wanted = int(max_duration * fps)
        if wanted >= total:
            return SampledFrames(total, _spread(total, total), source, True)
        step = seconds / (wanted - 1) if wanted > 1 else 0.0
        times = [position * step for position in range(wanted)]
        if wanted > 1:
            times[-1] = seconds
        indices = sorted({min(last, math.ceil(time * rate)) for time in times})
    _require_frames(len(indices), FrameLoader.DYNAMIC)
    return _listed(source, indices)


def tiered_frames(source: VideoSource) -> SampledFrames:
    """6, 2 or 1 frames a second for up to 30, up to 300 and more seconds, at most 640, ``fps`` ignored."""
    seconds = min(source.seconds, _TIERED_MAX_SECONDS)
    per_second = 3.0 if seconds <= 30 else 1.0 if seconds <= 300 else 0.5
    wanted = min(int(seconds * per_second * 2), _TIERED_MAX_FRAMES)
    return _walk(source, wanted, 1 / (2 * per_second), int(source.seconds), FrameLoader.TIERED)


def _walked(source: VideoSource, fps: float, max_frames: float | None) -> SampledFrames:
    _require_rate(fps)
    rate = min(fps, _MAX_FPS)
    most = _TIERED_MAX_FRAMES if max_frames is None else min(int(max_frames), _TIERED_MAX_FRAMES)
    wanted = min(int(source.seconds * rate), most, source.total_frames)
    return _walk(source, wanted, 1 / rate, source.seconds - 1 / rate, FrameLoader.WALKED)


def _walk(source: VideoSource, wanted: int, interval: float, end: float, loader: FrameLoader) -> SampledFrames:
    """The first frame at or after each ``interval`` until ``end``; spread anew where these are not ``wanted`` many."""
    total = source.total_frames
    if total < wanted:
        return SampledFrames(total, _spread(total, total), source, True)
    frame_seconds = 1 / source.frames_per_second
    kept: list[int] = []
    threshold, frame = 0.0, 0
    while len(kept) <= wanted:  # one more than wanted is enough to know that they are spread anew
        frame = max(frame, int(threshold / frame_seconds) - 1)
        while frame < total and frame * frame_seconds < threshold:
            frame += 1
        if frame >= total:
            break
        threshold += interval
        kept.append(frame)
        frame += 1
        if threshold >= end:
            break
    if len(kept) == wanted:
        _require_frames(wanted, loader)
        return _listed(source, kept)
    _require_frames(wanted, loader)
    first, last = (kept[0], kept[-1]) if 0 < len(kept) < wanted else (0, total - 1)
    step = (last - first) / (wanted - 1) if wanted > 1 else 0.0
    spread = {int(position * step + first) for position in range(wanted - 1)}
    spread.add(last if wanted > 1 else first)
    return _listed(source, sorted(spread))
