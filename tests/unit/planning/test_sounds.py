"""Sounds of a request: their tokens, limits, and the sound of videos."""

from __future__ import annotations

import pytest

from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import DEFAULT as VERSION
from vlm_operator.errors import InputError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Audios, Videos, Workload
from vlm_operator.planning.limits import choose_limits
from vlm_operator.planning.workload import request_size
from vlm_operator.sources import load_model


def omni() -> ModelFacts:
    return load_model("Qwen/Qwen2.5-Omni-7B", offline=True)


@pytest.mark.parametrize(
    ("workload", "tokens"),
    [
        pytest.param(Workload(audios=Audios(1)), 757, id="half a minute where nothing else is said"),
        pytest.param(Workload(audios=Audios(2, 1.0)), 2 * 32, id="two sounds of a second"),
        pytest.param(Workload(audios=Audios(3, 60.0), tokens_per_audio=500), 1500, id="tokens as stated"),
    ],
)
def test_sounds_count_in_the_request(workload: Workload, tokens: int) -> None:
    request = request_size(omni(), workload, EngineSettings(), VERSION)
    assert request.tokens.audio_tokens == tokens
    assert request.tokens.total_tokens == 2048 + tokens


def test_tokens_that_the_user_states_for_sounds_say_nothing_of_the_encoder() -> None:
    stated = request_size(omni(), Workload(audios=Audios(1), tokens_per_audio=9), EngineSettings(), VERSION)
    assert stated.audio_encoder_tokens is None
    counted = request_size(omni(), Workload(audios=Audios(1)), EngineSettings(), VERSION)
    assert (counted.audio_encoder_tokens, counted.largest_encoder_tokens) == (750, 750)


def test_no_more_sounds_than_a_pinned_limit_allows() -> None:
    flags = EngineSettings(limit_mm_per_prompt=(("audio", ModalityLimit(1)),))
    with pytest.raises(InputError, match="limit-mm-per-prompt allows 1") as refusal:
        request_size(omni(), Workload(audios=Audios(2)), flags, VERSION)
    assert refusal.value.field == "workload.audios.count"


SOUND = EngineSettings(mm_processor_kwargs='{"use_audio_in_video":true}')


def test_a_video_with_sound_holds_both_and_two_marks() -> None:
    workload = Workload(videos=Videos(1, 10.0))
    silent = request_size(omni(), workload, EngineSettings(), VERSION).tokens.video_tokens
    assert request_size(omni(), workload, SOUND, VERSION).tokens.video_tokens == silent + 250 + 2


@pytest.mark.parametrize(
    ("settings", "audio"), [pytest.param(EngineSettings(), 0, id="silent"), pytest.param(SOUND, 4, id="with sound")]
)
def test_limits_of_audio_hold_the_sounds_of_videos(settings: EngineSettings, audio: int) -> None:
    limits, _ = choose_limits(omni(), Workload(videos=Videos(2, 10.0)), settings)
    assert dict(limits or ())["audio"].count == audio
