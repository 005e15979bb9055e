"""``vlmctl render -o disaggregated``: encoder, prefill and decode apart, from one plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from vlm_operator.cli.render import command
from vlm_operator.errors import InputError


class YamlFile(SingleFileSnapshotExtension):
    """One file per case, so that a reviewer reads a manifest."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"


DEPLOYMENT = """\
apiVersion: vlm-operator.dev/v1alpha1
kind: VLMDeployment
metadata: {name: vision, namespace: models}
spec:
  model: {id: Qwen/Qwen3-VL-32B-Instruct}
  gpu: {product: NVIDIA-H100-80GB-HBM3, count: 2}
  workload: {images: {count: 4}, concurrentRequests: 8}
  engine: {image: "vllm/vllm-openai:v0.33.0", servedModelName: eyes, extraArgs: [--enable-auto-tool-choice]}
  podTemplate: {metadata: {labels: {team: vision}}}
  replicas: 2
"""

FORMS = [(split, by) for split in ("e-pd", "e-p-d") for by in ("disaggregatedset", "kserve")]


@pytest.fixture
def filename(tmp_path: Path) -> str:
    path = tmp_path / "vision.yaml"
    path.write_text(DEPLOYMENT)
    return str(path)


def rendered(filename: str, split: str = "e-pd", by: str = "disaggregatedset") -> tuple[str, str]:
    arguments = ("-f", filename, "--offline", "-o", "disaggregated", "--split", split, "--roles-by", by)
    result = CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 0
    return result.stdout, result.stderr


def pods(text: str) -> dict[str, dict[str, Any]]:
    """Pod templates by role."""
    found: dict[str, dict[str, Any]] = {}
    for each in yaml.safe_load_all(text):
        if each["kind"] == "DisaggregatedSet":
            templates = [role["spec"]["leaderWorkerTemplate"]["workerTemplate"] for role in each["spec"]["roles"]]
        elif each["kind"] == "LLMInferenceService":
            parts = (each["spec"], *filter(None, [each["spec"].get("prefill")]))
            templates = [
                {"metadata": {"labels": part["labels"], "annotations": part["annotations"]}, "spec": part["template"]}
                for part in parts
            ]
        elif each["kind"] == "Deployment":
            templates = [each["spec"]["template"]]
        else:
            continue
        found |= {template["metadata"]["labels"]["vlm-operator.dev/role"]: template for template in templates}
    return found


@pytest.mark.parametrize(("split", "by"), FORMS)
def test_manifests_are_as_reviewed(split: str, by: str, filename: str, snapshot: SnapshotAssertion) -> None:
    text, _ = rendered(filename, split, by)
    assert text == snapshot(extension_class=YamlFile)
    assert rendered(filename, split, by)[0] == text


@pytest.mark.parametrize("split", ["e-pd", "e-p-d"])
def test_both_forms_run_the_same_pods(split: str, filename: str) -> None:
    one, other = (pods(rendered(filename, split, by)[0]) for by in ("disaggregatedset", "kserve"))
    assert one.keys() == other.keys()
    for role, template in one.items():
        (server,), (same,) = (each["spec"]["containers"] for each in (template, other[role]))
        assert {**server, "name": ""} == {**same, "name": ""}
        assert template["metadata"] == other[role]["metadata"]


@pytest.mark.parametrize(("split", "by"), FORMS)
def test_every_role_is_complete(split: str, by: str, filename: str) -> None:
    roles = pods(rendered(filename, split, by)[0])
    assert set(roles) == ({"encode", "decode"} if split == "e-pd" else {"encode", "prefill", "decode"})
    for role, template in roles.items():
        (server,) = template["spec"]["containers"]
        args = server["args"]
        assert template["metadata"]["labels"]["team"] == "vision"
        assert args[0] == "Qwen/Qwen3-VL-32B-Instruct"
        assert {"--served-model-name", "--enable-auto-tool-choice", "--mm-processor-cache-gb"} <= set(args)
        limits = json.loads(args[args.index("--limit-mm-per-prompt") + 1])
        assert (limits["image"] > 0) is (role == "encode")
        assert server["resources"]["limits"] == {"nvidia.com/gpu": "1" if role == "encode" else "2"}
        assert server["resources"]["requests"]["memory"]


@pytest.mark.parametrize(("split", "receiver"), [("e-pd", "decode"), ("e-p-d", "prefill")])
def test_outputs_go_from_the_encoder_to_the_role_that_reads_them(split: str, receiver: str, filename: str) -> None:
    configs: dict[str, Any] = {}
    for role, template in pods(rendered(filename, split)[0]).items():
        (server,) = template["spec"]["containers"]
        args = server["args"]
        if "--ec-transfer-config" in args:
            configs[role] = json.loads(args[args.index("--ec-transfer-config") + 1])
            (shm,) = (each for each in template["spec"]["volumes"] if each["name"] == "dshm")
            size = int(shm["emptyDir"]["sizeLimit"].removesuffix("Mi")) * 2**20
            assert configs[role]["ec_connector_extra_config"]["ec_cpu_bytes"] < size
        assert ("--kv-transfer-config" in args) is (split == "e-p-d" and role != "encode")
    assert {role: config["ec_role"] for role, config in configs.items()} == {
        "encode": "ec_producer",
        receiver: "ec_consumer",
    }


def test_every_figure_is_said_with_its_reason(filename: str) -> None:
    _, words = rendered(filename)
    assert "encode: ec-cpu-bytes 4.98 GiB: 8 requests x 8,160 tokens x 40,960 B x 2" in words
    assert "encode: gpu-memory-utilization 0.07: 5.16 GiB of 79.18 GiB: weights 1.11 GiB" in words
    assert "decode: memory" in words


def test_a_service_selects_the_pods_of_one_role(filename: str) -> None:
    services = [each for each in yaml.safe_load_all(rendered(filename, "e-p-d")[0]) if each["kind"] == "Service"]
    assert [each["metadata"]["name"] for each in services] == ["vision-encode", "vision-prefill", "vision-decode"]
    assert [each["spec"]["selector"]["vlm-operator.dev/role"] for each in services] == ["encode", "prefill", "decode"]


def test_without_items_there_is_nothing_to_size(filename: str) -> None:
    Path(filename).write_text(
        DEPLOYMENT.replace("workload: {images: {count: 4}, concurrentRequests: 8}", "goal: SingleUser")
    )
    with pytest.raises(InputError, match="follow from a request's items, and none is described"):
        rendered(filename)
