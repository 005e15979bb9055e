"""What audio encoders take at start-up: every allocation of their ``forward`` functions, counted on the meta device.

The figures are peaks of the classes of vLLM 0.33 (or those of transformers 5.19 that it builds) with the projector, for
windows of 1,500 positions of an encoder 1,280 wide with 5,120 in its MLP, attention as one kernel.
"""

from __future__ import annotations

from typing import Any

import pytest
from startup_shapes import gpu, resolved

from vlm_operator.capacity.startup.encoder import bytes_per_patch, encoder_memory
from vlm_operator.capacity.startup.profiled_encoder import profiled_encoder
from vlm_operator.engine.encoder_rules import encoder_rules
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.reader import read_model_facts

VERSION = EngineVersion.parse("0.33.0")
WIDE = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
WHISPER = {"d_model": 1280, "encoder_ffn_dim": 5120, "encoder_layers": 32, "num_mel_bins": 128}
TEXT = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 4,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 32768,
}


def facts(architecture: str, model_type: str, audio: dict[str, Any], text_type: str = "llama") -> ModelFacts:
    config = {
        "architectures": [architecture],
        "model_type": model_type,
        "audio_config": audio,
        "text_config": TEXT | {"model_type": text_type},
    }
    return read_model_facts(config, model="m", source="test")


QWEN2_AUDIO = facts("Qwen2AudioForConditionalGeneration", "qwen2_audio", WHISPER, "qwen2")
FLAMINGO = facts("AudioFlamingo3ForConditionalGeneration", "audioflamingo3", WIDE, "qwen2")
GLM_ASR = facts("GlmAsrForConditionalGeneration", "glmasr", WIDE)
ULTRAVOX = facts("UltravoxModel", "ultravox", WHISPER)
VOXTRAL = facts("VoxtralForConditionalGeneration", "voxtral", WIDE)


def tower(model: ModelFacts) -> AudioTower:
    assert model.audio is not None
    return model.audio


@pytest.mark.parametrize(
    ("model", "positions", "peak"),
    [
        pytest.param(QWEN2_AUDIO, 15_000, 460_800_512, id="Qwen2-Audio"),
        pytest.param(FLAMINGO, 30_000, 844_800_000, id="Audio Flamingo 3"),
        pytest.param(GLM_ASR, 31_500, 887_232_512, id="GLM-ASR"),
        pytest.param(ULTRAVOX, 24_000, 737_280_000, id="Ultravox"),
        pytest.param(VOXTRAL, 12_000, 368_640_000, id="Voxtral"),
    ],
)
def test_a_position_takes_what_was_counted(model: ModelFacts, positions: int, peak: int) -> None:
    found = tower(model)
    each = bytes_per_patch(found, encoder_rules(found.traits, VERSION), 1, 2)
    assert positions * each == pytest.approx(peak, rel=0.001)


@pytest.mark.parametrize(
    ("model", "items", "positions", "tokens"),
    [
        pytest.param(QWEN2_AUDIO, 10, 1500, 750, id="half a minute, ten times"),
        pytest.param(FLAMINGO, 1, 30_000, 15_000, id="ten minutes"),
        pytest.param(GLM_ASR, 1, 31_500, 7875, id="21 windows"),
        pytest.param(ULTRAVOX, 2, 24_000, 3008, id="16 windows, twice"),
        pytest.param(VOXTRAL, 1, 132_000, 33_000, id="the whole context, as windows of half a minute"),
    ],
)
def test_start_up_encodes_the_dummy_sounds(model: ModelFacts, items: int, positions: int, tokens: int) -> None:
    settings, version = resolved("0.33.0", model, gpu(), max_num_batched_tokens=8192, max_model_len=32768)
    run = profiled_encoder(model, settings, version)
    assert run is not None
    assert (run.modality, run.items, run.patches_per_item, run.encoded_tokens_per_item) == (
        "audio",
        items,
        positions,
        tokens,
    )


def transient(model: ModelFacts, ranks: int) -> int:
    settings, version = resolved("0.33.0", model, gpu(), max_num_batched_tokens=8192, max_model_len=32768)
    run, found = profiled_encoder(model, settings, version), tower(model)
    assert run is not None
    return encoder_memory(
        found,
        encoder_rules(found.traits, version),
        run,
        gpu_total_bytes=80 * 2**30,
        hidden_size=2048,
        tensor_parallel_size=ranks,
        replicated=False,
        pads_outputs=False,
        keeps_inputs=True,
    ).transient_bytes


def test_more_windows_than_go_through_at_once_take_no_more() -> None:
    inputs = 2 * 24_000 * tower(ULTRAVOX).inputs_per_patch * 2
    assert transient(ULTRAVOX, 1) == 24_000 * 30_720 + inputs


def test_an_encoder_that_every_rank_holds_whole_takes_as_much_on_each() -> None:
    assert transient(QWEN2_AUDIO, 2) == transient(QWEN2_AUDIO, 1)
    assert transient(GLM_ASR, 2) < transient(GLM_ASR, 1)


def test_an_encoder_that_was_not_counted_is_unknown_with_the_dry_run_as_the_next_step() -> None:
    model = facts("GraniteSpeechForConditionalGeneration", "granite_speech", {}, "granite")
    settings, version = resolved("0.33.0", model, gpu(), max_num_batched_tokens=8192, max_model_len=32768)
    with pytest.raises(UnknownFact, match="audio encoder of granite_speech") as caught:
        profiled_encoder(model, settings, version)
    assert "dry-run" in (caught.value.hint or "")
