"""Engine options are vLLM's flags under vLLM's names, and what is given is pinned."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from vlm_operator.cli.intent_options import ENGINE_OPTIONS, options, settings_of
from vlm_operator.engine.flag import Flag
from vlm_operator.engine.flags import to_arguments
from vlm_operator.engine.settings import FLAGS, EngineSettings
from vlm_operator.errors import InputError

OPTIONAL = {name: flag for name, flag in FLAGS.items() if flag.help}
EVERY_OPTION = pytest.mark.parametrize(
    ("name", "flag"), [pytest.param(name, flag, id=name) for name, flag in OPTIONAL.items()]
)


def parsed(*arguments: str) -> tuple[EngineSettings, frozenset[str]]:
    """What a command with every engine option makes of the arguments."""
    found: list[dict[str, Any]] = []

    @click.command()
    @options(ENGINE_OPTIONS)
    def command(**values: Any) -> None:
        found.append(values)

    result = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return settings_of(found[0])


@EVERY_OPTION
def test_an_option_that_is_not_given_pins_nothing(name: str, flag: Flag) -> None:
    assert name not in parsed()[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--max-model-len", "32768"),
        ("--gpu-memory-utilization", "0.85"),
        ("--tensor-parallel-size", "2"),
        ("--enable-expert-parallel",),
        ("--quantization", "fp8"),
        ("--dtype", "half"),
        ("--load-format", "runai_streamer"),
        ("--trust-remote-code",),
        ("--kv-cache-dtype", "fp8"),
        ("--block-size", "32"),
        ("--limit-mm-per-prompt", '{"image":4,"video":0}'),
        ("--mm-processor-kwargs", '{"max_pixels":1003520}'),
        ("--media-io-kwargs", '{"video":{"num_frames":32}}'),
        ("--mm-encoder-tp-mode", "data"),
        ("--no-async-scheduling",),
        ("--enable-chunked-prefill",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_flag_is_read_and_written_alike(arguments: tuple[str, ...]) -> None:
    settings, pinned = parsed(*arguments)
    written = to_arguments(settings)
    assert len(pinned) == 1
    assert arguments in [written[start : start + len(arguments)] for start in range(len(written))]


@pytest.mark.parametrize(
    ("arguments", "flag", "value"),
    [
        (("--max-model-len", "32k"), "max_model_len", 32_000),
        (("--max-model-len", "32K"), "max_model_len", 32_768),
        (("--max-num-batched-tokens", "8K"), "max_num_batched_tokens", 8_192),
        (("--kv-cache-memory-bytes", "9GiB"), "kv_cache_memory_bytes", 9 * 2**30),
        (("-tp", "2"), "tensor_parallel_size", 2),
        (("-q", "fp8"), "quantization", "fp8"),
        (("--device-memory-utilization", "0.8"), "gpu_memory_utilization", 0.8),
        (("--no-enforce-eager",), "enforce_eager", False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_vllms_other_spellings_pin_the_same(arguments: tuple[str, ...], flag: str, value: object) -> None:
    settings, pinned = parsed(*arguments)
    assert pinned == {flag}
    assert getattr(settings, flag) == value


@pytest.mark.parametrize("text", ["auto", "-1"])
def test_a_context_of_auto_is_chosen_by_the_plan(text: str) -> None:
    assert parsed("--max-model-len", text) == (EngineSettings(), frozenset())


def test_a_context_that_is_no_number_names_the_option() -> None:
    with pytest.raises(InputError, match="max-model-len: '32kb'"):
        parsed("--max-model-len", "32kb")
