"""Flags that ``extraArgs`` may set are read as vLLM reads them, and pin the same settings as their fields."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.api.base import parse
from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.engine.extra_flags import extra_settings
from vlm_operator.errors import InputError
from vlm_operator.lifecycle.server import server_of
from vlm_operator.planning.intent import Intent


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--seed", "5", "--enable-auto-tool-choice"], {}),
        (["--enable-lora", "--max-loras", "2"], {"enable_lora": True, "max_loras": 2}),
        (["--enable_lora", "--max_lora_rank=64"], {"enable_lora": True, "max_lora_rank": 64}),
        (["--no-enable-lora"], {"enable_lora": False}),
        (["--enable-lora", "--no-enable-lora"], {"enable_lora": False}),
        (["--max-loras=2", "--max-loras=3"], {"max_loras": 3}),
        (["--lora-dtype", "float16"], {"lora_dtype": "float16"}),
        (
            ["--speculative-config", '{"num_speculative_tokens": 2, "method": "mtp"}'],
            {"speculative_config": '{"method":"mtp","num_speculative_tokens":2}'},
        ),
        (
            ["--speculative-config.method", "mtp", "--speculative-config.num_speculative_tokens=2"],
            {"speculative_config": '{"method":"mtp","num_speculative_tokens":2}'},
        ),
    ],
)  # fmt: skip
def test_arguments_as_vllm_reads_them(arguments: list[str], expected: dict[str, Any]) -> None:
    assert extra_settings(arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-loras", "many"], "max-loras: 'many' is not a whole number"),
        (["--lora-dtype=fp8"], "lora-dtype: 'fp8' is none of auto, float16, bfloat16"),
        (["--speculative-config", "mtp"], "speculative-config: 'mtp' is not JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_flag(arguments: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        extra_settings(arguments)


def deployment(**engine: Any) -> VLMDeployment:
    document = {"metadata": {"name": "x"}, "spec": {"model": {"id": "a/b"}, "engine": engine}}
    return parse(VLMDeployment, document)


def intent(**engine: Any) -> Intent:
    spec = deployment(**engine).spec
    return intent_of(spec, engine_version(spec))


def test_fields_and_arguments_pin_the_same_settings() -> None:
    fields = intent(lora={"maxLoras": 2, "maxRank": 64}, speculative={"method": "ngram", "num_speculative_tokens": 3})
    arguments = intent(
        extraArgs=[
            "--enable-lora", "--max-loras=2", "--max-lora-rank=64",
            '--speculative-config={"method": "ngram", "num_speculative_tokens": 3}',
        ]
    )  # fmt: skip
    assert fields.settings == arguments.settings
    assert fields.pinned == arguments.pinned == {"enable_lora", "max_loras", "max_lora_rank", "speculative_config"}


def test_a_flag_in_both_places_is_refused() -> None:
    with pytest.raises(InputError, match="--max-loras is set there and by a field"):
        intent(lora={"maxLoras": 2}, extraArgs=["--max-loras=3"])


def test_the_command_names_a_flag_once_as_the_user_wrote_it() -> None:
    spec = deployment(extraArgs=["--enable-lora", "--max-loras=2"]).spec
    version = engine_version(spec)
    settings = intent_of(spec, version).settings
    server = server_of(spec, settings, name="x", namespace="y", version=version, offer=None, model=None)
    assert [word for word in server.command if "lora" in word] == ["--enable-lora", "--max-loras=2"]
    spec = deployment(lora={"maxLoras": 2}).spec
    settings = intent_of(spec, version).settings
    server = server_of(spec, settings, name="x", namespace="y", version=version, offer=None, model=None)
    start = server.command.index("--enable-lora")
    assert server.command[start : start + 3] == ("--enable-lora", "--max-loras", "2")
