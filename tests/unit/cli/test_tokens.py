"""``vlmctl tokens``: items in the order given, published models without network, reasons for everything refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vlm_operator.cli.plan import command as plan_command
from vlm_operator.cli.tokens import command
from vlm_operator.errors import InputError, UnknownFact, VlmOperatorError

INTERNVL = "OpenGVLab/InternVL3-8B"


@pytest.fixture
def qwen2(tmp_path: Path) -> Path:
    config = {"architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl"}
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 32768}))
    return tmp_path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)])


def answer(*arguments: object) -> dict[str, Any]:
    result = invoke(*arguments, "-o", "json")
    assert result.exit_code == 0, result.exception
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


def test_items_are_counted_in_the_order_given(qwen2: Path) -> None:
    items = answer(qwen2, "--image", "224x224", "--video", "4s@30fps@320x180", "--image", "1920x1080")["items"]
    assert [item["modality"] for item in items] == ["image", "video", "image"]
    assert items[0] == {
        "modality": "image",
        "width": 224,
        "height": 224,
        "promptTokens": 66,
        "encoderTokens": 64,
        "scaledTo": {"width": 224, "height": 224},
    }
    assert (items[1]["seconds"], items[1]["framesPerSecond"], items[1]["framesSampled"]) == (4, 30, 8)
    assert items[2]["promptTokens"] == 2693


OMNI = "Qwen/Qwen2.5-Omni-7B"


def test_a_sound_is_counted_in_seconds_whatever_its_sampling_rate() -> None:
    got = answer(OMNI, "--audio", "30s", "--image", "224x224", "--audio", "29.99s@44100Hz")
    assert [item["modality"] for item in got["items"]] == ["audio", "image", "audio"]
    assert got["items"][0] == {"modality": "audio", "seconds": 30, "promptTokens": 757, "encoderTokens": 750}
    assert got["items"][2] == {
        "modality": "audio", "seconds": 29.99, "samplesPerSecond": 44100, "promptTokens": 757, "encoderTokens": 750
    }  # fmt: skip
    assert got["maxItemTokens"]["audio"] == 750


def test_a_reader_is_told_how_many_sounds_fit() -> None:
    result = invoke(OMNI, "--audio", "60s", "--max-model-len", "1000")
    assert "it holds 0 sounds of 60 s" in result.stderr


def test_a_published_model_needs_no_network() -> None:
    got = answer(INTERNVL, "--image", "1920x1080")
    assert got["items"][0]["promptTokens"] == 2306
    assert got["maxItemTokens"] == {"image": 3328, "video": 62208}
    assert (got["family"], got["vllmVersion"], got["maxModelLen"]) == ("internvl", "0.33.0", 65536)


def test_without_items_the_largest_ones_are_said(qwen2: Path) -> None:
    got = answer(qwen2 / "config.json", "--max-model-len", 4096)
    assert got["items"] == []
    assert got["maxItemTokens"]["image"] == 16384


def test_the_preprocessor_file_beside_the_config_counts(qwen2: Path) -> None:
    (qwen2 / "preprocessor_config.json").write_text(json.dumps({"min_pixels": 3136, "max_pixels": 1003520}))
    assert answer(qwen2, "--image", "1920x1080")["items"][0]["encoderTokens"] == 1222


def test_flags_count_as_on_the_server(qwen2: Path) -> None:
    capped = answer(qwen2, "--image", "1920x1080", "--mm-processor-kwargs", '{"max_pixels": 1003520}')
    assert capped["items"][0]["encoderTokens"] == 1222
    sampled = answer(qwen2, "--video", "60s@30fps@320x180", "--media-io-kwargs", '{"video": {"fps": 1}}')
    assert sampled["items"][0]["framesSampled"] == 60
    old = answer(qwen2, "--video", "60s@30fps@320x180", "--vllm-version", "0.22.1")
    assert old["items"][0]["framesSampled"] == 32


def test_overrides_replace_fields_of_the_config() -> None:
    got = answer(INTERNVL, "--image", "1920x1080", "--hf-overrides", '{"max_dynamic_patch": 1}')
    assert got["items"][0]["encoderTokens"] == 256


def test_a_reader_is_told_how_many_items_fit(qwen2: Path) -> None:
    result = invoke(qwen2, *["--image", "1920x1080"] * 3, "--max-model-len", 6000)
    assert result.exit_code == 0
    assert "the first 2 of 3 fit" in result.stderr
    assert "largest image at start-up: 16384 tokens" in result.stdout


def test_a_flag_without_effect_is_said(qwen2: Path) -> None:
    result = invoke(qwen2, "--video", "4s@30fps@320x180", "--mm-processor-kwargs", '{"fps": 1}')
    assert "use --media-io-kwargs" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--image", "0x0"),
        ("--image", "1x100000"),
        ("--image", "wide"),
        ("--image", "1e9x3"),
        ("--video", "-1s@30fps@640x480"),
        ("--video", "nans@30fps@640x480"),
        ("--video", "10s@0fps@640x480"),
        ("--video", "10s@30fps"),
        ("--audio", "30"),
        ("--audio", "-1s"),
        ("--audio", "nans"),
        ("--audio", "30s@1Hz"),
        ("--audio", "30s"),
        ("--max-model-len", "0"),
        ("--mm-processor-kwargs", "[]"),
        ("--media-io-kwargs", '{"video": 3}', "--image", "64x64"),
        ("--image", "1920x1080", "--mm-processor-kwargs", '{"size": {"longest_edge": 1003520}}'),
    ],
)
def test_what_cannot_be_is_refused_with_the_field(qwen2: Path, arguments: tuple[str, ...]) -> None:
    error = invoke(qwen2, *arguments).exception
    assert isinstance(error, InputError)
    assert error.field


def test_max_dynamic_patch_breaks_the_server_on_internvl() -> None:
    result = invoke(INTERNVL, "--image", "640x480", "--mm-processor-kwargs", '{"max_dynamic_patch": 4}')
    assert isinstance(result.exception, InputError)


def test_a_family_not_known_is_unknown(tmp_path: Path) -> None:
    config = {"architectures": ["Wonder"], "model_type": "wonder_vl", "vision_config": {"patch_size": 14}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    error = invoke(tmp_path, "--image", "64x64").exception
    assert isinstance(error, UnknownFact)
    assert "wonder_vl" in error.message


def test_a_text_model_takes_no_images(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}))
    assert isinstance(invoke(tmp_path, "--image", "64x64").exception, InputError)


def test_a_reader_is_told_how_many_seconds_of_a_video_fit() -> None:
    result = invoke("Qwen/Qwen2.5-VL-7B-Instruct", "--video", "60s@30fps@1280x720", "--max-model-len", "40000")
    assert "it holds 33 s of that video" in result.stderr


def planned(*arguments: object) -> Result:
    return CliRunner().invoke(plan_command, [*map(str, arguments)])


MISTRAL = "mistralai/Mistral-Small-3.2-24B-Instruct-2506"


def test_a_model_in_its_makers_own_format_is_counted_alike_by_tokens_and_plan() -> None:
    """From 0.12 on vLLM reads ``params.json`` where a repository has both, and its counts know no ``size``."""
    knob = ("--mm-processor-kwargs", '{"size": {"longest_edge": 700}}')
    counted = answer(MISTRAL, "--image", "1920x1080", *knob)["items"][0]["promptTokens"]
    result = planned(MISTRAL, "--gpu", "H100", "--images", "1@1920x1080", *knob, "-o", "json")
    assert counted == json.loads(result.stdout)["workload"]["imageTokens"] == 1736


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        pytest.param("llava-hf/llava-v1.6-mistral-7b-hf", InputError, "does not support videos", id="LLaVA-NeXT"),
        pytest.param("PaddlePaddle/PaddleOCR-VL", InputError, "does not support videos", id="PaddleOCR-VL"),
        pytest.param("rednote-hilab/dots.ocr", InputError, "does not support videos", id="dots.ocr"),
        pytest.param("moonshotai/Kimi-K2.5", UnknownFact, "takes videos in vLLM", id="Kimi K2.5 cuts them into chunks"),
    ],
)
def test_a_video_that_tokens_does_not_count_is_none_that_plan_counts(
    model: str, error: type[VlmOperatorError], said: str
) -> None:
    counted = invoke(model, "--video", "60s@30fps@1280x720").exception
    result = planned(model, "--gpu", "H100", "--gpu-count", 8, "--videos", "1@60s")
    assert isinstance(counted, error)
    assert said in counted.message
    assert said in (str(result.exception) if result.exception else result.stdout)
