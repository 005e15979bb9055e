"""What a VLMDeployment asks of the planner: its release, and the flags it pins."""

from __future__ import annotations

from typing import Any

import pytest
from spec_cases import manifest

from vlm_operator.api.base import parse
from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.vlm_deployment import VLMDeployment, VLMDeploymentSpec
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.errors import UnknownFact


def spec_with(**engine: Any) -> VLMDeploymentSpec:
    return parse(VLMDeployment, manifest({"engine": engine})).spec


@pytest.mark.parametrize(
    ("engine", "release"),
    [
        pytest.param({}, DEFAULT, id="nothing said"),
        pytest.param({"image": "vllm/vllm-openai:v0.29.0"}, EngineVersion(0, 29), id="the tag of vLLM's image"),
        pytest.param(
            {"image": "nvcr.io/nvidia/vllm:26.01-py3", "vllmVersion": "0.29.0"},
            EngineVersion(0, 29),
            id="stated for another's image",
        ),
        pytest.param(
            {"image": "vllm/vllm-openai:v0.29.0", "vllmVersion": "0.30.0"}, EngineVersion(0, 30), id="stated wins"
        ),
    ],
)
def test_the_release_is_as_stated_or_as_the_tag_says(engine: dict[str, str], release: EngineVersion) -> None:
    assert engine_version(spec_with(**engine)) == release


@pytest.mark.parametrize(
    "image",
    [
        "nvcr.io/nvidia/vllm:26.01-py3",
        "ghcr.io/llm-d/llm-d:v0.4.0",
        "registry.redhat.io/rhaiis/vllm-cuda-rhel9:3.2.3",
        "vllm/vllm-openai:latest",
        "vllm/vllm-openai@sha256:" + "0" * 64,
    ],
)
def test_an_image_that_does_not_say_points_to_the_field_that_does(image: str) -> None:
    with pytest.raises(UnknownFact, match="does not say which vLLM release") as unknown:
        engine_version(spec_with(image=image))
    assert image in unknown.value.message
    assert unknown.value.field == "engine.image"
    assert "engine.vllmVersion" in (unknown.value.hint or "")


def test_what_the_engine_sets_is_pinned() -> None:
    intent = intent_of(
        spec_with(dtype="half", quantization="fp8", loadFormat="auto", trustRemoteCode=False, mediaIOKwargs={"b": 1}),
        DEFAULT,
    )
    assert intent.pinned == {"dtype", "quantization", "load_format", "trust_remote_code", "media_io_kwargs"}
    settings = intent.settings
    assert (settings.dtype, settings.quantization, settings.media_io_kwargs) == ("half", "fp8", '{"b":1}')
