"""What files of images, videos and sounds hold: sizes, durations and rates, as vLLM's loaders see them.

Pillow, PyAV and ffprobe are looked for only when a file is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from vlm_operator.engine.item_rules import IMAGES_UPRIGHT_SINCE
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError

if TYPE_CHECKING:
    from vlm_operator.cli.media_streams import SoundStream, VideoStream

Stream = TypeVar("Stream", "VideoStream", "SoundStream")

_ORIENTATION: Final = 0x0112
"""EXIF tag of the camera's orientation."""

_ON_ITS_SIDE: Final = (5, 6, 7, 8)
"""Orientations whose picture is turned by a quarter: width and height change places."""

_FILE_NAME: Final = re.compile(r".*[/\\].*|.*\.[A-Za-z][A-Za-z0-9]{1,4}", re.DOTALL)
"""A path, or a name with an ending such as ``.jpg``."""


@dataclass(frozen=True, slots=True)
class FileOption:
    """The option that a file was given to.

    Attributes:
        name: without dashes, for instance ``images``.
        by_hand: how the same is said without a file, for instance ``1@1920x1080``.
    """

    name: str
    by_hand: str


def names_a_file(text: str) -> bool:
    """True where ``text`` is a file that exists, or is written like the name of one.

    >>> [names_a_file(text) for text in ("photo.jpg", "clips/a", "4@640x480", "1@9.5s", "four")]
    [True, True, False, False, False]
    """
    if _FILE_NAME.fullmatch(text):
        return True
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):
        return False


def image_size(path: str, version: EngineVersion, option: FileOption) -> tuple[int, int]:
    """(width, height) of the image in a file, pixels, as the vLLM release ``version`` hands it to the model.

    Raises:
        InputError: no such file, no image that Pillow reads, or no Pillow.
    """
    _check_readable(path, option)
    try:
        from PIL import Image
    except ImportError:
        raise _no_reader(path, "an image", "Pillow, which is not installed", "pillow", option) from None
    try:
        with Image.open(path) as image:
            (width, height), orientation = image.size, image.getexif().get(_ORIENTATION)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _not_read(path, "image", error, option) from error
    turned = orientation in _ON_ITS_SIDE and version >= IMAGES_UPRIGHT_SINCE
    return (height, width) if turned else (width, height)


def video_of(path: str, option: FileOption) -> VideoStream:
    """The first video of a file, read by PyAV, else by ffprobe.

    Raises:
        InputError: no such file, no video that can be read, or neither PyAV nor ffprobe.
    """
    from vlm_operator.cli.media_streams import read_video

    return _read(path, read_video, "video", option)


def sound_of(path: str, option: FileOption) -> SoundStream:
    """The first sound of a file, read by PyAV, else by ffprobe.

    Raises:
        InputError: no such file, no sound that can be read, or neither PyAV nor ffprobe.
    """
    from vlm_operator.cli.media_streams import read_sound

    return _read(path, read_sound, "sound", option)


def _read(path: str, read: Callable[[str], Stream], what: str, option: FileOption) -> Stream:
    from vlm_operator.cli.media_streams import NoReader, NotReadable

    _check_readable(path, option)
    try:
        return read(path)
    except NoReader:
        raise _no_reader(path, f"a {what}", "PyAV or ffprobe, and neither is installed", "av", option) from None
    except NotReadable as error:
        raise _not_read(path, what, error, option) from error


def _check_readable(path: str, option: FileOption) -> None:
    try:
        if Path(path).is_dir():
            raise InputError(
                f"{option.name}: {path} is a folder", field=option.name, hint="name its files one by one, or by hand"
            )
        with Path(path).open("rb"):
            pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(
            f"{option.name}: {path}: {reason}",
            field=option.name,
            hint=f"name a file that can be read, or say it by hand: {option.by_hand}",
        ) from error


def _no_reader(path: str, what: str, readers: str, package: str, option: FileOption) -> InputError:
    return InputError(
        f"{option.name}: {path} is {what}, and reading it takes {readers}",
        field=option.name,
        hint=f"pip install {package}, or say it by hand: {option.by_hand}",
    )


def _not_read(path: str, what: str, error: Exception, option: FileOption) -> InputError:
    return InputError(
        f"{option.name}: {path} is no {what} that can be read ({str(error) or type(error).__name__})",
        field=option.name,
        hint=f"give another file, or say it by hand: {option.by_hand}",
    )
