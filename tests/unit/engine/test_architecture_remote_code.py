"""Which published checkpoints hold code of their own, without which they do not load."""

from __future__ import annotations

import pytest

from vlm_operator.engine.architecture_remote_code import needs_remote_code


@pytest.mark.parametrize(
    ("architecture", "needed"),
    [
        pytest.param("InternVLChatModel", True, id="a config class of the repository"),
        pytest.param("KimiLinearForCausalLM", True, id="a tokenizer of the repository"),
        pytest.param("BailingMoeV2ForCausalLM", True, id="a text model that Transformers has not"),
        pytest.param("InternLM3ForCausalLM", True, id="one that Transformers has only lately"),
        pytest.param("DeepseekV3ForCausalLM", False, id="code in the repository, but Transformers has the class"),
        pytest.param("Qwen3VLForConditionalGeneration", False, id="no code in the repository"),
        pytest.param("InternVLForConditionalGeneration", False, id="the same model, saved by Transformers"),
    ],
)
def test_code_of_a_repository_is_run_only_where_nothing_else_reads_the_checkpoint(
    architecture: str, needed: bool
) -> None:
    assert needs_remote_code(architecture) is needed
