"""``-f`` with ``spec.model.config``: inline, or a ConfigMap beside the VLMDeployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from vlm_operator.cli.audit_models import wanted_models
from vlm_operator.cli.plan import command as plan
from vlm_operator.cli.render import command as render
from vlm_operator.cli.share import command as share
from vlm_operator.errors import InputError

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "model_type": "qwen2_vl",
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
}


def deployment(config: object, name: str = "own", **metadata: str) -> dict[str, Any]:
    spec = {"model": {"path": "/models/own", "config": config}, "gpu": {"product": "RTX-5090", "count": 1}}
    return {"kind": "VLMDeployment", "metadata": {"name": name, **metadata}, "spec": spec}


def config_map(data: object = None, **metadata: str) -> dict[str, Any]:
    files = {"config.json": json.dumps(CONFIG)} if data is None else data
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own-config", **metadata}, "data": files}


INLINE = deployment({"inline": {"config.json": CONFIG}})
BY_NAME = deployment({"configMapRef": {"name": "own-config"}})


def written(path: Path, *documents: object) -> str:
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


def run(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments], standalone_mode=False, catch_exceptions=False)


def test_a_config_map_says_the_same_as_inline(tmp_path: Path) -> None:
    inline = run(plan, "-f", written(tmp_path / "a.yaml", INLINE), "-o", "json").stdout
    beside = run(plan, "-f", written(tmp_path / "b.yaml", config_map(), BY_NAME), "-o", "json").stdout
    assert json.loads(inline)["verdict"] == "Fits"
    assert inline == beside


def test_the_config_map_may_lie_in_another_file_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    written(tmp_path / "in/a.yaml", BY_NAME)
    written(tmp_path / "in/b.yaml", config_map())
    (tmp_path / "in/broken.json").write_text("[")
    answer = json.loads(run(plan, "-f", str(tmp_path / "in"), "-o", "json").stdout)
    assert [each.get("verdict", "Error") for each in answer["plans"]] == ["Fits", "Error"]


def test_render_share_and_audit_know_it_too(tmp_path: Path) -> None:
    file = written(tmp_path / "a.yaml", config_map(), BY_NAME)
    assert "/models/own" in run(render, "-f", file).stdout
    other = written(tmp_path / "b.yaml", deployment({"inline": {"config.json": CONFIG}}, name="other"))
    assert "other" in run(share, "-f", file, "-f", other, "--gpu", "RTX-5090").stdout
    (model,) = wanted_models((file,), {}, offline=True)
    assert model.facts.text.layers > 0


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        pytest.param((BY_NAME,), "no ConfigMap own-config stands beside", id="none"),
        pytest.param((BY_NAME, config_map(namespace="other")), "no ConfigMap own-config", id="of another namespace"),
        pytest.param((BY_NAME, config_map({})), "ConfigMap own-config has no key config.json", id="empty"),
        pytest.param((BY_NAME, config_map({"config.json": CONFIG})), "data.config.json: a ConfigMap holds", id="YAML"),
        pytest.param(
            (deployment({"inline": {"preprocessor_config.json": {}}}),),
            r"spec\.model\.config\.inline: must hold the object of config\.json",
            id="inline without config.json",
        ),
        pytest.param(
            (deployment({"inline": {"config.json": {"architectures": ["New"]}}}),),
            r"spec\.model\.config: architectures",
            id="an architecture that nobody knows",
        ),
    ],
)
def test_what_is_missing_is_named(documents: tuple[object, ...], words: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=words) as refused:
        run(plan, "-f", written(tmp_path / "a.yaml", *documents))
    assert refused.type is InputError or refused.type.__name__ == "UnknownFact"
