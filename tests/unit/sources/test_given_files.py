"""A config that a VLMDeployment gives is read as that of a folder, and its place is named in every error."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from model_files import LLAMA_CONFIG

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.sources import load_model
from vlm_operator.sources.given_files import facts_of_files, files_of_config_map

QWEN = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "model_type": "qwen2_vl",
    "max_position_embeddings": 32768,
}
PIXELS = {"min_pixels": 3136, "max_pixels": 100_352}


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"config.json": LLAMA_CONFIG}, id="a config"),
        pytest.param({"config.json": QWEN, "preprocessor_config.json": PIXELS}, id="with a preprocessor"),
        pytest.param(
            {"config.json": LLAMA_CONFIG, "hf_quant_config.json": {"quantization": {"quant_algo": "FP8"}}},
            id="with ModelOpt's file",
        ),
        pytest.param({"config.json": LLAMA_CONFIG, "generation_config.json": {"top_k": 20}}, id="with sampling"),
    ],
)
def test_the_facts_are_those_of_a_folder(files: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    folder = load_model(str(tmp_path))
    given = facts_of_files(files, model=str(tmp_path))
    assert given == replace(folder, source=given.source)
    assert given.source.endswith("no weights, given in spec.model.config")


def test_a_processor_of_its_own_changes_what_an_image_costs() -> None:
    own = facts_of_files({"config.json": QWEN, "preprocessor_config.json": PIXELS}, model="a/b")
    assert own.multimodal != facts_of_files({"config.json": QWEN}, model="a/b").multimodal


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        pytest.param({}, UnknownFact, "architectures", id="empty"),
        pytest.param({"architectures": ["New"]}, UnknownFact, "New", id="an architecture that nobody knows"),
        pytest.param({**LLAMA_CONFIG, "num_hidden_layers": "x"}, InputError, "num_hidden_layers", id="no number"),
        pytest.param({**LLAMA_CONFIG, "num_hidden_layers": 10**9}, InputError, "num_hidden_layers", id="too many"),
        pytest.param({**LLAMA_CONFIG, "quantization_config": 7}, None, "", id="weights unknown, the rest known"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    config: dict[str, Any], error: type[InputError | UnknownFact] | None, words: str
) -> None:
    if error is None:
        assert facts_of_files({"config.json": config}, model="a/b").weights_unknown
        return
    with pytest.raises(error, match=rf"^here: .*{words}"):
        facts_of_files({"config.json": config}, model="a/b", where="here")


def test_of_a_config_map_the_files_that_are_read_are_taken() -> None:
    data = {"config.json": json.dumps(LLAMA_CONFIG), "tokenizer.txt": "no JSON", "modules.json": "[]"}
    assert files_of_config_map(data, "ConfigMap c") == {"config.json": LLAMA_CONFIG}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param({}, "ConfigMap c has no key config.json", id="empty"),
        pytest.param({"config.yaml": "{}"}, "ConfigMap c has no key config.json", id="another name"),
        pytest.param({"config.json": "architectures:"}, "ConfigMap c, config.json is not JSON", id="YAML"),
        pytest.param({"config.json": "[]"}, "ConfigMap c, config.json holds '\\[\\]', not an object", id="a list"),
        pytest.param({"config.json": '{"a": 1, "a": 2}'}, "key 'a' stands twice", id="a key twice"),
        pytest.param({"config.json": "{}", "processor_config.json": "x"}, "processor_config.json is not", id="another"),
    ],
)
def test_a_config_map_that_cannot_be_read_is_named(data: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        files_of_config_map(data, "ConfigMap c")
