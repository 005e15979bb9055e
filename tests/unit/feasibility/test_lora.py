"""vLLM refuses LoRA for some classes, ranks and numbers of adapters; other commands with LoRA start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility.adapters import adapters
from vlm_operator.feasibility.command import Command

QWEN, KIMI, OMNI = (
    "Qwen3VLForConditionalGeneration",
    "KimiVLForConditionalGeneration",
    "Qwen3OmniMoeForConditionalGeneration",
)


@pytest.mark.parametrize(
    ("architecture", "version", "flags", "said"),
    [
        pytest.param(QWEN, "0.33.0", {}, None, id="defaults"),
        pytest.param(QWEN, "0.33.0", {"max_loras": 4, "max_lora_rank": 320, "max_cpu_loras": 4}, None, id="allowed"),
        pytest.param(QWEN, "0.33.0", {"max_lora_rank": 24}, "max-lora-rank: 24 is none of 1, 8, 16", id="rank"),
        pytest.param(
            QWEN,
            "0.33.0",
            {"max_loras": 4, "max_cpu_loras": 2},
            "max-cpu-loras: 2 is less than max-loras (4)",
            id="held",
        ),
        pytest.param(KIMI, "0.33.0", {}, f"serves no LoRA adapters for {KIMI}", id="a class without"),
        pytest.param(OMNI, "0.28.0", {}, f"vLLM 0.28.0 serves no LoRA adapters for {OMNI}", id="not yet"),
        pytest.param(OMNI, "0.32.0", {}, None, id="a later release"),
    ],
)
def test_what_vllm_refuses_of_adapters(
    architecture: str, version: str, flags: dict[str, Any], said: str | None
) -> None:
    settings = EngineSettings(enable_lora=True, **flags)
    model, release = replace(qwen3_vl(), architecture=architecture), EngineVersion.parse(version)
    found = adapters(Command(model, settings, gpu("H100"), release))
    assert (found is None) is (said is None)
    assert found is None or (said or "") in found.message
    assert adapters(Command(model, settings.with_(enable_lora=False), gpu("H100"), release)) is None


@pytest.mark.parametrize(
    ("architecture", "tokens", "refused"),
    [
        pytest.param(QWEN, 258_048, False, id="the largest"),
        pytest.param(QWEN, 258_049, True, id="one more"),
        pytest.param("Gemma3ForConditionalGeneration", 262_208, False, id="a class whose output takes no adapters"),
    ],
)
def test_an_output_matrix_with_too_many_tokens_takes_no_adapters(architecture: str, tokens: int, refused: bool) -> None:
    model = qwen3_vl()
    model = replace(model, architecture=architecture, text=replace(model.text, vocab_size=tokens))
    found = adapters(Command(model, EngineSettings(enable_lora=True), gpu("H100"), EngineVersion(0, 33)))
    assert (found is not None) is refused
    assert found is None or "of 258,049 tokens" in found.message
