"""Images, videos and sounds of one request, as options describe them: by hand or by naming files.

The engine plans for so many items of one size. Where sizes differ, the largest counts for all, and stderr says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import click

from vlm_operator.cli.media_files import FileOption, image_size, names_a_file, sound_of, video_of
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.planning.intent import Audios, Images, Videos

_IMAGES: Final = re.compile(r"(\d{1,12})(?:@(\d{1,9})x(\d{1,9}))?", re.ASCII)
_VIDEOS: Final = re.compile(
    r"(\d{1,12})(?:@(\d{1,12}(?:\.\d{1,9})?)s)?(?:@(\d{1,6}(?:\.\d{1,9})?)fps)?(?:@(\d{1,9})x(\d{1,9}))?", re.ASCII
)
_AUDIOS: Final = re.compile(r"(\d{1,12})(?:@(\d{1,12}(?:\.\d{1,9})?)s)?", re.ASCII)

_IMAGE_FILES: Final = FileOption("images", "1@1920x1080")
_VIDEO_FILES: Final = FileOption("videos", "1@60s@30fps@1280x720")
_AUDIO_FILES: Final = FileOption("audios", "1@30s")


def parse_images(texts: Sequence[str], version: EngineVersion) -> Images | None:
    """The images of every text, ``N[@WxH]`` or a file, at the size of the largest; None where there is no text.

    Raises:
        InputError: another form, or a file that cannot be read.
    """
    given = [_images(text.strip(), version) for text in texts]
    if not given:
        return None
    largest = max(given, key=lambda images: images.width * images.height)
    together = Images(sum(images.count for images in given), largest.width, largest.height)
    _say("images", texts, {(images.width, images.height) for images in given}, f"{largest.width}x{largest.height}")
    return together


def parse_videos(texts: Sequence[str]) -> Videos | None:
    """The videos of every text, ``N[@SECONDSs][@FPSfps][@WxH]`` or a file: as long as the longest, at the size of the
    largest and the rate of the fastest; None where there is no text.

    Raises:
        InputError: another form, or a file that cannot be read.
    """
    given = [_videos(text.strip()) for text in texts]
    if not given:
        return None
    largest = max(given, key=lambda videos: videos.width * videos.height)
    together = Videos(
        sum(videos.count for videos in given),
        max(videos.seconds for videos in given),
        largest.width,
        largest.height,
        max(videos.frames_per_second for videos in given),
    )
    size = f"{together.seconds:g}s@{together.frames_per_second:g}fps@{together.width}x{together.height}"
    kinds = {(videos.seconds, videos.width, videos.height, videos.frames_per_second) for videos in given}
    _say("videos", texts, kinds, size)
    return together


def parse_audios(texts: Sequence[str]) -> Audios | None:
    """The sounds of every text, ``N[@SECONDSs]`` or a file, as long as the longest; None where there is no text.

    Raises:
        InputError: another form, or a file that cannot be read.
    """
    given = [_audios(text.strip()) for text in texts]
    if not given:
        return None
    longest = max(audios.seconds for audios in given)
    _say("audios", texts, {audios.seconds for audios in given}, f"{longest:g}s")
    return Audios(sum(audios.count for audios in given), longest)


def _images(text: str, version: EngineVersion) -> Images:
    if match := _IMAGES.fullmatch(text):
        return Images(int(match[1]), int(match[2]), int(match[3])) if match[2] else Images(int(match[1]))
    if names_a_file(text):
        return Images(1, *image_size(text, version, _IMAGE_FILES))
    raise InputError(
        f"images: {text[:60]!r} is not N[@WxH] and no file",
        field="images",
        hint="for instance 4, 4@1920x1080 or photo.jpg",
    )


def _videos(text: str) -> Videos:
    if match := _VIDEOS.fullmatch(text):
        usual = Videos(int(match[1]))
        return Videos(
            usual.count,
            float(match[2]) if match[2] else usual.seconds,
            int(match[4]) if match[4] else usual.width,
            int(match[5]) if match[5] else usual.height,
            float(match[3]) if match[3] else usual.frames_per_second,
        )
    if names_a_file(text):
        video = video_of(text, _VIDEO_FILES)
        return Videos(1, video.seconds, video.width, video.height, video.frames_per_second)
    raise InputError(
        f"videos: {text[:60]!r} is not N[@SECONDSs][@FPSfps][@WxH] and no file",
        field="videos",
        hint="for instance 1@60s@30fps@1280x720 or clip.mp4",
    )


def _audios(text: str) -> Audios:
    if match := _AUDIOS.fullmatch(text):
        return Audios(int(match[1]), float(match[2])) if match[2] else Audios(int(match[1]))
    if names_a_file(text):
        return Audios(1, sound_of(text, _AUDIO_FILES).seconds)
    raise InputError(
        f"audios: {text[:60]!r} is not N[@SECONDSs] and no file",
        field="audios",
        hint="for instance 2@30s or speech.wav",
    )


def _say(name: str, texts: Iterable[str], kinds: Collection[object], size: str) -> None:
    """Say once a command what was read from files, and that the largest counts where sizes differ."""
    if len(kinds) > 1:
        note = f"note: {name} of several sizes: each is counted as the largest, {size}"
    elif any(not text.strip().isdigit() and names_a_file(text.strip()) for text in texts):
        note = f"note: {name}: {size}, as the file says"
    else:
        return
    context = click.get_current_context(silent=True)
    said: set[str] = context.meta.setdefault("vlm_operator.notes", set()) if context else set()
    if note not in said:
        said.add(note)
        click.echo(note, err=True)
