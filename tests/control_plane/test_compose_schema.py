"""Compose files that are rendered follow the schema of the Compose specification, by which `docker compose` reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from kit.control_plane.cluster import REPOSITORY
from vlm_operator.cli.render import command as render

pytestmark = pytest.mark.control_plane

QWEN = {"id": "Qwen/Qwen3-VL-8B-Instruct"}
DEPLOYMENTS: dict[str, dict[str, Any]] = {
    "plain": {"model": QWEN, "gpu": {"product": "L40S"}},
    "gated": {"model": {**QWEN, "tokenSecretRef": {"name": "hf-token"}}, "gpu": {"product": "L40S"}},
    "revision": {"model": {**QWEN, "revision": "0c351dd"}, "gpu": {"product": "H100"}},
    "two GPUs": {"model": {"id": "Qwen/Qwen3-VL-30B-A3B-Instruct"}, "gpu": {"product": "L40S", "count": 2}},
    "LoRA": {"model": QWEN, "gpu": {"product": "H100"}, "engine": {"lora": {"maxLoras": 2, "maxRank": 32}}},
    "arguments": {
        "model": QWEN,
        "gpu": {"product": "H100"},
        "engine": {"servedModelName": "eyes", "extraArgs": ["--chat-template", "100% $HOME \"quoted\" 'twice'"]},
    },
    "a claim": {"model": {**QWEN, "cache": {"claim": "models"}}, "gpu": {"product": "H100"}},
    "CPU": {"model": {"id": "Qwen/Qwen3-VL-4B-Instruct"}, "cpu": {"kvCacheSpace": "4GiB"}},
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    command = [sys.executable, str(REPOSITORY / "hack/tools/crds"), "compose"]
    path = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def rendered(tmp_path: Path, spec: dict[str, Any]) -> dict[str, Any]:
    document = {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment", "spec": spec}
    filename = tmp_path / "vision.yaml"
    filename.write_text(yaml.safe_dump({**document, "metadata": {"name": "vision"}}), encoding="utf-8")
    command = ("-f", str(filename), "--offline", "-o", "compose")
    result = CliRunner().invoke(render, command, standalone_mode=False, catch_exceptions=False)
    found: dict[str, Any] = yaml.safe_load(result.stdout)
    return found


@pytest.mark.parametrize("spec", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_a_compose_file_follows_the_specification(tmp_path: Path, schema: dict[str, Any], spec: dict[str, Any]) -> None:
    file = rendered(tmp_path, spec)
    jsonschema.validate(file, schema)
    (service,) = file["services"].values()
    assert service["healthcheck"]["test"]
    assert ("deploy" in service) is ("gpu" in spec)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("shm_sice", "8gb", id="a key that there is not"),
        pytest.param("ports", "8000:8000", id="a text for a list"),
        pytest.param("healthcheck", {"tests": ["CMD", "true"]}, id="a key of a part that there is not"),
    ],
)
def test_the_schema_refuses_what_compose_would(tmp_path: Path, schema: dict[str, Any], key: str, value: Any) -> None:
    file = rendered(tmp_path, DEPLOYMENTS["plain"])
    file["services"]["vision"][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(file, schema)
