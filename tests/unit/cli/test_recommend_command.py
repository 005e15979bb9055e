"""``vlmctl recommend``: words, a patch that the API takes, JSON; what is missing is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from vlm_operator.cli.main import vlmctl
from vlm_operator.errors import InputError

VLMD = {
    "apiVersion": "vlm-operator.dev/v1alpha1",
    "kind": "VLMDeployment",
    "metadata": {"name": "model"},
    "spec": {
        "model": {"id": "Qwen/Qwen3-VL-8B-Instruct"},
        "gpu": {"product": "NVIDIA-H100-80GB-HBM3"},
        "engine": {"contextLength": 32768},
    },
}


def page(requests: int, *, running: int = 8) -> str:
    return (
        'vllm:kv_cache_usage_perc{engine="0"} 0.2\n'
        f'vllm:num_requests_running{{engine="0"}} {running}\n'
        'vllm:cache_config_info{block_size="16",num_gpu_blocks="20000"} 1.0\n'
        f'vllm:request_prompt_tokens_sum{{engine="0"}} {requests * 800}\n'
        f'vllm:request_prompt_tokens_count{{engine="0"}} {requests}\n'
        f'vllm:request_prompt_tokens_bucket{{engine="0",le="2000.0"}} {requests}\n'
        f'vllm:request_generation_tokens_sum{{engine="0"}} {requests * 100}\n'
        f'vllm:request_generation_tokens_count{{engine="0"}} {requests}\n'
        f'vllm:request_generation_tokens_bucket{{engine="0",le="200.0"}} {requests}\n'
    )


def recommended(folder: Path, *pages: str, output: str = "table") -> Result:
    file = folder / "vlmd.yaml"
    file.write_text(yaml.safe_dump(VLMD))
    arguments = ["recommend", "-f", str(file), "--offline", "-o", output]
    for number, text in enumerate(pages):
        (folder / f"{number}.prom").write_text(text)
        arguments += ["--metrics", str(folder / f"{number}.prom")]
    return CliRunner().invoke(vlmctl, arguments, standalone_mode=False)


def test_the_patch_is_a_merge_patch_of_the_spec(tmp_path: Path) -> None:
    found: dict[str, Any] = yaml.safe_load(recommended(tmp_path, page(200), output="yaml").stdout)
    assert found == {"spec": {"engine": {"contextLength": 2208, "maxNumSeqs": 8, "gpuMemoryUtilization": 0.4}}}


def test_json_has_the_figures_and_why(tmp_path: Path) -> None:
    found = json.loads(recommended(tmp_path, page(200), output="json").stdout)
    assert {name: found["recommendation"][name] for name in ("contextLength", "maxNumSeqs", "gpus", "requests")} == {
        "contextLength": 2208,
        "maxNumSeqs": 8,
        "gpus": 1,
        "requests": 200,
    }
    assert found["patch"]["engine"]["contextLength"] == 2208
    assert any(reason.startswith("context 2,208 (now 32,768)") for reason in found["reasons"])


def test_words_name_each_field(tmp_path: Path) -> None:
    said = recommended(tmp_path, page(200)).stdout
    assert "spec.engine.contextLength: 2208" in said
    assert "sequences 8" in said


def test_several_pages_tell_more_than_the_last(tmp_path: Path) -> None:
    found = json.loads(recommended(tmp_path, page(100, running=12), page(200, running=0), output="json").stdout)
    assert (found["recommendation"]["maxNumSeqs"], found["recommendation"]["requests"]) == (12, 200)


def test_too_few_requests_are_unknown(tmp_path: Path) -> None:
    result = recommended(tmp_path, page(20))
    assert result.return_value == 4
    assert "20 requests have ended, and 100 are needed" in result.stdout


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        pytest.param((), "-f needs what the server's /metrics printed", id="no page"),
        pytest.param(("<html>",), "no page of vLLM's metrics", id="another page"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, pages: tuple[str, ...], words: str) -> None:
    error = recommended(tmp_path, *pages).exception
    assert isinstance(error, InputError)
    assert words in error.message


def test_either_a_name_or_a_file_is_given() -> None:
    error = CliRunner().invoke(vlmctl, ["recommend"], standalone_mode=False).exception
    assert isinstance(error, InputError)
    assert "give the name of a VLMDeployment" in error.message
