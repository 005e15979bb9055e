"""``--nodes`` and ``--gpus-per-node``; no form of one node's pod takes the GPUs of two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from vlm_operator.cli.plan import command as plan_command
from vlm_operator.cli.render import command as render_command
from vlm_operator.errors import InputError

LARGE = ("Qwen/Qwen3-VL-235B-A22B-Instruct", "--gpu", "H100", "--offline")


def run(command: object, *arguments: str) -> str:
    result = CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)  # type: ignore[arg-type]
    return result.stdout


def deployment(tmp_path: Path, **spec: object) -> str:
    path = tmp_path / "large.yaml"
    whole = {"model": {"id": LARGE[0]}, "gpu": {"product": "H100", "count": 16}, **spec}
    path.write_text(yaml.safe_dump({"kind": "VLMDeployment", "metadata": {"name": "large"}, "spec": whole}))
    return str(path)


def test_the_table_shows_a_row_for_each_stage() -> None:
    text = run(plan_command, *LARGE, "--nodes", "2")
    assert "2 nodes with 8 x NVIDIA-H100-80GB-HBM3" in text
    rows = [line.split() for line in text.splitlines() if "encoder," in line]
    assert [row[:2] for row in rows] == [["1", "0-46"], ["▸", "2"]]
    assert [row[-1] for row in rows] == ["profiled", "sampler"]
    assert "--node-rank 0 … 1" in text


def test_each_node_has_its_command() -> None:
    first, second = run(plan_command, *LARGE, "--nodes", "2", "-o", "command").split("\n\n")
    assert "--node-rank 0" in first
    assert "--headless" not in first
    assert "--node-rank 1" in second
    assert second.rstrip().endswith("--headless")
    assert '--master-addr "$MASTER_ADDR"' in second


@pytest.mark.parametrize("form", ["docker", "compose", "quadlet"])
def test_forms_of_one_machine_refuse_several_nodes(form: str) -> None:
    with pytest.raises(InputError, match="the plan takes 2 nodes, and this form runs on one machine"):
        run(plan_command, *LARGE, "--nodes", "2", "-o", form)


def test_no_pod_asks_for_more_gpus_than_a_node_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="16 GPUs are needed for a replica, and a node has 8"):
        run(render_command, "-f", deployment(tmp_path), "--offline")
    with pytest.raises(InputError, match="a pod of a Deployment has the GPUs of one"):
        run(render_command, "-f", deployment(tmp_path, topology={"nodes": 2}), "--offline")
    larger = run(render_command, "-f", deployment(tmp_path, topology={"gpusPerNode": 16}), "--offline")
    (container,) = next(yaml.safe_load_all(larger))["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": "16"}


def test_options_stand_in_the_place_of_the_topology(tmp_path: Path) -> None:
    filename = deployment(tmp_path, topology={"nodes": 4})
    told = json.loads(run(plan_command, "-f", filename, "--offline", "--nodes", "2", "-o", "json"))
    assert (told["gpu"]["nodes"], told["gpu"]["perNode"], told["gpu"]["count"]) == (2, 8, 16)
