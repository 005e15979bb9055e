"""Command lines that other people wrote are read as vLLM's parser reads them."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.audit.serve_command import read_arguments
from vlm_operator.engine.settings import ModalityLimit


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--max-model-len", "8192"], {"max_model_len": 8192}, id="two words"),
        pytest.param(["--max_model_len=32k"], {"max_model_len": 32000}, id="underscores, equals sign, short number"),
        pytest.param(
            ["--max-model-len", "8192", "--max-model-len", "4096"], {"max_model_len": 4096}, id="the last wins"
        ),
        pytest.param(["-tp", "4", "-q", "awq"], {"tensor_parallel_size": 4, "quantization": "awq"}, id="short flags"),
        pytest.param(["-tp=2"], {"tensor_parallel_size": 2}, id="a short flag with an equals sign"),
        pytest.param(["--gpu-memory-util", "0.8"], {"gpu_memory_utilization": 0.8}, id="an unambiguous beginning"),
        pytest.param(["--device-memory-utilization", "0.8"], {"gpu_memory_utilization": 0.8}, id="another spelling"),
        pytest.param(["--enforce-eager"], {"enforce_eager": True}, id="a switch"),
        pytest.param(["--no-enable-prefix-caching"], {"enable_prefix_caching": False}, id="a switch off"),
        pytest.param(["--enforce-eager", "--no-enforce-eager"], {"enforce_eager": False}, id="on, then off"),
        pytest.param(
            ["--limit-mm-per-prompt", '{"image": 4, "video": 0}'],
            {"limit_mm_per_prompt": (("image", ModalityLimit(4)), ("video", ModalityLimit(0)))},
            id="limits as JSON",
        ),
        pytest.param(
            ["--limit-mm-per-prompt.image", "2", "--limit-mm-per-prompt.video=0"],
            {"limit_mm_per_prompt": (("image", ModalityLimit(2)), ("video", ModalityLimit(0)))},
            id="limits key by key",
        ),
        pytest.param(
            ["--mm-processor-kwargs", '{"max_pixels": 1003520}'],
            {"mm_processor_kwargs": '{"max_pixels":1003520}'},
            id="an object",
        ),
        pytest.param(
            ["--cudagraph-capture-sizes", "1", "2", "4", "--enforce-eager"],
            {"cudagraph_capture_sizes": (1, 2, 4), "enforce_eager": True},
            id="a list of numbers",
        ),
        pytest.param(["--kv-cache-memory-bytes", "8G"], {"kv_cache_memory_bytes": 8 * 2**30}, id="bytes"),
        pytest.param(["--trust-remote-code=true"], {"trust_remote_code": True}, id="a switch with a value (KServe)"),
        pytest.param(["--seed", "-1", "--max-num-seqs", "4"], {"max_num_seqs": 4}, id="a negative value is no flag"),
    ],
)
def test_flags_become_settings(arguments: list[str], expected: dict[str, Any]) -> None:
    command = read_arguments(["org/model", *arguments])
    assert command.model == "org/model"
    assert {name: getattr(command.settings, name) for name in command.pinned} == expected
    assert command.problems == ()


@pytest.mark.parametrize(
    ("arguments", "model"),
    [
        pytest.param(["org/model", "--port", "8000"], "org/model", id="first"),
        pytest.param(["--port", "8000", "org/model"], "org/model", id="after a flag with a value"),
        pytest.param(["--enforce-eager", "org/model"], "org/model", id="after a switch"),
        pytest.param(["--model", "org/model"], "org/model", id="as a flag"),
        pytest.param(["--model_id=org/model", "--model_name=m"], "org/model", id="KServe's flag"),
        pytest.param(["--port", "8000"], "", id="none"),
    ],
)
def test_the_model_is_found(arguments: list[str], model: str) -> None:
    assert read_arguments(arguments).model == model


def test_a_context_of_auto_leaves_the_choice_to_vllm() -> None:
    command = read_arguments(["m", "--max-model-len", "auto"])
    assert command.auto_context
    assert "max_model_len" not in command.pinned
    assert not read_arguments(["m", "--max-model-len", "auto", "--max-model-len", "4096"]).auto_context


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--max-model-len", "many"], "max-model-len: 'many' is not a whole number", id="no number"),
        pytest.param(["--gpu-memory-utilization", "90"], "90 is not above 0 and at most 1", id="per cent"),
        pytest.param(["--limit-mm-per-prompt", "image=4"], "is not JSON", id="the old form of limits"),
        pytest.param(["--max-num-seqs"], "max-num-seqs: the flag has no value", id="a flag without its value"),
    ],
)
def test_what_cannot_be_read_is_a_problem_and_no_setting(arguments: list[str], words: str) -> None:
    command = read_arguments(["m", *arguments])
    assert command.pinned == frozenset()
    assert len(command.problems) == 1
    assert words in command.problems[0]


def test_flags_that_plans_do_not_know_keep_their_values() -> None:
    command = read_arguments(["m", "--enable-auto-tool-choice", "--tool_call_parser", "hermes", "--port=9000"])
    assert command.value("--tool-call-parser") == "hermes"
    assert command.value("--port") == "9000"
    assert command.has("--enable-auto-tool-choice")
    assert command.spellings == ("--enable-auto-tool-choice", "--tool-call-parser", "--port")
