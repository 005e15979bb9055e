"""Tokens of sounds equal what vLLM's own processors count.

``tests/data/audio_tokens.jsonl`` holds figures of vLLM 0.33: of whole processors (``by: processor``: tokens of
the prompt with one sound, embeddings in it) or, where the processor lies with the checkpoint, of the functions of vLLM
that count (``by: function``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.capacity.multimodal import Audio, RefusedItem, audio_tokens, largest_item_tokens
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

RECORDED = Path(__file__).resolve().parents[3] / "data" / "audio_tokens.jsonl"
HEAD, *ROWS = (json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines())
VERSION = EngineVersion.parse(HEAD["release"])
FLAGS = EngineSettings(max_model_len=32768)


def facts_of(row: dict[str, Any]) -> MultimodalFacts:
    found = read_multimodal(row["config"], row["preprocessor"] or None)
    assert found is not None
    return found


def named(family: str) -> MultimodalFacts:
    return facts_of(next(row for row in ROWS if row["family"] == family))


@pytest.mark.parametrize("row", [pytest.param(row, id=row["family"]) for row in ROWS])
def test_sounds_cost_what_vllm_counts(row: dict[str, Any]) -> None:
    facts = facts_of(row)
    counted = [audio_tokens(facts, Audio(seconds), FLAGS, VERSION) for seconds, *_ in row["rows"]]
    assert [[item.prompt_tokens, item.encoder_tokens] for item in counted] == [tokens for _, *tokens in row["rows"]]


@pytest.mark.parametrize("row", [pytest.param(row, id=row["family"]) for row in ROWS if row["short"]])
def test_sounds_that_vllm_finds_too_short_are_refused(row: dict[str, Any]) -> None:
    facts = facts_of(row)
    for seconds in row["short"]:
        with pytest.raises(RefusedItem, match="too short"):
            audio_tokens(facts, Audio(seconds), FLAGS, VERSION)


@pytest.mark.parametrize("row", [pytest.param(row, id=row["family"]) for row in ROWS if row["largest"]])
def test_the_largest_sound_is_what_start_up_reckons(row: dict[str, Any]) -> None:
    for length, tokens in row["largest"].items():
        settings = EngineSettings(max_model_len=int(length))
        assert largest_item_tokens(facts_of(row), settings, VERSION)["audio"] == tokens


def test_a_sound_switched_off_is_not_reckoned() -> None:
    off = FLAGS.with_(limit_mm_per_prompt=(("audio", ModalityLimit(0)),))
    assert "audio" not in largest_item_tokens(named("qwen3_omni"), off, VERSION)


@pytest.mark.parametrize(
    ("rate", "tokens"),
    [
        pytest.param(None, 13, id="the processor's own rate"),
        pytest.param(44_100, 13, id="of a CD"),
        pytest.param(8_000, 13, id="of a telephone"),
    ],
)
def test_a_file_is_resampled_before_it_is_counted(rate: int | None, tokens: int) -> None:
    assert audio_tokens(named("qwen3_omni"), Audio(1, rate), FLAGS, VERSION).encoder_tokens == tokens


def test_resampling_rounds_up_to_a_whole_sample() -> None:
    """One sample more than half a second at 44,100 Hz is 8,001 samples at 16,000 Hz, so one more frame begins."""
    exact = audio_tokens(named("qwen2_5_omni"), Audio(1.02), FLAGS, VERSION).encoder_tokens
    more = audio_tokens(named("qwen2_5_omni"), Audio(1.02 + 1 / 44_100, 44_100), FLAGS, VERSION).encoder_tokens
    assert (exact, more) == (25, 26)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), 1e8])
def test_durations_that_no_sound_has_are_refused(seconds: float) -> None:
    with pytest.raises(InputError) as refused:
        audio_tokens(named("gemma4"), Audio(seconds), FLAGS, VERSION)
    assert refused.value.field == "audio"


@pytest.mark.parametrize("options", ['{"audio_kwargs":{"chunk_length":60}}', '{"truncation":true}'])
def test_options_whose_effect_was_not_read_are_unknown(options: str) -> None:
    with pytest.raises(UnknownFact, match="mm-processor-kwargs"):
        audio_tokens(named("qwen3_omni"), Audio(1), FLAGS.with_(mm_processor_kwargs=options), VERSION)


def test_options_of_images_change_no_sound() -> None:
    given = FLAGS.with_(mm_processor_kwargs='{"max_pixels":1003520}')
    assert audio_tokens(named("qwen3_omni"), Audio(1), given, VERSION).encoder_tokens == 13
