"""The CRDs are structural, documented, bounded, and what lies in the repository is what the code says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from vlm_operator.api.crd import all_crds, structural, vlm_deployment_crd
from vlm_operator.api.vlm_deployment import VLMDeployment, VLMDeploymentSpec

ROOT = Path(__file__).resolve().parents[3]


def schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    for crd in all_crds():
        yield from _walk(crd["spec"]["names"]["kind"], crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def _walk(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from _walk(f"{path}.{name}", field)
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from _walk(f"{path}.{word}", schema[word])


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "hack/generators/api"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_generated_file_that_differs_is_named(tmp_path: Path) -> None:
    for name in ("hack/project.py", "hack/generators/api"):  # a checkout with neither .venv nor code of its own
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    command = [sys.executable, str(tmp_path / "hack/generators/api")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert subprocess.run([*command, "--check"], capture_output=True, check=False).returncode == 0
    stale = tmp_path / "crds" / "vlm-operator.dev_vlmdeployments.yaml"
    stale.write_text(stale.read_text() + "# edited\n")
    done = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "differs: crds/vlm-operator.dev_vlmdeployments.yaml" in done.stderr
    assert "run hack/generators/api" in done.stderr


@pytest.mark.parametrize("word", ["$ref", "anyOf", "allOf", "oneOf", "title", "const", "$defs", "propertyNames"])
def test_schemas_are_structural(word: str) -> None:
    assert [path for path, schema in schemas() if word in schema] == []


def test_every_field_a_user_can_set_is_described() -> None:
    undescribed = [
        path
        for path, schema in schemas()
        if "description" not in schema and path.rpartition(".")[2] not in {"items", "additionalProperties", "metadata"}
    ]
    assert undescribed == []


def test_every_field_of_the_spec_says_its_default_or_is_required() -> None:
    described = [
        path
        for path, schema in _walk("spec", structural(VLMDeploymentSpec))
        if "Default:" in schema.get("description", "") or path.rpartition(".")[2] in {"items", "additionalProperties"}
    ]
    without = {path for path, _ in _walk("spec", structural(VLMDeploymentSpec))} - set(described)
    required = {"spec", "spec.model", "spec.model.id", "spec.model.path", "spec.cpu.kvCacheSpace", "spec.service"}
    required |= {f"spec.workload.{items}.count" for items in ("images", "videos", "audios", "audio")}
    required |= {"spec.model.tokenSecretRef.name", "spec.model.config.configMapRef.name", "spec.gpu.share.group"}
    assert without == required


def test_every_pinned_flag_names_the_flag_it_becomes() -> None:
    engine = structural(VLMDeploymentSpec)["properties"]["engine"]["properties"]
    names_none = {name for name, field in engine.items() if "--" not in field["description"]}
    assert names_none == {"image", "vllmVersion"}


def test_strings_lists_and_maps_of_the_spec_are_bounded() -> None:
    """The API server estimates the cost of a rule by these bounds."""
    bound = {"string": "maxLength", "array": "maxItems"}
    unbounded = [
        path
        for path, schema in _walk("spec", structural(VLMDeploymentSpec))
        if (word := bound.get(schema.get("type", ""))) and word not in schema and "enum" not in schema
    ]
    assert unbounded == []


def test_defaults_in_the_crd_are_those_of_the_models() -> None:
    spec = VLMDeployment.model_validate(
        {"metadata": {"name": "a"}, "spec": {"model": {"id": "a"}, "gpu": {}, "workload": {"images": {"count": 1}}}}
    ).to_wire()["spec"]
    said = {
        path.removeprefix("spec."): schema["default"]
        for path, schema in _walk("spec", structural(VLMDeploymentSpec))
        if "default" in schema
    }
    assert said["gpu.resource"] == spec["gpu"]["resource"] == "nvidia.com/gpu"
    assert said["retune.maxAttempts"] == spec["retune"]["maxAttempts"] == 3
    assert said["workload.images.width"] == spec["workload"]["images"]["width"] == 1920
    assert "replicas" not in said, "left to whoever scales the Deployment"


def test_columns_answer_whether_it_fits_and_why_not() -> None:
    columns = vlm_deployment_crd()["spec"]["versions"][0]["additionalPrinterColumns"]
    always = [column["name"] for column in columns if not column.get("priority")]
    assert always == ["Model", "GPU", "Context", "KV Tokens", "Ready", "Reason", "Age"]
    assert [column["name"] for column in columns if column.get("priority")] == ["Attempts", "Message"]


def test_conditions_are_a_map_by_type() -> None:
    (conditions,) = [schema for path, schema in schemas() if path == "VLMDeployment.status.conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_the_charts_crds_are_the_same_but_for_helms_words() -> None:
    for crd in all_crds():
        plural = crd["spec"]["names"]["plural"]
        template = (ROOT / "charts/vlm-operator/templates" / f"crd-{plural}.yaml").read_text()
        plain = "\n".join(line for line in template.splitlines() if "{{" not in line)
        assert yaml.safe_load(plain)["spec"] == crd["spec"]
