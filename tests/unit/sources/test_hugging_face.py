"""The local cache is read first; the Hub is asked for a config and for headers, never for weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from hub_server import COMMIT, Hub
from model_files import LLAMA_CONFIG, safetensors_bytes, tensor

from vlm_operator.errors import InputError, ModelNotFound, SourceUnavailable
from vlm_operator.sources import load_model

NAME = "example/tiny-llama"
SHARDS = {
    f"model-0000{number}-of-00002.safetensors": safetensors_bytes({f"t{number}": tensor(4, 4)}) + bytes(1_000_000)
    for number in (1, 2)
}
INDEX = {"metadata": {}, "weight_map": {f"t{number}": name for number, name in enumerate(SHARDS, 1)}}


def answer_at(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if ``HF_ENDPOINT`` had been set to the address before the library was imported."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, with no token and nothing cached; the Hub is nowhere unless a test starts one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    answer_at("http://127.0.0.1:9", monkeypatch)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return tmp_path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    files = {
        "config.json": json.dumps(LLAMA_CONFIG).encode(),
        "model.safetensors.index.json": json.dumps(INDEX).encode(),
        **SHARDS,
    }
    with Hub(NAME, files).running() as running:
        answer_at(running.address, monkeypatch)
        yield running


def snapshot(home: Path, commit: str = COMMIT, *, revision: str = "main", **changes: object) -> Path:
    """A commit in Hugging Face's cache."""
    repository = home / "hub" / f"models--{NAME.replace('/', '--')}"
    folder = repository / "snapshots" / commit
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(LLAMA_CONFIG | changes))
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / revision).write_text(commit)
    return folder


def test_the_hub_gives_config_and_headers_without_the_weights(hub: Hub) -> None:
    facts = load_model(NAME)
    assert (facts.model, facts.text.hidden_size) == (NAME, 64)
    assert facts.source == f"Hugging Face Hub: {NAME} at {COMMIT[:12]}, config.json, headers of 2 tensors"
    ranges = [wanted for _, path, wanted in hub.requests if path.endswith(".safetensors")]
    assert ranges == ["bytes=0-100000"] * 2
    assert hub.bytes_sent < 250_000


def test_the_second_look_up_asks_nobody(hub: Hub) -> None:
    first = load_model(NAME, revision=COMMIT)
    asked = len(hub.requests)
    second = load_model(NAME, revision=COMMIT, offline=True)
    assert len(hub.requests) == asked
    assert second.source == f"Hugging Face cache: {NAME} at {COMMIT[:12]}, config.json, headers of 2 tensors"
    assert (second.text, second.weights, second.checkpoint_bytes) == (first.text, first.weights, first.checkpoint_bytes)


def test_a_damaged_header_cache_is_read_anew(hub: Hub, home: Path) -> None:
    load_model(NAME)
    (kept,) = (home / "cache").rglob(f"{COMMIT}.json")
    kept.write_text("{broken")
    assert "config.json, no weights" in load_model(NAME, revision=COMMIT, offline=True).source


def test_the_cache_is_enough(home: Path) -> None:
    snapshot(home, hidden_size=128)
    facts = load_model(NAME)
    assert facts.text.hidden_size == 128
    assert facts.source == f"Hugging Face cache: {NAME} at {COMMIT[:12]}, config.json, no weights"


def test_weights_in_the_cache_are_read_once_all_shards_are_there(home: Path) -> None:
    folder = snapshot(home)
    (folder / "model.safetensors.index.json").write_text(json.dumps(INDEX))
    first, second = SHARDS
    (folder / first).write_bytes(SHARDS[first])
    assert "config.json, no weights" in load_model(NAME).source
    (folder / second).write_bytes(SHARDS[second])
    assert "headers of 2 tensors" in load_model(NAME).source


def test_a_pinned_commit_is_not_answered_with_another_one(home: Path, hub: Hub) -> None:
    snapshot(home, "f" * 40, hidden_size=128)
    assert load_model(NAME).text.hidden_size == 128
    assert load_model(NAME, revision=COMMIT).text.hidden_size == 64
    with pytest.raises(SourceUnavailable, match="at eeee"):
        load_model(NAME, revision="e" * 40, offline=True)


def test_a_token_opens_a_gated_repository(hub: Hub) -> None:
    hub.token = "hf_example"
    with pytest.raises(InputError, match="no token was given") as caught:
        load_model(NAME)
    assert "HF_TOKEN" in str(caught.value.hint)
    with pytest.raises(InputError, match="the given token does not open it"):
        load_model(NAME, token="hf_other")
    assert load_model(NAME, token="hf_example").model == NAME


@pytest.mark.parametrize(
    ("refusal", "error", "said"),
    [
        pytest.param((403, "GatedRepo"), InputError, "is gated", id="gated"),
        pytest.param((401, "RepoNotFound"), ModelNotFound, "no example/tiny-llama, or it is private", id="private"),
        pytest.param((404, "RepoNotFound"), ModelNotFound, "no example/tiny-llama", id="not there"),
        pytest.param((404, "RevisionNotFound"), ModelNotFound, "has no v9", id="no such revision"),
        pytest.param((403, ""), InputError, "may not be read", id="forbidden"),
        pytest.param((500, ""), SourceUnavailable, "cannot be read", id="a fault of the Hub"),
        pytest.param((429, ""), SourceUnavailable, "cannot be read", id="too many requests"),
    ],
)
def test_a_refusal_says_what_to_do(hub: Hub, refusal: tuple[int, str], error: type[Exception], said: str) -> None:
    hub.refusal = refusal
    with pytest.raises(error, match=said):
        load_model(NAME, revision="v9")


def test_no_network_is_said_as_such() -> None:
    with pytest.raises(SourceUnavailable, match="the Hub cannot be read") as caught:
        load_model(NAME)
    assert "HF_ENDPOINT" in str(caught.value.hint)


def test_offline_asks_nobody(hub: Hub) -> None:
    with pytest.raises(SourceUnavailable, match="no network call is allowed"):
        load_model(NAME, offline=True)
    assert hub.requests == []


def test_a_repository_without_a_config_is_explained(hub: Hub) -> None:
    del hub.files["config.json"]
    with pytest.raises(ModelNotFound, match=r"has no config\.json"):
        load_model(NAME)


def test_quantisation_in_a_file_of_its_own_is_read(hub: Hub) -> None:
    quantization = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]},
    }
    hub.files["hf_quant_config.json"] = json.dumps(quantization).encode()
    facts = load_model(NAME)
    assert facts.quantization is not None
    assert facts.quantization.method == "modelopt"


def test_a_misspelt_id_is_answered_with_the_one_that_was_meant(hub: Hub) -> None:
    hub.refusal = (404, "RepoNotFound")
    with pytest.raises(ModelNotFound) as caught:
        load_model("Qwen/Qwen3-VL-8B-Instrct")
    assert str(caught.value.hint).startswith("did you mean Qwen/Qwen3-VL-8B-Instruct")


def test_a_misspelt_id_is_suggested_without_a_network_too() -> None:
    with pytest.raises(SourceUnavailable) as caught:
        load_model("Qwen/Qwen3-VL-8B-Instrct")
    assert str(caught.value.hint).startswith("did you mean Qwen/Qwen3-VL-8B-Instruct")
    assert "HF_ENDPOINT" in str(caught.value.hint)
