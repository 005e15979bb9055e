"""``vlmctl render --with``: objects beside a server, complete and in one stream."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from vlm_operator.cli.companion_options import NAMES
from vlm_operator.cli.render import command
from vlm_operator.errors import InputError
from vlm_operator.rendering.companions import COMPANIONS

DEPLOYMENT = """\
apiVersion: vlm-operator.dev/v1alpha1
kind: VLMDeployment
metadata: {name: vision}
spec:
  model: {id: Qwen/Qwen3-VL-8B-Instruct}
  gpu: {product: RTX-4090}
  replicas: 2
"""


@pytest.fixture
def filename(tmp_path: Path) -> str:
    path = tmp_path / "vision.yaml"
    path.write_text(DEPLOYMENT)
    return str(path)


def rendered(filename: str, *arguments: str) -> str:
    arguments = ("-f", filename, "--offline", *arguments)
    result = CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 0
    return result.stdout


def test_the_option_names_the_companions_there_are() -> None:
    assert set(NAMES) == set(COMPANIONS)


def test_the_server_stays_byte_for_byte_the_same(filename: str) -> None:
    alone = rendered(filename)
    more = rendered(filename, "--with", "pdb", "--with", "inferencepool")
    assert more.startswith(f"{alone}---\n")
    kinds = [each["kind"] for each in yaml.safe_load_all(more)]
    assert kinds == ["Deployment", "Service", "PodDisruptionBudget", "InferencePool", "HTTPRoute"]


@pytest.mark.parametrize("name", ["hpa", "keda"])
def test_under_an_autoscaler_the_server_says_no_number_of_replicas(name: str, filename: str) -> None:
    objects = list(yaml.safe_load_all(rendered(filename, "--with", name, "--max-replicas", "5")))
    assert "replicas" not in objects[0]["spec"]
    assert next(yaml.safe_load_all(rendered(filename)))["spec"]["replicas"] == 2
    fewest = objects[-1]["spec"].get("minReplicas") or objects[-1]["spec"].get("minReplicaCount")
    assert fewest == 2


def test_beside_the_operator_only_companions_are_printed(filename: str) -> None:
    arguments = ("-o", "companions", "--with", "hpa", "--with", "pdb", "--max-replicas", "3")
    objects = list(yaml.safe_load_all(rendered(filename, *arguments)))
    assert [each["kind"] for each in objects] == ["PodDisruptionBudget", "HorizontalPodAutoscaler"]
    assert objects[1]["spec"]["scaleTargetRef"]["kind"] == "VLMDeployment"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("-o", "docker", "--with", "pdb"), "for Kubernetes, and -o docker is not", id="docker"),
        pytest.param(("-o", "companions"), "prints what --with names", id="nothing beside"),
        pytest.param(("--with", "hpa", "--with", "keda", "--max-replicas", "3"), "two autoscalers", id="two"),
        pytest.param(("--with", "hpa"), "needs to know for how many replicas", id="no bound"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: tuple[str, ...], words: str, filename: str) -> None:
    with pytest.raises(InputError, match=words):
        rendered(filename, *arguments)


def test_a_vlmdeployment_without_replicas_has_no_scale_to_read(filename: str) -> None:
    Path(filename).write_text(DEPLOYMENT.replace("  replicas: 2\n", ""))
    with pytest.raises(InputError, match="which has none while it is not set"):
        rendered(filename, "-o", "companions", "--with", "hpa", "--max-replicas", "3")
