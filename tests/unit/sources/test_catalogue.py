"""The built-in catalogue: every entry loads, says where its facts come from, and needs no network."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from model_files import model_folder

from vlm_operator.cli.models import command
from vlm_operator.errors import SourceUnavailable
from vlm_operator.sources import catalogue, load_model
from vlm_operator.sources.catalogue import CatalogueEntry, Origin
from vlm_operator.sources.serialization import encode_facts

ENTRIES = list(catalogue.entries().values())
KNOWN = "Qwen/Qwen3-VL-8B-Instruct"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any socket that is opened fails the test."""

    def refuse(*arguments: Any, **keywords: Any) -> Any:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_it_knows_many_models_and_their_quantised_siblings() -> None:
    assert len(ENTRIES) >= 350
    assert sum(bool(entry.modalities) for entry in ENTRIES) >= 110
    assert sum(entry.quantization is not None for entry in ENTRIES) >= 60


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_agrees_with_the_index_and_names_its_source(entry: CatalogueEntry) -> None:
    facts = catalogue.load(entry)
    assert facts.model == entry.id
    assert (facts.architecture, facts.derived_max_model_len) == (entry.architecture, entry.context_tokens)
    assert (facts.quantization.method if facts.quantization else None) == entry.quantization
    assert facts.source == entry.source
    assert re.match(r"built-in catalogue: .*https://", facts.source)
    if entry.like is None:
        assert json.loads(entry.file.read_bytes()) == encode_facts(facts)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_an_entry_says_whether_its_own_config_was_read(entry: CatalogueEntry) -> None:
    assert (entry.origin is Origin.DERIVED) == entry.source.startswith("built-in catalogue: derived: ")
    assert entry.like is None or entry.origin is Origin.DERIVED


@pytest.mark.parametrize("entry", [one for one in ENTRIES if one.like], ids=lambda entry: entry.id)
def test_a_sibling_has_the_facts_of_an_entry_but_for_id_context_and_source(entry: CatalogueEntry) -> None:
    of = catalogue.find(entry.like or "")
    assert of is not None
    assert of.like is None
    facts = catalogue.load(entry)
    changes = {"model": entry.id, "source": entry.source, "derived_max_model_len": entry.context_tokens}
    assert facts == replace(catalogue.load(of), **changes, derived=facts.derived)


def test_a_model_with_the_facts_of_a_sibling_is_never_certain() -> None:
    assert sum(entry.is_assumed for entry in ENTRIES) >= 130
    for entry in ENTRIES:
        assert (catalogue.load(entry).derived is not None) is (entry.like is not None) is entry.is_assumed, entry.id


@pytest.mark.usefixtures("no_network")
def test_the_own_config_of_such_a_model_comes_before_the_catalogue(empty_caches: Path) -> None:
    name, commit = "microsoft/Fara-7B", "0123456789" * 4
    assert (load_model(name, offline=True).derived or "").startswith("Qwen/Qwen2.5-VL-7B-Instruct")
    repository = empty_caches / "hub" / f"models--{name.replace('/', '--')}"
    model_folder(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    assert load_model(name, offline=True).derived is None


def test_the_folder_holds_the_entries_and_nothing_else() -> None:
    files = {path for path in catalogue.FOLDER.rglob("*") if path.is_file()}
    assert files == {entry.file for entry in ENTRIES} | {catalogue.FOLDER / catalogue.INDEX_NAME}


def test_ids_stand_in_order_and_once() -> None:
    keys = [entry.id.lower() for entry in ENTRIES]
    assert keys == sorted(set(keys))


def test_nothing_of_the_machine_it_was_made_on_is_in_it() -> None:
    for path in catalogue.FOLDER.rglob("*.json"):
        assert not re.search(rb"/(work|tmp|root|home)/", path.read_bytes()), path


def test_what_is_not_known_of_an_entry_is_named() -> None:
    for entry in ENTRIES:
        facts = catalogue.load(entry)
        assert (facts.weights is None) == (facts.weights_unknown is not None), entry.id
        assert facts.multimodal is None or facts.multimodal_unknown is None, entry.id
        assert entry.weights_bytes is None or facts.weights is not None, entry.id


# --- names ----------------------------------------------------------------------------------------------------------

ALIASES = [(alias, entry.id) for entry in ENTRIES for alias in entry.aliases]


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("alias", "name"), ALIASES, ids=[alias for alias, _ in ALIASES])
def test_a_renamed_checkpoint_is_found_by_the_ids_it_had(alias: str, name: str) -> None:
    assert load_model(alias).model == name
    assert load_model(alias.lower()).model == name


def test_the_renamed_models_of_meta_answer_to_both_ids() -> None:
    assert ("meta-llama/Meta-Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct") in ALIASES


def test_an_alias_belongs_to_one_entry_and_is_no_entry_itself() -> None:
    names = [alias.lower() for alias, _ in ALIASES]
    assert len(names) == len(set(names))
    assert not set(names) & set(catalogue.entries())
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", alias) for alias, _ in ALIASES)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", [KNOWN, KNOWN.lower(), KNOWN.upper()])
def test_an_id_is_found_however_it_is_capitalised(name: str) -> None:
    assert load_model(name).model == KNOWN


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("Qwen/Qwen3-VL-8B-Instrct", KNOWN, id="a letter is missing"),
        pytest.param("qwen3-vl-8b-instruct", KNOWN, id="the owner is missing"),
        pytest.param("unsloth/Qwen3-VL-8B-Instruct", KNOWN, id="another owner"),
        pytest.param("Qwen/Qwen3-VL-8B", KNOWN, id="the variant is missing"),
        pytest.param("cyankiwi/Qwen3-VL-8B-Instruct-AWQ-8bit", KNOWN, id="a quantisation that is not there"),
        pytest.param(
            "meta-llama/Meta-Llama-3.1-8B-Instuct", "meta-llama/Llama-3.1-8B-Instruct", id="an alias, misspelt"
        ),
    ],
)
def test_close_names_are_suggested(name: str, meant: str) -> None:
    assert meant in catalogue.close_names(name)


@pytest.mark.usefixtures("empty_caches", "no_network")
def test_an_unknown_id_is_answered_with_the_ids_that_are_close() -> None:
    with pytest.raises(SourceUnavailable) as refused:
        load_model("Qwen/Qwen3-VL-8B-Instruct-INT8", offline=True)
    assert "did you mean Qwen/Qwen3-VL-8B-Instruct or " in str(refused.value.hint)


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    assert catalogue.close_names("zzzz/yyyyyyyyyyyy") == []


def test_a_look_up_takes_under_twenty_milliseconds() -> None:
    load_model(KNOWN)
    durations = []
    for entry in ENTRIES[:: len(ENTRIES) // 8]:
        start = time.process_time()
        load_model(entry.id)
        durations.append(time.process_time() - start)
    assert sorted(durations)[len(durations) // 2] < 0.020


def test_a_look_up_imports_neither_the_hub_client_nor_the_network() -> None:
    program = (
        "import sys; from vlm_operator.sources import load_model; "
        f"load_model({KNOWN!r}); print(*(name for name in ('huggingface_hub', 'httpx', 'ssl') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# --- which source answers -------------------------------------------------------------------------------------------


@pytest.fixture
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_a_folder_of_that_name_comes_before_the_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model_folder(tmp_path / KNOWN)
    monkeypatch.chdir(tmp_path)
    facts = load_model(KNOWN)
    assert facts.architecture == "LlamaForCausalLM"
    assert facts.source == f"{KNOWN}: config.json, no weights"


@pytest.mark.usefixtures("empty_caches", "no_network")
def test_a_pinned_revision_that_cannot_be_read_is_said_beside_the_catalogues_facts() -> None:
    facts = load_model(KNOWN, revision="0" * 40, offline=True)
    assert facts.source.startswith("built-in catalogue: ")
    assert f"revision {'0' * 40} could not be compared" in facts.source


def test_a_pinned_revision_in_the_cache_comes_before_the_catalogue(empty_caches: Path) -> None:
    commit = "0" * 40
    model_folder(empty_caches / "hub" / f"models--{KNOWN.replace('/', '--')}" / "snapshots" / commit)
    facts = load_model(KNOWN, revision=commit, offline=True)
    assert facts.source == f"Hugging Face cache: {KNOWN} at {commit[:12]}, config.json, no weights"
    assert load_model(KNOWN, offline=True).source.startswith("built-in catalogue")


@pytest.mark.usefixtures("empty_caches", "no_network")
def test_overrides_need_the_config_itself_and_not_what_was_derived_from_it() -> None:
    with pytest.raises(SourceUnavailable, match="hf_overrides"):
        load_model(KNOWN, hf_overrides={"max_position_embeddings": 4096}, offline=True)


# --- vlmctl models --------------------------------------------------------------------------------------------------


def test_the_command_lists_every_entry_with_its_source() -> None:
    listed = json.loads(CliRunner().invoke(command, ["-o", "json"]).stdout)["models"]
    assert [model["id"] for model in listed] == [entry.id for entry in ENTRIES]
    assert all(model["source"] for model in listed)
    assert set(listed[0]) == {
        "id", "aliases", "architecture", "parameters", "weightsBytes", "weightsGiB", "contextTokens", "quantization",
        "modalities", "revision", "source", "origin",
    }  # fmt: skip


def test_words_narrow_the_list() -> None:
    listed = json.loads(CliRunner().invoke(command, ["qwen3-vl", "IMAGE", "30b", "-o", "json"]).stdout)["models"]
    assert listed
    assert all("qwen3-vl-30b" in model["id"].lower() and "image" in model["modalities"] for model in listed)


def test_a_former_id_finds_the_model_it_became() -> None:
    listed = json.loads(CliRunner().invoke(command, ["meta-llama-3.1-8b-instruct", "-o", "json"]).stdout)["models"]
    assert [model["id"] for model in listed] == ["meta-llama/Llama-3.1-8B-Instruct"]
    assert listed[0]["aliases"] == ["meta-llama/Meta-Llama-3.1-8B-Instruct"]


def test_the_table_is_one_line_a_model() -> None:
    result = CliRunner().invoke(command, ["Qwen/Qwen3-VL-8B"])
    header, *lines = result.stdout.splitlines()
    assert header.split() == [
        "MODEL", "ARCHITECTURE", "PARAMETERS", "WEIGHTS", "CONTEXT", "QUANTIZATION", "MODALITIES", "FACTS",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines] == [
        entry.id for entry in ENTRIES if entry.id.startswith("Qwen/Qwen3-VL-8B")
    ]
    assert all("262,144" in line and "image, video" in line for line in lines)


def test_a_list_of_nothing_is_no_error() -> None:
    result = CliRunner().invoke(command, ["no-such-model", "-o", "json"])
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"models": []})
