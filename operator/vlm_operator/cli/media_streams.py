"""The first video or sound of a file, by PyAV where it is installed, else by the program ffprobe."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

_FFPROBE_SECONDS: Final = 60
_MICROSECONDS: Final = 1_000_000
"""Unit of a container's duration in PyAV."""


class NoReader(Exception):
    """Neither PyAV nor ffprobe is installed."""


class NotReadable(Exception):
    """The file holds no such stream, or one that does not say what is needed."""


@dataclass(frozen=True, slots=True)
class VideoStream:
    """A video: seconds (frames divided by their rate, as vLLM's loaders compute them), frames a second, and pixels of
    an upright frame."""

    seconds: float
    frames_per_second: float
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class SoundStream:
    """A sound: seconds, samples a second."""

    seconds: float
    samples_per_second: int


def read_video(path: str) -> VideoStream:
    """The first video of a file.

    Raises:
        NoReader: nothing is installed that reads videos.
        NotReadable: the file holds none.
    """
    return _video_by_pyav(path) if importlib.util.find_spec("av") else _video_by_ffprobe(path)


def read_sound(path: str) -> SoundStream:
    """The first sound of a file.

    Raises:
        NoReader: nothing is installed that reads sounds.
        NotReadable: the file holds none.
    """
    return _sound_by_pyav(path) if importlib.util.find_spec("av") else _sound_by_ffprobe(path)


def _video_by_pyav(path: str) -> VideoStream:
    import av

    try:
        with av.open(path) as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise NotReadable("it has no video stream")
            rate = stream.average_rate or stream.base_rate
            seconds = _length(stream.duration, stream.time_base, container.duration)
            frame = next(iter(container.decode(stream)), None)
            if frame is None:
                raise NotReadable("it has no frame")
            width, height = frame.width, frame.height
            return _video(
                frames=stream.frames, rate=rate, seconds=seconds, width=width, height=height, rotation=frame.rotation
            )
    except av.FFmpegError as error:
        raise NotReadable(error.strerror or str(error)) from error


def _sound_by_pyav(path: str) -> SoundStream:
    import av

    try:
        with av.open(path) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                raise NotReadable("it has no audio stream")
            return _sound(_length(stream.duration, stream.time_base, container.duration), stream.sample_rate)
    except av.FFmpegError as error:
        raise NotReadable(error.strerror or str(error)) from error


def _length(ticks: int | None, tick: Fraction | None, microseconds: int | None) -> float | None:
    """Seconds as the stream says, else as the container does."""
    if ticks and tick:
        return float(ticks * tick)
    return microseconds / _MICROSECONDS if microseconds else None


def _video_by_ffprobe(path: str) -> VideoStream:
    stream, seconds = _ffprobe(path, "v:0")
    rotations = [side.get("rotation", 0) for side in stream.get("side_data_list", ())]
    frames = str(stream.get("nb_frames", ""))
    return _video(
        frames=int(frames) if frames.isdigit() else 0,
        rate=_rate(stream.get("avg_frame_rate")) or _rate(stream.get("r_frame_rate")),
        seconds=seconds,
        width=int(stream.get("width", 0)),
        height=int(stream.get("height", 0)),
        rotation=int(next(iter(rotations), 0)),
    )


def _sound_by_ffprobe(path: str) -> SoundStream:
    stream, seconds = _ffprobe(path, "a:0")
    return _sound(seconds, int(stream.get("sample_rate", 0)))


def _ffprobe(path: str, which: str) -> tuple[dict[str, Any], float | None]:
    """What ffprobe says of one stream, and its seconds, or the file's where the stream does not say them."""
    program = shutil.which("ffprobe")
    if program is None:
        raise NoReader
    asked = ("-v", "error", "-select_streams", which, "-show_streams", "-show_format", "-of", "json")
    try:
        done = subprocess.run(
            [program, *asked, "-i", f"file:{path}"], capture_output=True, timeout=_FFPROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotReadable(f"ffprobe took more than {_FFPROBE_SECONDS} seconds") from error
    try:
        said = json.loads(done.stdout or b"{}")
    except ValueError as error:
        raise NotReadable("ffprobe's answer is no JSON") from error
    if done.returncode or not said.get("streams"):
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise NotReadable(words[-1] if words else "it has no such stream")
    stream = said["streams"][0]
    length = stream.get("duration") or said.get("format", {}).get("duration")
    return stream, float(length) if length else None


def _rate(text: str | None) -> Fraction | None:
    """``30000/1001`` as a number; None for ``0/0``."""
    try:
        return Fraction(text) if text else None
    except (ValueError, ZeroDivisionError):
        return None


def _video(
    *, frames: int, rate: Fraction | None, seconds: float | None, width: int, height: int, rotation: int
) -> VideoStream:
    if not rate:
        raise NotReadable("it does not say its frame rate")
    if frames:
        seconds = float(frames / rate)
    if not seconds or not math.isfinite(seconds):
        raise NotReadable("it does not say how long it is")
    if rotation % 180:
        width, height = height, width
    return VideoStream(seconds, float(rate), width, height)


def _sound(seconds: float | None, samples_per_second: int) -> SoundStream:
    if not seconds or not math.isfinite(seconds) or not samples_per_second:
        raise NotReadable("it does not say its length and sampling rate")
    return SoundStream(seconds, samples_per_second)
