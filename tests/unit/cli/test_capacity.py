"""``vlmctl capacity``: one answer in three forms, from a directory or a file; refusals by their kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from vlm_operator.cli.capacity import command
from vlm_operator.errors import InputError, UnknownFact

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    return tmp_path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments), "--offline"])


def answer(*arguments: object) -> dict[str, Any]:
    result = invoke(*arguments, "-o", "json")
    assert result.exit_code == 0, result.exception
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


def test_layout_requests_and_containers(llama: Path) -> None:
    found = answer(llama, "--max-model-len", 1000, "--max-model-len", 8192, "--kv-cache-memory", "1GiB")
    assert found["vllmVersion"] == "0.33.0"
    assert found["kvGroups"] == [{"kind": "FullAttention", "layers": 6, "blockSize": 16, "pageSizeBytes": 8192}]
    assert (found["bytesPerBlock"], found["blockSize"], found["derivedMaxModelLen"]) == (49152, 16, 8192)
    assert found["requests"] == [
        {"maxModelLen": 1000, "neededBytes": 63 * 49152},
        {"maxModelLen": 8192, "neededBytes": 512 * 49152},
    ]
    # One block of the pool is vLLM's own; the logged size counts it all the same.
    assert found["containers"] == [
        {
            "kvCacheBytes": 2**30,
            "numBlocks": 21845,
            "maxModelLen": 8192,
            "capacityTokens": 21845 * 16,
            "concurrency": 42.67,
        }
    ]
    assert isinstance(found["weights"]["bytes"], int)


def test_a_directory_and_its_file_are_the_same_model(llama: Path) -> None:
    by_directory, by_file = answer(llama), answer(llama / "config.json")
    assert by_directory["kvGroups"] == by_file["kvGroups"]
    assert by_directory["containers"] == by_file["containers"]


def test_yaml_and_table_hold_the_same_figures(llama: Path) -> None:
    assert yaml.safe_load(invoke(llama, "-o", "yaml").stdout)["bytesPerBlock"] == 49152
    table = invoke(llama, "--kv-cache-memory", "1GiB").stdout
    assert "49,152 bytes" in table
    assert "21,845" in table


def test_a_container_that_starts_nothing_says_so(llama: Path) -> None:
    (container,) = answer(llama, "--kv-cache-memory", "40KiB")["containers"]
    assert container == {
        "kvCacheBytes": 40960,
        "numBlocks": 0,
        "maxModelLen": 0,
        "capacityTokens": None,
        "concurrency": None,
    }
    assert "none starts" in invoke(llama, "--kv-cache-memory", "40KiB").stdout


def test_flags_reach_the_layout(llama: Path) -> None:
    found = answer(
        llama,
        *("--tensor-parallel-size", 2, "--kv-cache-dtype", "fp8", "--vllm-version", "0.19.1", "--block-size", 32),
        *("--hf-overrides", '{"num_hidden_layers": 4}'),
    )
    assert (found["vllmVersion"], found["blockSize"]) == ("0.19.1", 32)
    assert found["bytesPerBlock"] == 2 * 1 * 64 * 1 * 32 * 4


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--tensor-parallel-size", 3), InputError),
        (("--block-size", 0), InputError),
        (("--kv-cache-dtype", "fp9"), InputError),
        (("--kv-cache-dtype", "nvfp4"), UnknownFact),
        (("--max-model-len", 0), InputError),
        (("--kv-cache-memory", "much"), InputError),
        (("--vllm-version", "0.10.2"), UnknownFact),
        (("--hf-overrides", "[1]"), InputError),
        (("--hf-overrides", '{"architectures": ["NeverHeardOf"]}'), UnknownFact),
    ],
    ids=str,
)
def test_refusals_are_of_their_kind(llama: Path, arguments: tuple[object, ...], error: type[Exception]) -> None:
    assert type(invoke(llama, *arguments).exception) is error


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"architectures": 7}', "{}", "\x00", "[" * 100_000])
def test_files_that_hold_no_config_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    assert type(invoke(path).exception) in (InputError, UnknownFact)
