"""What is sent, and what it costs: images, videos and sounds in, tokens out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import InputError

LARGEST_SIDE: Final = 2**24
"""Pixels; no file format that vLLM reads holds a longer side."""

LONGEST_VIDEO_FRAMES: Final = 2**40
"""Frames of a source video; beyond, the numbers are a typing error."""


class RefusedItem(InputError):
    """The model's processor refuses the item; the message holds the processor's reason."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image as it is sent, pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Video:
    """One video as it is sent: duration, frame rate of the file, pixels of a frame."""

    seconds: float
    frames_per_second: float
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Audio:
    """One sound as it is sent: duration, samples a second of the file (None: those that the processor takes)."""

    seconds: float
    samples_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class ItemTokens:
    """What one item costs.

    Attributes:
        prompt_tokens: everything it adds to the prompt: placeholders, begin and end tokens, timestamps, separators.
        encoder_tokens: outputs of the vision or audio encoder, what the encoder budget counts.
        frames_sampled: frames of a video that are kept, None for an image.
        scaled_to: (width, height) that the pixels are resized to, None where tiles make one size meaningless.
    """

    prompt_tokens: int
    encoder_tokens: int
    frames_sampled: int | None = None
    scaled_to: tuple[int, int] | None = None


def check_image(image: Image, field: str = "image") -> None:
    """Refuse sizes that no image has.

    Raises:
        InputError: a side that is not a whole number of pixels between 1 and 2^24.
    """
    for name, side in (("width", image.width), ("height", image.height)):
        if isinstance(side, bool) or not isinstance(side, int) or not 1 <= side <= LARGEST_SIDE:
            raise InputError(
                f"{field}: {name} {side} is not between 1 and {LARGEST_SIDE} pixels",
                field=field,
                hint="give width and height in whole pixels, for instance 1920x1080",
            )


def check_video(video: Video, field: str = "video") -> VideoSource:
    """The video as its container would describe it: whole frames, at least one.

    Raises:
        InputError: a duration or frame rate that is not a number above zero, or a size that no frame has.
    """
    check_image(Image(video.width, video.height), field)
    for name, value in (("seconds", video.seconds), ("frames per second", video.frames_per_second)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            raise InputError(
                f"{field}: {value} {name} is not a number above zero",
                field=field,
                hint="for instance 60s@30fps@1920x1080",
            )
    frames = video.seconds * video.frames_per_second
    if frames > LONGEST_VIDEO_FRAMES:
        raise InputError(
            f"{field}: {video.seconds:g} seconds at {video.frames_per_second:g} frames a second are more frames than a"
            f" file holds ({LONGEST_VIDEO_FRAMES})",
            field=field,
            hint="check seconds and frames per second",
        )
    return VideoSource(max(1, round(frames)), float(video.frames_per_second))


LONGEST_AUDIO_SECONDS: Final = 10_000_000
"""Seconds of a sound; beyond, the number is a typing error."""

SAMPLE_RATES: Final = (1_000, 1_000_000)
"""Least and most samples a second of a file."""


def check_audio(audio: Audio, field: str = "audio") -> None:
    """Refuse durations and sampling rates that no sound has.

    Raises:
        InputError: a duration that is not a number above zero, or a rate out of range.
    """
    seconds, rate = audio.seconds, audio.samples_per_second
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or not 0 < seconds <= LONGEST_AUDIO_SECONDS:
        raise InputError(
            f"{field}: {seconds} seconds is not a number above zero and at most {LONGEST_AUDIO_SECONDS:,}",
            field=field,
            hint="for instance 30s",
        )
    least, most = SAMPLE_RATES
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int) or not least <= rate <= most):
        raise InputError(
            f"{field}: {rate} samples a second is not a whole number from {least:,} to {most:,}",
            field=field,
            hint="for instance 30s@44100Hz",
        )
