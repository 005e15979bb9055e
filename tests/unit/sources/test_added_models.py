"""``vlmctl models add``: a model's facts kept on this machine, read before the built-in catalogue, until removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from model_files import LLAMA_CONFIG, model_folder, safetensors_bytes, tensor

from vlm_operator.cli.main import vlmctl
from vlm_operator.errors import InputError, SourceUnavailable
from vlm_operator.sources import added_models, load_model

KNOWN = "Qwen/Qwen3-VL-8B-Instruct"


@pytest.fixture(autouse=True)
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory and caches of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "data" / "vlm-operator" / "models"


def vlmctl_models(*arguments: str) -> Result:
    return CliRunner().invoke(vlmctl, ["models", *arguments])


def config_of(tmp_path: Path, **changes: object) -> Path:
    folder = tmp_path / "my-model"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(LLAMA_CONFIG | changes))
    return folder


def test_an_added_model_is_loaded_listed_and_removed(tmp_path: Path, data_home: Path) -> None:
    added = vlmctl_models("add", str(config_of(tmp_path)), "--as", "Team/My-Model")
    assert added.exit_code == 0, added.output
    assert Path(added.stdout.strip()) == data_home / "team" / "my-model.json"

    facts = load_model("team/my-model", offline=True)
    assert (facts.model, facts.text.hidden_size, facts.derived) == ("Team/My-Model", 64, None)
    assert facts.source.startswith("added: ")

    listed = json.loads(vlmctl_models("my-model", "-o", "json").stdout)["models"]
    assert [(model["id"], model["origin"]) for model in listed] == [("Team/My-Model", "added")]

    assert vlmctl_models("remove", "Team/My-Model").exit_code == 0
    with pytest.raises(SourceUnavailable):
        load_model("Team/My-Model", offline=True)


def test_an_added_model_comes_before_the_built_in_one_and_is_listed_once(tmp_path: Path) -> None:
    vlmctl_models("add", str(config_of(tmp_path)), "--as", KNOWN)
    assert load_model(KNOWN, offline=True).architecture == "LlamaForCausalLM"
    listed = json.loads(vlmctl_models(KNOWN, "-o", "json").stdout)["models"]
    assert [model["origin"] for model in listed if model["id"] == KNOWN] == ["added"]


@pytest.mark.parametrize("of_folder", [True, False], ids=["a folder", "a config"])
def test_without_a_name_a_path_is_kept_under_its_folders(tmp_path: Path, of_folder: bool) -> None:
    folder = config_of(tmp_path)
    vlmctl_models("add", str(folder if of_folder else folder / "config.json"))
    assert load_model("my-model", offline=True).text.hidden_size == 64


def test_headers_beside_the_config_are_kept_too(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "whole")
    (folder / "model.safetensors").write_bytes(safetensors_bytes({"lm_head.weight": tensor(256, 64)}))
    read = load_model(str(folder))
    vlmctl_models("add", str(folder), "--as", "team/whole")
    assert read.checkpoint_bytes is not None
    assert load_model("team/whole", offline=True).checkpoint_bytes == read.checkpoint_bytes


def test_a_model_of_the_cache_is_added_under_its_own_id(tmp_path: Path) -> None:
    commit = "0123456789" * 4
    repository = tmp_path / "hub" / "models--team--cached"
    model_folder(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    added = vlmctl_models("add", "team/cached", "--offline")
    assert added.exit_code == 0, added.output
    assert "Hugging Face cache" in (added_models.find("team/cached") or pytest.fail("not added")).source


def test_a_pinned_revision_is_not_answered_by_what_was_added_in_silence(tmp_path: Path) -> None:
    vlmctl_models("add", str(config_of(tmp_path)), "--as", "team/model")
    facts = load_model("team/model", revision="v1", offline=True)
    assert "revision v1 could not be compared" in facts.source


def test_the_plan_command_takes_an_added_model(tmp_path: Path) -> None:
    vlmctl_models("add", str(config_of(tmp_path)), "--as", "team/model")
    planned = CliRunner().invoke(vlmctl, ["plan", "team/model", "--gpu", "L4", "--offline", "-o", "json"])
    assert json.loads(planned.stdout)["verdict"] == "Fits"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("remove", "team/none"), "no entry was added as team/none", id="nothing to remove"),
        pytest.param(("add", "{config}", "--as", "../../escape"), "'../../escape' is no id", id="a path as an id"),
        pytest.param(
            ("add", KNOWN, "--offline"), "is not on this machine", id="the catalogue is no source to add from"
        ),
        pytest.param(("add", "/no/such/folder"), "cannot be read", id="no such folder"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    config = str(config_of(tmp_path) / "config.json")
    result = vlmctl_models(*(argument.format(config=config) for argument in arguments))
    assert said in str(result.exception)


def test_an_entry_of_another_form_is_refused_with_the_remedy(data_home: Path) -> None:
    data_home.mkdir(parents=True)
    (data_home / "old.json").write_text('{"form": 0, "facts": {}}')
    with pytest.raises(InputError, match=r"old\.json is not an entry of this version") as caught:
        load_model("old", offline=True)
    assert "add the model again" in (caught.value.hint or "")


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    result = vlmctl_models("add", str(config_of(tmp_path)))
    assert "cannot be written" in str(result.exception)
