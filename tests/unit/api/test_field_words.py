"""Words about vLLM's flags name the fields of a VLMDeployment where one pins the flag."""

from __future__ import annotations

import pytest

from vlm_operator.api.engine_spec import EngineSpec, LoRASpec
from vlm_operator.api.field_words import in_fields
from vlm_operator.engine.settings import FLAGS


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("Lower --max-model-len.", "Lower engine.contextLength.", id="a-flag"),
        pytest.param("Set --kv-cache-dtype to fp8", "Set engine.kvCacheDtype to fp8", id="a-flag-and-its-value"),
        pytest.param("--no-enable-prefix-caching", "engine.enablePrefixCaching to false", id="a-switch-turned-off"),
        pytest.param("--max-model-lens", "--max-model-lens", id="a-longer-name-is-another-flag"),
        pytest.param("--swap-space, --no-such", "--swap-space, --no-such", id="no-field-pins-it"),
        pytest.param("--kv-cache-dtype auto, then --dtype half", "engine.kvCacheDtype auto, then engine.dtype half",
                     id="a-name-that-ends-like-another"),
    ],
)  # fmt: skip
def test_flags_become_fields(words: str, expected: str) -> None:
    assert in_fields(words) == expected


@pytest.mark.parametrize("name", [name for name, flag in FLAGS.items() if flag.api])
def test_each_field_named_exists(name: str) -> None:
    field = in_fields(FLAGS[name].spelling).removeprefix("engine.")
    outer = {each.alias for each in EngineSpec.model_fields.values()}
    assert field in outer | {f"lora.{each.alias}" for each in LoRASpec.model_fields.values()}
