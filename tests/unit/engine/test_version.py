"""Which release is meant, and which releases are known."""

from __future__ import annotations

import pytest

from vlm_operator.engine.version import (
    DEFAULT,
    OLDEST_KNOWN,
    READ_UP_TO,
    EngineVersion,
    default_image,
    is_known,
    require_known,
)
from vlm_operator.errors import UnknownFact


@pytest.mark.parametrize(
    ("image", "release"),
    [
        ("vllm/vllm-openai:v0.32.0", "0.32.0"),
        ("vllm/vllm-openai:v0.32.0-x86_64", "0.32.0"),
        ("vllm/vllm-openai-cpu:v0.31.1", "0.31.1"),
        ("docker.io/vllm/vllm-openai:v0.11.0@sha256:" + "0" * 64, "0.11.0"),
        ("registry.example:5000/team/vllm:0.30", "0.30.0"),
        ("registry.example/mirror/vllm-openai:v0.29.0-patched", "0.29.0"),
        ("vllm/vllm-openai:v1.0.0", "1.0.0"),
        pytest.param("vllm/vllm-openai:latest", None, id="a tag that moves"),
        pytest.param("vllm/vllm-openai", None, id="no tag"),
        pytest.param("vllm/vllm-openai@sha256:" + "0" * 64, None, id="a digest alone"),
        pytest.param("registry.example:5000/vllm", None, id="the port is no tag"),
        pytest.param("nvcr.io/nvidia/vllm:26.01-py3", None, id="NVIDIA numbers by month"),
        pytest.param("nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.12.0", None, id="Dynamo's own release"),
        pytest.param("ghcr.io/llm-d/llm-d-cuda:v0.4.0", None, id="llm-d"),
        pytest.param("llm-d:v0.4.0", None, id="llm-d without a registry"),
        pytest.param("ghcr.io/llm-d/llm-d-vllm:v0.12.0", None, id="llm-d with vllm in the name"),
        pytest.param("registry.redhat.io/rhaiis/vllm-cuda-rhel9:3.2.3", None, id="Red Hat AI Inference Server"),
        pytest.param("lmcache/vllm-openai:v0.12.1", None, id="LMCache's own release"),
        pytest.param("registry.example/team/model-server:0.30.0", None, id="an image of another name"),
        pytest.param("registry.example/team/vllm:2.1.0", None, id="no such release of vLLM"),
    ],
)
def test_a_tag_is_a_release_only_on_an_image_of_vllm(image: str, release: str | None) -> None:
    found = EngineVersion.of_image(image)
    assert (str(found) if found else None) == release


def test_the_default_image_tells_the_default_release() -> None:
    for cpu in (False, True):
        assert EngineVersion.of_image(default_image(DEFAULT, cpu=cpu)) == DEFAULT


@pytest.mark.parametrize(
    ("version", "known"),
    [
        pytest.param(OLDEST_KNOWN, True, id="oldest"),
        pytest.param(EngineVersion(0, OLDEST_KNOWN.minor - 1, 9999), False, id="before the oldest"),
        pytest.param(READ_UP_TO, True, id="newest read"),
        pytest.param(EngineVersion(0, READ_UP_TO.minor, 7), True, id="a patch of the newest read"),
        pytest.param(EngineVersion(0, READ_UP_TO.minor + 1), False, id="after the newest read"),
        pytest.param(EngineVersion(1, 0), False, id="the next major"),
    ],
)
def test_releases_from_the_oldest_known_to_the_newest_read_are_known(version: EngineVersion, known: bool) -> None:
    assert is_known(version) is known
    if known:
        assert require_known(version) == version
        return
    with pytest.raises(UnknownFact, match=rf"{version} are not known \(known: 0\.11\.0 to 0\.{READ_UP_TO.minor}\.x\)"):
        require_known(version)
