"""A vLLM version as vLLM prints it, comparable, with the range this project knows."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from vlm_operator.errors import InputError, UnknownFact

_OTHER_NUMBERINGS: Final = frozenset(
    {"nvidia", "ai-dynamo", "vllm-runtime", "llm-d", "lmcache", "rhaiis", "rhoai", "modh", "vllm-cuda-rhel9"}
)
"""Parts of image names whose publishers number their images themselves: NVIDIA (by month) and Dynamo, llm-d, LMCache,
Red Hat AI Inference Server."""

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
        """The release that a container image's tag names; None where the tag names none.

        ``latest`` and a digest alone say nothing, and an image of another publisher, or not called vLLM, has a
        numbering of its own (``nvcr.io/nvidia/vllm:26.01-py3``, ``llm-d:v0.4.0``).

        >>> EngineVersion.of_image("vllm/vllm-openai:v0.32.0-x86_64"), EngineVersion.of_image("llm-d-cuda:v0.4.0")
        (EngineVersion(major=0, minor=32, patch=0), None)
        """
        path, _, tag = image.partition("@")[0].rpartition("/")
        name, _, tag = tag.partition(":")
        if "vllm" not in name or any(part in _OTHER_NUMBERINGS for part in (*path.split("/"), name)):
            return None
        match = re.match(r"v?(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?)(?![\d])", tag, re.ASCII)
        version = cls.parse(match[1]) if match else None
        return version if version is None or version.major == 0 or path.endswith("vllm") else None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


OLDEST_KNOWN: Final = EngineVersion(0, 11)
"""Oldest release whose planning rules are known."""

OLDEST_NUMBERED: Final = EngineVersion(0, 6)
"""Development builds number themselves 0.1.dev…; no older release prints logs that are read."""

READ_UP_TO: Final = EngineVersion(0, 33)
"""Newest release whose source was read; rules hold for its patches, too. A new release is this constant and what really
changed: rules say since when they hold, not until when."""

DEFAULT: Final = READ_UP_TO
"""Release that is planned for, and whose image is used, where the user names none."""


def default_image(version: EngineVersion, *, cpu: bool) -> str:
    """The image of a vLLM release on Docker Hub, as its publishers name it."""
    return f"vllm/vllm-openai{'-cpu' if cpu else ''}:v{version}"


def is_known(version: EngineVersion) -> bool:
    """Whether the planning rules of that release are known."""
    return version >= OLDEST_KNOWN and version[:2] <= READ_UP_TO[:2]


def require_known(version: EngineVersion) -> EngineVersion:
    """The version itself, if the planning rules for it are known.

    Raises:
        UnknownFact: older than the oldest known, or newer than what was read.
    """
    if not is_known(version):
        newest = f"{READ_UP_TO.major}.{READ_UP_TO.minor}"
        raise UnknownFact(
            f"vllm-version: the rules of vLLM {version} are not known (known: {OLDEST_KNOWN} to {newest}.x)",
            field="vllm-version",
            hint="name a version in that range with --vllm-version (engine.vllmVersion in a VLMDeployment)",
        )
    return version
