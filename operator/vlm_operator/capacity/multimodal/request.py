"""The multimodal options of one server, parsed once and resolved per modality.

vLLM hands a flat key of ``--mm-processor-kwargs`` to every modality whose processor knows it; ``images_kwargs`` and
``videos_kwargs`` scope a key to one and win over the flat one (vLLM 0.32 ``multimodal/processing/context.py:
_resolve_mm_processor_kwargs``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.video_sampling import (
    GENERIC_BACKENDS,
    FrameLoader,
    SampledFrames,
    VideoSource,
    loader_of,
    sample,
)
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.registry import video_backends

SCOPES: Final = {"image": "images_kwargs", "video": "videos_kwargs", "audio": "audio_kwargs"}
_ALL_SCOPES: Final = ("text_kwargs", "images_kwargs", "videos_kwargs", "audio_kwargs")
MOST_TILES: Final = 256
"""Tiles of an image; beyond, the number is a typing error, and the grids of so many take seconds to try."""
_NEUTRAL_KEYS: Final = frozenset(
    ("device", "use_audio_in_video", "truncation", "return_tensors", "do_rescale", "do_normalize", "do_convert_rgb")
)
"""Keys that processors accept and that change no count."""


@dataclass(frozen=True, slots=True)
class Request:
    """The flags that decide what an item of one model costs, on one release.

    Attributes:
        facts: the model's facts.
        settings: the flags as given.
        version: the vLLM release.
        processor_kwargs: ``--mm-processor-kwargs``, parsed.
        video_options: the ``video`` part of ``--media-io-kwargs``.
    """

    facts: MultimodalFacts
    settings: EngineSettings
    version: EngineVersion
    processor_kwargs: Mapping[str, Any]
    video_options: Mapping[str, Any]

    def scoped(self, modality: str) -> Mapping[str, Any]:
        """The processor's options for one modality: flat keys, then those scoped to it."""
        scope = self.processor_kwargs.get(SCOPES[modality])
        return _merged(self.flat(), scope) if isinstance(scope, Mapping) else self.flat()

    def flat(self) -> Mapping[str, Any]:
        """The processor's options that are scoped to no modality."""
        return {key: value for key, value in self.processor_kwargs.items() if key not in _ALL_SCOPES}

    def integer(self, modality: str, key: str, default: int, *, least: int = 1) -> int:
        """A whole-number option of ``--mm-processor-kwargs``, or the processor's default.

        Raises:
            InputError: not a whole number, or below ``least``.
        """
        value = self.scoped(modality).get(key)
        if value is None:
            return default
        return whole_number(f"mm-processor-kwargs.{key}", value, least=least)

    def tiles(self, key: str, default: int, *, knob: bool = True) -> int:
        """The most tiles, crops or slices of an image: an option where it is one (``knob``), else the processor's.

        Raises:
            InputError: not a whole number above zero, or more than are counted.
        """
        most = self.integer("image", key, default) if knob else default
        return check_tiles(most, key if most == default else f"mm-processor-kwargs.{key}")

    def boolean(self, modality: str, key: str, default: bool) -> bool:
        """A true-or-false option of ``--mm-processor-kwargs``, or the processor's default."""
        value = self.scoped(modality).get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InputError(
                f"mm-processor-kwargs.{key}: {str(value)[:40]!r} is not true or false",
                field=f"mm-processor-kwargs.{key}",
            )
        return value

    def allow(self, *known: str, modality: str = "image", because: str = "") -> None:
        """Refuse options that this family's count does not know: guessing their effect would be worse.

        Raises:
            UnknownFact: an option outside ``known``.
        """
        unknown = [key for key in self.scoped(modality) if key not in known and key not in _NEUTRAL_KEYS]
        if unknown:
            raise UnknownFact(
                f"mm-processor-kwargs.{unknown[0]}: its effect on {self.facts.family} is not known"
                + (f" ({because})" if because else ""),
                field=f"mm-processor-kwargs.{unknown[0]}",
                hint=f"known for this family: {', '.join(known)}" if known else "leave it out: this family has no knob",
            )

    def refuse_scoped(self, *keys: str) -> None:
        """Refuse image options stated in ``images_kwargs`` where vLLM's count reads flat keys only.

        Raises:
            InputError: the processor would read the option and the count would not, so that the prompt's placeholders
                and the encoder's outputs differ in number and the request fails.
        """
        scope = self.processor_kwargs.get(SCOPES["image"])
        for key in keys:
            if isinstance(scope, Mapping) and scope.get(key) is not None:
                raise InputError(
                    f"mm-processor-kwargs.images_kwargs.{key}: the processor reads it, vLLM's count of placeholders"
                    " does not, and requests fail",
                    field=f"mm-processor-kwargs.images_kwargs.{key}",
                    hint=f'state it flat: {{"{key}": …}}',
                )

    def sample(self, source: VideoSource) -> SampledFrames:
        """The frames that the release's loader for this family keeps."""
        backend = self.video_options.get("video_backend")
        if backend is not None and not isinstance(backend, str):
            raise InputError(
                f"media-io-kwargs.video.video_backend: {str(backend)[:40]!r} is not a name",
                field="media-io-kwargs.video.video_backend",
            )
        return sample(self.loader(backend), source, self.video_options)

    def loader(self, backend: str | None) -> FrameLoader:
        """The loader that the release uses for this family."""
        if backend is None or backend in GENERIC_BACKENDS:
            return loader_of(self.facts.frame_loader, backend, self.version)
        return loader_of(self.facts.frame_loader, backend, self.version, video_backends())

    def limit(self, modality: str) -> ModalityLimit | None:
        """The modality's ``--limit-mm-per-prompt`` entry, if any."""
        return self.settings.limit(modality)

    def counted(self, modality: str) -> int:
        """1 where the modality is switched on: vLLM asks for the largest item with one item of each active modality."""
        return int(modality in self.facts.modalities and self.settings.enabled(modality))

    def max_model_len(self) -> int:
        """``--max-model-len``, which the largest item of some families depends on.

        Raises:
            InputError: not set.
        """
        length = self.settings.max_model_len
        if length is None:
            raise InputError(
                f"max-model-len: the largest item of {self.facts.family} depends on it",
                field="max-model-len",
                hint="give --max-model-len",
            )
        return length


def request_of(facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion) -> Request:
    """The flags, parsed.

    Raises:
        InputError: ``--mm-processor-kwargs`` or ``--media-io-kwargs`` is not a JSON object.
    """
    video = _object("media-io-kwargs", settings.media_io_kwargs).get("video") or {}
    if not isinstance(video, Mapping):
        raise InputError(
            f"media-io-kwargs.video: {str(video)[:40]!r} is not an object",
            field="media-io-kwargs.video",
            hint='for instance --media-io-kwargs \'{"video": {"num_frames": 16}}\'',
        )
    return Request(facts, settings, version, _object("mm-processor-kwargs", settings.mm_processor_kwargs), video)


@lru_cache(maxsize=256)
def _object(flag: str, text: str | None) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(
            f"{flag}: {text[:60]!r} is not a JSON object", field=flag, hint=f"for instance --{flag} '{{}}'"
        )
    return value


def _merged(flat: Mapping[str, Any], scoped: Mapping[str, Any]) -> dict[str, Any]:
    """Scoped values win; objects (``size``) are merged key by key."""
    merged = dict(flat)
    for key, value in scoped.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def whole_number(field: str, value: object, *, least: int = 1) -> int:
    """A whole number from ``least`` up.

    Raises:
        InputError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 2**40:
        raise InputError(f"{field}: {str(value)[:40]!r} is not a whole number from {least} to 2^40", field=field)
    return value


def check_tiles(most: int, field: str) -> int:
    """``most`` itself.

    Raises:
        InputError: more tiles of an image than are counted.
    """
    if most > MOST_TILES:
        raise InputError(
            f"{field}: {most} tiles are more than the {MOST_TILES} that are counted",
            field=field,
            hint="no published model cuts an image into more than 64",
        )
    return most
