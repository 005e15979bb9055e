"""``hack/generators/catalogue``: the same configs give the same bytes; what it cannot know it leaves out."""

from __future__ import annotations

import json
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from model_files import LLAMA_CONFIG

from vlm_operator.sources import catalogue

SCRIPT = Path(__file__).parents[3] / "hack" / "generators" / "catalogue"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with a list, a folder of configs and a catalogue of its own."""
    loader = SourceFileLoader("make_catalogue", str(SCRIPT))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.setattr(module, "LIST", tmp_path / "catalogue.tsv")
    monkeypatch.setattr(module, "SIBLINGS", tmp_path / "siblings.tsv")
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path / "catalogue")
    monkeypatch.setattr("sys.argv", ["catalogue", str(tmp_path / "configs")])
    for folder in ("catalogue", "configs"):
        (tmp_path / folder).mkdir()
    return module


def write_list(tmp_path: Path, *ids: str) -> None:
    lines = [f"{name}\t-\thttps://example.org/{name}/config.json\n" for name in ids]
    (tmp_path / "catalogue.tsv").write_text("# a comment\n" + "".join(lines))


def write_config(tmp_path: Path, name: str, **changes: object) -> None:
    (tmp_path / "configs" / f"{name.replace('/', '--')}.json").write_text(json.dumps(LLAMA_CONFIG | changes))


def written(tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "catalogue"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}


def test_the_same_configs_give_the_same_bytes(script: ModuleType, tmp_path: Path) -> None:
    write_list(tmp_path, "example/b", "example/A")
    write_config(tmp_path, "example/A")
    write_config(tmp_path, "example/b", hidden_size=128)
    script.main()
    first = written(tmp_path)
    script.main()
    assert written(tmp_path) == first
    index = json.loads(first["index.json"])
    assert [row["id"] for row in index] == ["example/A", "example/b"]
    assert index[0]["source"] == "built-in catalogue: https://example.org/example/A/config.json"
    assert index[0]["weights_bytes"] > 2 * index[0]["parameters"] > 0


def test_an_entry_without_a_config_is_kept_and_one_no_longer_listed_goes(script: ModuleType, tmp_path: Path) -> None:
    write_list(tmp_path, "example/kept", "example/dropped")
    write_config(tmp_path, "example/kept")
    write_config(tmp_path, "example/dropped")
    script.main()
    before = written(tmp_path)
    (tmp_path / "configs" / "example--kept.json").unlink()
    write_list(tmp_path, "example/kept")
    script.main()
    assert written(tmp_path).keys() == {"index.json", "example/kept.json"}
    assert written(tmp_path)["example/kept.json"] == before["example/kept.json"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"architectures": ["NobodyKnowsThisModel"]}, "NobodyKnowsThisModel", id="an unknown architecture"),
        pytest.param({"quantization_config": {"quant_method": "abacus"}}, "abacus", id="an unknown quantisation"),
        pytest.param({"hidden_size": -1}, "hidden_size", id="a wrong field"),
    ],
)
def test_what_is_not_known_for_certain_gets_no_entry(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], said: str
) -> None:
    write_list(tmp_path, "example/model")
    write_config(tmp_path, "example/model")
    script.main()
    write_config(tmp_path, "example/model", **changes)
    script.main()
    assert written(tmp_path).keys() == {"index.json"}
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("  example/model: ")
    assert said in line


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["example/model\t-\thttps://example.org", "Example/Model\t-\thttps://example.org"], id="an id"),
        pytest.param(
            ["example/model\t-\thttps://example.org", "example/new\t-\thttps://example.org\tExample/Model"],
            id="an alias that is another's id",
        ),
        pytest.param(
            ["example/a\t-\thttps://example.org\texample/old", "example/b\t-\thttps://example.org\texample/old"],
            id="an alias of two",
        ),
    ],
)
def test_a_name_that_stands_twice_is_refused(script: ModuleType, tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "catalogue.tsv").write_text("\n".join(lines) + "\n")
    with pytest.raises(SystemExit, match="twice"):
        script.main()


def test_the_ids_that_a_renamed_checkpoint_had_stand_in_its_row(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "catalogue.tsv").write_text("example/new\t-\thttps://example.org\texample/old example/older\n")
    write_config(tmp_path, "example/new")
    script.main()
    (row,) = json.loads(written(tmp_path)["index.json"])
    assert row["aliases"] == ["example/old", "example/older"]


def test_a_preprocessor_file_beside_the_config_gives_the_token_rules(script: ModuleType, tmp_path: Path) -> None:
    vision = {"vision_config": {"patch_size": 14}, "image_token_id": 151665, "model_type": "dots_ocr"}
    write_list(tmp_path, "example/ocr")
    write_config(tmp_path, "example/ocr", architectures=["DotsOCRForCausalLM"], **vision)
    script.main()
    facts = json.loads(written(tmp_path)["example/ocr.json"])
    assert "preprocessor_config.json" in facts["multimodal_unknown"]
    bounds = {"min_pixels": 3136, "max_pixels": 1003520, "patch_size": 14, "merge_size": 2}
    (tmp_path / "configs" / "example--ocr.preprocessor_config.json").write_text(json.dumps(bounds))
    script.main()
    facts = json.loads(written(tmp_path)["example/ocr.json"])
    assert facts["multimodal"]["processor"]["image_max_pixels"] == 1003520
    assert facts.get("multimodal_unknown") is None


def test_a_sibling_has_a_row_and_no_file_of_its_own(script: ModuleType, tmp_path: Path) -> None:
    write_list(tmp_path, "example/base")
    write_config(tmp_path, "example/base")
    siblings = "other/tuned\texample/base\t-\ttuned from it\nother/longer\texample/base\t4096\tas its card says\n"
    (tmp_path / "siblings.tsv").write_text("# a comment\n" + siblings)
    script.main()
    assert set(written(tmp_path)) == {"index.json", "example/base.json"}
    base, longer, tuned = json.loads(written(tmp_path)["index.json"])
    assert (tuned["id"], tuned["like"], tuned["origin"]) == ("other/tuned", "example/base", "derived")
    assert tuned["source"] == "built-in catalogue: derived: tuned from it"
    assert (base["context_tokens"], tuned["context_tokens"], longer["context_tokens"]) == (512, 512, 4096)
    assert tuned["weights_bytes"] == base["weights_bytes"]
    assert "origin" not in base


def test_a_sibling_of_no_entry_is_named(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_list(tmp_path, "example/base")
    write_config(tmp_path, "example/base")
    (tmp_path / "siblings.tsv").write_text("other/tuned\texample/gone\t-\ttuned from it\n")
    script.main()
    assert "other/tuned: example/gone has no entry of its own" in capsys.readouterr().err


def test_a_source_that_changed_in_the_list_changes_in_an_entry_that_is_kept(script: ModuleType, tmp_path: Path) -> None:
    write_list(tmp_path, "example/base")
    write_config(tmp_path, "example/base")
    script.main()
    (tmp_path / "configs" / "example--base.json").unlink()
    (tmp_path / "catalogue.tsv").write_text("example/base\t-\tderived: https://example.org/another\n")
    script.main()
    entry, (row,) = (json.loads(written(tmp_path)[name]) for name in ("example/base.json", "index.json"))
    assert entry["source"] == row["source"] == "built-in catalogue: derived: https://example.org/another"
    assert row["origin"] == "derived"
