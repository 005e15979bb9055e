"""Count the tokens of sounds: samples to frames, frames to tokens.

Sources: vLLM 0.33 ``model_executor/models/`` (``_get_prompt_updates`` of each family's processor), the feature
extractors of transformers 5.19 and mistral-common 1.13 that they call, ``multimodal/audio.py`` (resampling).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from vlm_operator.capacity.multimodal.items import Audio, ItemTokens, RefusedItem
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.processors_audio import FramedAudio

SOUND_OF_VIDEO: Final = "use_audio_in_video"
"""Option of ``--mm-processor-kwargs`` with which a video brings its sound."""

_COUNTED_BY: Final = (
    "chunk_length",
    "hop_length",
    "max_length",
    "n_samples",
    "padding",
    "sampling_rate",
    "truncation",
)
"""Options of feature extractors that change how much of a sound is counted, and whose effect was not read."""


def count_audio(rule: FramedAudio, audio: Audio, request: Request) -> ItemTokens:
    """Tokens of one sound.

    Raises:
        RefusedItem: too short for one token, where the processor refuses it.
        UnknownFact: an option whose effect is not known.
    """
    _require_known_options(request)
    tokens = tokens_of(rule, samples_of(rule, audio))
    if not tokens:
        raise RefusedItem(
            f"audio: {audio.seconds:g} s are too short: the processor of {request.facts.family} makes no token of them",
            field="audio",
            hint="send a longer sound",
        )
    if not rule.in_prompt:
        return ItemTokens(0, tokens)
    marks = rule.wrapper * -(-tokens // rule.span) if rule.span else rule.wrapper
    return ItemTokens(tokens + marks, tokens)


def sound_of_video(request: Request, seconds: float) -> int:
    """Tokens that the sound of a video adds to its prompt, 0 where the flags leave it out.

    Raises:
        InputError: the option is not true or false, or the model takes no such video.
        UnknownFact: how the family writes it is not known.
    """
    if not request.boolean("video", SOUND_OF_VIDEO, False):
        return 0
    if "audio" not in request.facts.modalities:
        raise InputError(
            f"mm-processor-kwargs.{SOUND_OF_VIDEO}: {request.facts.family} takes no audio",
            field=f"mm-processor-kwargs.{SOUND_OF_VIDEO}",
            hint="leave it out",
        )
    rule = request.facts.audio
    if rule is None or rule.sound_wrapper < 0:
        raise UnknownFact(
            f"mm-processor-kwargs.{SOUND_OF_VIDEO}: its effect on {request.facts.family} is not known",
            field=f"mm-processor-kwargs.{SOUND_OF_VIDEO}",
            hint="leave it out, and describe the sound as audio",
        )
    return count_audio(rule, Audio(seconds), request).encoder_tokens + rule.sound_wrapper


def videos_bring_sound(settings: EngineSettings) -> bool:
    """True where ``--mm-processor-kwargs`` asks for the sound of videos."""
    try:
        options = json.loads(settings.mm_processor_kwargs or "{}")
    except ValueError:
        return False
    scoped = options.get("videos_kwargs") if isinstance(options, dict) else None
    return any(isinstance(place, dict) and place.get(SOUND_OF_VIDEO) is True for place in (options, scoped))


def samples_of(rule: FramedAudio, audio: Audio) -> int:
    """Samples that reach the processor, resampled to its rate (``resample_audio_pyav``: rounded up)."""
    rate = audio.samples_per_second or rule.sampling_rate
    return -(-round(audio.seconds * rate) * rule.sampling_rate // rate)


def tokens_of(rule: FramedAudio, samples: int) -> int:
    """Outputs of the audio encoder for so many samples."""
    if rule.fixed:
        return rule.fixed
    samples = max(samples, rule.least)
    if rule.longest:
        samples = min(samples, rule.longest)
    if rule.multiple:
        samples = -(-samples // rule.multiple) * rule.multiple
    whole, rest = divmod(samples, rule.window) if rule.window else (0, samples)
    tokens = whole * _window_tokens(rule, rule.window) if whole else 0
    if rest:
        tokens += _window_tokens(rule, max(rest, rule.least_window))
    tokens = max(tokens, rule.least_tokens)
    return min(tokens, rule.most_tokens) if rule.most_tokens else tokens


def largest_audio(rule: FramedAudio, request: Request) -> int:
    """Encoder tokens that vLLM reckons for the largest sound at start-up.

    Raises:
        InputError: ``max_model_len`` is not set and the family's largest sound depends on it.
    """
    if rule.fixed or rule.largest:
        return rule.fixed or rule.largest
    return tokens_of(rule, rule.dummy) if rule.dummy else request.max_model_len()


def with_audio(largest: Mapping[str, int], request: Request) -> Mapping[str, int]:
    """The largest items with the largest sound, where audio is switched on and its rule is known."""
    rule = request.facts.audio
    if rule is None or not request.counted("audio"):
        return largest
    return {**largest, "audio": largest_audio(rule, request)}


def _window_tokens(rule: FramedAudio, samples: int) -> int:
    frames = (samples + rule.before - rule.frame) // rule.hop + 1
    for step in rule.steps:
        frames = (frames + 2 * step.padding - step.kernel) // step.stride + 1
    return max(frames, 0) * rule.times


def _require_known_options(request: Request) -> None:
    scope = request.processor_kwargs.get("audio_kwargs")
    scoped = tuple(scope) if isinstance(scope, Mapping) else ()
    for key in (*scoped, *(key for key in request.flat() if key in _COUNTED_BY)):
        if key not in ("device", "return_tensors"):
            raise UnknownFact(
                f"mm-processor-kwargs.{key}: its effect on the audio of {request.facts.family} is not known",
                field=f"mm-processor-kwargs.{key}",
                hint="leave it out",
            )
