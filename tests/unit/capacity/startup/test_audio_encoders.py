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


def whole(architecture: str, config: dict[str, Any]) -> ModelFacts:
    return read_model_facts({"architectures": [architecture], **config}, model="m", source="test")


TINY = whole(
    "WhisperForConditionalGeneration",
    {
        "model_type": "whisper",
        "d_model": 384,
        "encoder_ffn_dim": 1536,
        "encoder_layers": 4,
        "decoder_layers": 4,
        "decoder_attention_heads": 6,
        "decoder_ffn_dim": 1536,
        "vocab_size": 51865,
        "max_target_positions": 448,
    },
)
GRANITE = facts("GraniteSpeechForConditionalGeneration", "granite_speech", {}, "granite")
THINKER = {
    "audio_config": {"n_window": 50, "d_model": 1024, "encoder_ffn_dim": 4096, "output_dim": 2048},
    "text_config": TEXT | {"model_type": "qwen3", "head_dim": 128},
}
QWEN3_ASR = whole("Qwen3ASRForConditionalGeneration", {"model_type": "qwen3_asr", "thinker_config": THINKER})


def test_whisper_takes_what_five_sounds_of_its_smallest_model_did() -> None:
    """64,569,344 bytes at the peak of vLLM's own ``WhisperEncoder``."""
    found = tower(TINY)
    each = bytes_per_patch(found, encoder_rules(found.traits, VERSION), 1, 2)
    assert 7500 * each == pytest.approx(64_569_344, rel=0.02)


def test_a_conformer_in_plain_matrices_takes_what_its_attention_did() -> None:
    """1,327,242,240 bytes for 25,000 positions in vLLM's own encoder of the usual size, and up to a twentieth more."""
    taken = transient(GRANITE, 1) - 25_000 * tower(GRANITE).inputs_per_patch * 2
    assert 1_327_242_240 < taken < 1.05 * 1_327_242_240


def test_the_first_convolution_of_a_spectrogram_decides_and_runs_on_500_windows_at_most() -> None:
    """A window of 100 frames of 128 bands: 480 channels of 64 bands and 50 frames, twice."""
    each = 2 * 480 * 64 * 50 * 2
    found = tower(QWEN3_ASR)
    assert (found.samples, found.front_positions) == (16_000 // 13, 500 * 13)
    assert 13 * found.front_bytes == pytest.approx(each, rel=1e-5)
    inputs = 21 * -(-480_000 // found.samples) * found.inputs_per_patch * 2
    assert transient(QWEN3_ASR, 1) - inputs == pytest.approx(500 * each, rel=1e-5)


def test_an_encoder_that_was_not_counted_is_unknown_with_the_dry_run_as_the_next_step() -> None:
    model = facts("MiDashengLMModel", "midashenglm", {}, "qwen2")
    settings, version = resolved("0.33.0", model, gpu(), max_num_batched_tokens=8192, max_model_len=32768)
    with pytest.raises(UnknownFact, match="audio encoder of midashenglm") as caught:
        profiled_encoder(model, settings, version)
    assert "dry-run" in (caught.value.hint or "")
