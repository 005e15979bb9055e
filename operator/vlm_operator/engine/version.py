"""Which vLLM is meant? A version as vLLM prints it, comparable, with the range this project knows."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from vlm_operator.errors import InputError, UnknownFact

_PATTERN: Final = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?([A-Za-z0-9.+_-]*)", re.ASCII)


class EngineVersion(NamedTuple):
    """A vLLM release. Suffixes (``rc1``, ``.post1``, ``.dev280+g…``, ``+cpu``) do not change which rules hold.

    A tuple, because a plan compares and hashes versions dozens of times.

    >>> EngineVersion.parse("v0.32.0") >= EngineVersion(0, 29)
    True
    """

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str, *, field: str = "vllm-version") -> EngineVersion:
        """Read ``0.32.0``, ``v0.32.0`` or ``0.32.0+cpu``.

        Raises:
            InputError: not a version.
        """
        match = _PATTERN.fullmatch(text.strip())
        if match is None:
            raise InputError(f"{field}: {text[:60]!r} is not a vLLM version", field=field, hint="for instance 0.32.0")
        return cls(int(match[1]), int(match[2]), int(match[3] or 0))

    @classmethod
    def of_image(cls, image: str) -> EngineVersion | None:
        """The version a container image's tag names, or None where the tag says none (``latest``, a digest alone)."""
        tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        match = re.match(r"v?(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?)(?![\d])", tag, re.ASCII)
        return cls.parse(match[1]) if match else None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


OLDEST_KNOWN: Final = EngineVersion(0, 11)
"""Oldest release whose planning rules are known."""

NEWEST_KNOWN: Final = EngineVersion(0, 33, 9999)
"""Newest release whose planning rules are known (any patch of 0.33)."""

DEFAULT: Final = EngineVersion(0, 32)
"""Release that is planned for, and whose image is used, where the user names none."""


def require_known(version: EngineVersion) -> EngineVersion:
    """The version itself, if the planning rules for it are known.

    Raises:
        UnknownFact: older than 0.11 or newer than 0.33.
    """
    if not OLDEST_KNOWN <= version <= NEWEST_KNOWN:
        raise UnknownFact(
            f"vllm-version: the rules of vLLM {version} are not known (known: 0.11.0 to 0.33.x)",
            field="vllm-version",
            hint="name a version in that range with --vllm-version, or an image whose tag says one",
        )
    return version
