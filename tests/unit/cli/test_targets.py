"""What runs a plan: the same command from every form, complete."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from vlm_operator.cli.named_model import name_of
from vlm_operator.cli.plan import command as plan_command
from vlm_operator.cli.render import command as render_command
from vlm_operator.errors import InputError

MODEL = ("Qwen/Qwen3-VL-8B-Instruct", "--gpu", "RTX-4090", "--offline")
DEPLOYMENT = """\
apiVersion: vlm-operator.dev/v1alpha1
kind: VLMDeployment
metadata: {name: vision}
spec:
  model: {id: Qwen/Qwen3-VL-8B-Instruct}
  gpu: {product: RTX-4090}
  engine: {servedModelName: eyes, extraArgs: [--enable-auto-tool-choice]}
  podTemplate: {metadata: {labels: {team: vision}}}
"""


@pytest.fixture
def filename(tmp_path: Path) -> str:
    path = tmp_path / "vision.yaml"
    path.write_text(DEPLOYMENT)
    return str(path)


def run(command: object, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)  # type: ignore[arg-type]
    return result.return_value, result.stdout, result.stderr


def test_the_command_of_a_file_is_what_render_gives(filename: str) -> None:
    (_, plan_text, _), (_, rendered, _) = (
        run(plan_command, "-f", filename, "--offline", "-o", "json"),
        run(render_command, "-f", filename, "--offline"),
    )
    deployment = next(yaml.safe_load_all(rendered))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert json.loads(plan_text)["command"] == [*container["command"], *container["args"]]
    assert {"--served-model-name", "--enable-auto-tool-choice"} <= set(container["args"])


@pytest.mark.parametrize("form", ["command", "docker", "compose", "quadlet"])
def test_plan_and_render_give_the_same_bytes(form: str, filename: str) -> None:
    assert (
        run(plan_command, "-f", filename, "--offline", "-o", form)[:2]
        == run(render_command, "-f", filename, "--offline", "-o", form)[:2]
    )


def test_the_command_of_a_named_model_says_which_revision_and_overrides() -> None:
    revision = "0c351dd01ed87e9c1b53cbc748cba10e6187ff3b"
    _, text, _ = run(plan_command, *MODEL, "--revision", revision, "-o", "json")
    command = json.loads(text)["command"]
    assert command[command.index("--revision") + 1] == revision


def test_a_directory_is_mounted_where_the_server_reads_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps(
            {
                "architectures": ["Qwen2ForCausalLM"],
                "model_type": "qwen2",
                "hidden_size": 896,
                "intermediate_size": 4864,
                "num_hidden_layers": 24,
                "num_attention_heads": 14,
                "num_key_value_heads": 2,
                "vocab_size": 151936,
                "max_position_embeddings": 32768,
                "tie_word_embeddings": True,
                "torch_dtype": "bfloat16",
            }
        )
    )
    code, text, _ = run(plan_command, str(tmp_path), "--gpu", "RTX-4090", "--offline", "-o", "docker")
    words = shlex.split(text)
    assert code == 0
    assert f"{tmp_path}:{tmp_path}:ro" in words
    assert words[words.index("serve") + 1] == str(tmp_path)


def test_what_does_not_fit_prints_no_command() -> None:
    code, text, words = run(
        plan_command, "Qwen/Qwen3-VL-32B-Instruct", "--gpu", "T4", "--gpu-count", "1", "--offline", "-o", "docker"
    )
    assert (code, text) == (3, "")
    assert words.startswith("DoesNotFit: ")


def test_what_the_form_has_no_place_for_is_named(filename: str) -> None:
    assert "not part of this form: spec.podTemplate" in run(render_command, "-f", filename, "-o", "docker")[2]


@pytest.mark.parametrize("form", ["compose", "quadlet"])
def test_a_file_of_one_server_is_not_made_of_two(form: str, tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(f"{DEPLOYMENT}---\n{DEPLOYMENT.replace('name: vision', 'name: other')}")
    with pytest.raises(InputError, match=f"holds 2 VLMDeployments, and a {form} file holds one server"):
        run(render_command, "-f", str(path), "--offline", "-o", form)
    code, text, _ = run(render_command, "-f", str(path), "--offline", "-o", "docker")
    assert (code, text.count("docker run")) == (0, 2)


def test_a_comparison_of_two_releases_is_not_a_command() -> None:
    with pytest.raises(InputError, match="--compare makes two"):
        run(plan_command, *MODEL, "--compare", "0.32.0", "-o", "docker")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl-8b-instruct", id="an id"),
        pytest.param("/models/Qwen2.5-VL/", "qwen2-5-vl", id="a directory"),
        pytest.param("org/4bit", "vllm-4bit", id="begins with a digit"),
        pytest.param(f"org/{'x' * 90}", "x" * 56, id="too long"),
        pytest.param("org/___", "vllm", id="nothing left"),
    ],
)
def test_a_model_has_a_name_that_containers_take(model: str, name: str) -> None:
    assert name_of(model) == name


def test_options_override_the_file_and_say_so(filename: str) -> None:
    _, text, words = run(
        plan_command,
        *("-f", filename, "--offline", "-o", "json", "--gpu-memory-utilization", "0.8", "--images", "2@640x480"),
        *("--min-context", "4096", "--gpu-count", "2"),
    )
    answer = json.loads(text)
    assert answer["flags"]["gpu_memory_utilization"] == 0.8
    assert "gpu_memory_utilization" in answer["pinned"]
    assert answer["workload"]["imageTokens"] > 0
    assert answer["gpu"]["count"] == 2
    assert words == "overrides the file: --gpu-memory-utilization, --images, --min-context, --gpu-count\n"


def test_without_options_nothing_is_said(filename: str) -> None:
    assert run(plan_command, "-f", filename, "--offline", "-o", "json")[2] == ""


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("Qwen/Qwen3-VL-8B-Instruct",), id="model"),
        pytest.param(("--revision", "main"), id="revision"),
        pytest.param(("--hf-overrides", "{}"), id="hf-overrides"),
        pytest.param(("--gpu-memory", "24GiB"), id="gpu-memory"),
        pytest.param(("--cpu-kv-cache-space", "4GiB"), id="cpu-kv-cache-space"),
    ],
)
def test_what_the_file_says_itself_is_no_option(arguments: tuple[str, ...], filename: str) -> None:
    with pytest.raises(InputError, match="the file says that itself"):
        run(plan_command, *arguments, "-f", filename, "--offline")


def test_a_path_of_the_pod_that_is_not_here_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "vision.yaml"
    path.write_text(DEPLOYMENT.replace("{id: Qwen/Qwen3-VL-8B-Instruct}", f"{{path: {tmp_path}/not-here}}"))
    with pytest.raises(InputError, match=r"spec\.model\.path: .*/not-here is not on this machine") as refused:
        run(render_command, "-f", str(path), "--offline")
    assert "spec.dryRun" in str(refused.value.hint)
