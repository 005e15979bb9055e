"""The identity of a command: what makes two start-ups the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

from vlm_operator.lifecycle.fingerprint import fingerprint

COMMAND: dict[str, Any] = {
    "image": "vllm/vllm-openai:v0.33.0",
    "arguments": ("--max-model-len", "8192"),
    "resources": {"nvidia.com/gpu": "1"},
    "gpu_product": "NVIDIA-L4",
    "environment": {},
}


def test_it_is_sixteen_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(**COMMAND))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"image": "vllm/vllm-openai:v0.32.0"}, id="image"),
        pytest.param({"arguments": ("8192", "--max-model-len")}, id="order of arguments"),
        pytest.param({"resources": {"nvidia.com/gpu": "2"}}, id="GPUs"),
        pytest.param({"gpu_product": "NVIDIA-L40S"}, id="GPU product"),
        pytest.param({"environment": {"VLLM_CPU_KVCACHE_SPACE": "4"}}, id="environment"),
    ],
)
def test_whatever_moves_memory_changes_it(change: dict[str, Any]) -> None:
    assert fingerprint(**{**COMMAND, **change}) != fingerprint(**COMMAND)
