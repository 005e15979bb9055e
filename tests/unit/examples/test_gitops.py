"""What docs/gitops.md tells people to use: run as they would run it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import lupa
import pytest
import yaml
from click.testing import CliRunner

from lifecycle_world import UNSUPPORTED_LOG, World
from vlm_operator.cli.plan import command as plan_command
from vlm_operator.cli.render import command as render_command

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "gitops"
OVERLAY = EXAMPLE / "overlays" / "production"
PAGE = (ROOT / "docs" / "gitops.md").read_text()
HEALTH = (EXAMPLE / "argocd" / "health.lua").read_text()


def health(obj: dict[str, Any]) -> dict[str, str]:
    """What Argo CD makes of an object: the script sees it as ``obj`` and returns status and message."""
    lua = lupa.LuaRuntime()
    lua.globals().obj = lua.table_from(obj, recursive=True)
    return dict(lua.execute(HEALTH))


def as_object(world: World, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "demo", "generation": world.generation, **metadata}, "status": world.status}


def test_the_page_has_the_script_of_the_example() -> None:
    assert f"```lua\n{HEALTH}```" in PAGE


def test_argo_cd_calls_a_serving_model_healthy() -> None:
    world = World()
    assert world.settle() == "Ready"
    assert health(as_object(world))["status"] == "Healthy"


def test_argo_cd_waits_while_it_starts_and_after_a_change() -> None:
    world = World()
    assert health({"metadata": {"generation": 1}}) == {"status": "Progressing", "message": "not looked at yet"}
    world.reconcile()
    assert health(as_object(world))["status"] == "Progressing"
    world.settle()
    world.generation += 1
    assert health(as_object(world)) == {"status": "Progressing", "message": "not looked at yet"}


def test_argo_cd_calls_a_model_that_cannot_work_degraded_with_the_reason() -> None:
    world = World(script=[UNSUPPORTED_LOG])
    assert world.settle() == "Stalled"
    answer = health(as_object(world))
    assert answer["status"] == "Degraded"
    assert answer["message"].startswith(f"{world.condition('Stalled')['reason']}: ")


def test_argo_cd_calls_a_paused_one_suspended() -> None:
    world = World()
    world.settle()
    paused = as_object(world, annotations={"vlm-operator.dev/paused": "true"})
    assert health(paused)["status"] == "Suspended"


@pytest.mark.parametrize(
    ("gpu", "code"),
    [
        pytest.param("{product: NVIDIA-H100-80GB-HBM3}", 0, id="fits"),
        pytest.param("{product: Tesla-T4, count: 1}", 3, id="does not fit"),
    ],
)
def test_the_pre_commit_hook_passes_what_fits(gpu: str, code: int, tmp_path: Path) -> None:
    block = re.search(r"```yaml\n(repos:.*?)```", PAGE, re.S)
    assert block is not None
    (hook,) = yaml.safe_load(block[1])["repos"][0]["hooks"]
    (tmp_path / "models").mkdir()
    file = (EXAMPLE / "base" / "qwen3-vl.yaml").read_text().replace("{product: NVIDIA-GeForce-RTX-5090}", gpu)
    (tmp_path / "models" / "qwen3-vl.yaml").write_text(file)
    assert re.search(hook["files"], "models/qwen3-vl.yaml")
    assert not re.search(hook["files"], "README.md")
    assert hook["pass_filenames"] is False
    program, *arguments = hook["entry"].split()
    assert program == "vlmctl"
    run = [sys.executable, "-c", "from vlm_operator.cli.main import main; main()", *arguments]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr


@pytest.fixture(scope="module")
def built() -> str:
    """The overlay as kustomize builds it; kubectl has kustomize built in."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl, which builds kustomizations")
    done = subprocess.run([kubectl, "kustomize", str(OVERLAY)], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_overlay_changes_what_its_patch_says(built: str) -> None:
    (item,) = [each for each in yaml.safe_load_all(built) if each["kind"] == "VLMDeployment"]
    base = yaml.safe_load((EXAMPLE / "base" / "qwen3-vl.yaml").read_text())
    assert item["metadata"]["namespace"] == "vision"
    assert item["spec"]["gpu"]["product"] == "NVIDIA-H100-80GB-HBM3"
    assert item["spec"]["replicas"] == 2
    assert item["spec"]["workload"] == base["spec"]["workload"]
    assert item["spec"]["model"] == base["spec"]["model"]


def test_the_overlay_is_planned_as_it_is_applied(built: str) -> None:
    arguments = ["-f", "-", "--offline", "-o", "json"]
    done = CliRunner().invoke(plan_command, arguments, input=built, standalone_mode=False, catch_exceptions=False)
    assert done.return_value == 0


def test_the_companions_in_the_overlay_are_what_vlmctl_prints(built: str) -> None:
    arguments = ["-f", "-", "--offline", "-o", "companions", "--with", "pdb", "--with", "inferencepool"]
    done = CliRunner().invoke(render_command, arguments, input=built, standalone_mode=False, catch_exceptions=False)
    assert done.return_value == 0
    assert (OVERLAY / "companions.yaml").read_text() == done.stdout
