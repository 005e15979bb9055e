"""NVML through ctypes, with a compiled stand-in for the driver's library: what it tells becomes facts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.nvml_stub import COMPILER, NvmlStub, StubGPU
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.units import GIB, MIB

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler (gcc)")

H100 = StubGPU("NVIDIA H100 80GB HBM3", 81559, 551, ecc=1, mig=0)
RTX_5090 = StubGPU("NVIDIA GeForce RTX 5090", 32607, 494, capability=(12, 0))
READ = """
import json, sys
from pathlib import Path
from vlm_operator.agent.node_status import node_status
from vlm_operator.agent.nvml import local_gpus
gpus = local_gpus(proc=Path(sys.argv[1]))
facts = [gpu.facts() for gpu in gpus]
told = {"status": node_status(gpus, "2026-11-30T10:00:00Z"), "free": [each.free_estimate_bytes for each in facts]}
told |= {"sources": [dict(each.sources) for each in facts], "total": [each.total_bytes for each in facts]}
print(json.dumps(told))
"""


@pytest.fixture
def stub(tmp_path: Path) -> NvmlStub:
    return NvmlStub(tmp_path)


def told(stub: NvmlStub, proc: Path) -> dict[str, Any]:
    """What a process that loads the library tells."""
    environment = os.environ | stub.environment
    command = [sys.executable, "-c", READ, str(proc)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_idle_card_is_the_catalogues_and_the_agent_says_so(stub: NvmlStub, tmp_path: Path) -> None:
    stub.has(H100)
    found = told(stub, tmp_path)
    known = find_gpu("NVIDIA-H100-80GB-HBM3")
    assert (found["total"], found["free"]) == ([known.total_bytes], [known.free_estimate_bytes])
    assert found["sources"] == [dict.fromkeys(("product", "memory", "computeCapability", "free"), "agent")]
    (gpu,) = found["status"]["gpus"]
    assert gpu == {
        "index": 0, "uuid": "GPU-0", "product": "NVIDIA H100 80GB HBM3", "computeCapability": "9.0",
        "totalBytes": 81559 * MIB, "reservedBytes": 551 * MIB, "freeBytes": (81559 - 551) * MIB, "ecc": True,
        "migInstances": [], "processes": [],
    }  # fmt: skip
    assert found["status"]["driverVersion"] == "580.95.05"


def test_processes_are_told_with_their_pods_and_what_they_hold_is_not_free(stub: NvmlStub, tmp_path: Path) -> None:
    held = {41: ("/usr/bin/python3", 6144), 42: ("/usr/lib/Xorg", 200)}
    stub.has(StubGPU(RTX_5090.name, RTX_5090.total, RTX_5090.reserved, 6344, (12, 0), processes=held))
    group = tmp_path / "41"
    group.mkdir()
    uid = "0f5d1c2e-1111-2222-3333-444455556666"
    slice_ = f"kubepods-burstable-pod{uid.replace('-', '_')}.slice"
    (group / "cgroup").write_text(f"0::/kubepods.slice/kubepods-burstable.slice/{slice_}/cri-containerd-1.scope\n")
    found = told(stub, tmp_path)
    assert found["free"] == [find_gpu("RTX-5090").free_estimate_bytes - 6344 * MIB]
    assert found["status"]["gpus"][0]["processes"] == [
        {"pid": 41, "name": "/usr/bin/python3", "usedBytes": 6144 * MIB, "podUID": uid},
        {"pid": 42, "name": "/usr/lib/Xorg", "usedBytes": 200 * MIB},
    ]


def test_mig_instances_are_told(stub: NvmlStub, tmp_path: Path) -> None:
    instances = (("3g.40gb", 40448, 0), ("1g.10gb", 9728, 1024))
    held = {1: {77: ("/usr/bin/trainer", 1000)}}
    stub.has(StubGPU(H100.name, H100.total, H100.reserved, ecc=1, mig=1, instances=instances, in_instances=held))
    (gpu,) = told(stub, tmp_path)["status"]["gpus"]
    assert gpu["migEnabled"] is True
    assert [(each["profile"], each["totalBytes"], each["freeBytes"]) for each in gpu["migInstances"]] == [
        ("3g.40gb", 40448 * MIB, 40448 * MIB),
        ("1g.10gb", 9728 * MIB, 8704 * MIB),
    ]
    assert [each["processes"] for each in gpu["migInstances"]] == [
        [],
        [{"pid": 77, "name": "/usr/bin/trainer", "usedBytes": 1000 * MIB}],
    ]


def test_a_board_that_shares_the_hosts_memory_has_the_hosts(stub: NvmlStub, tmp_path: Path) -> None:
    stub.has(StubGPU("NVIDIA GB10", 0, 0, capability=(12, 1), memory=False))
    (tmp_path / "meminfo").write_text("MemTotal:       125829120 kB\nMemFree: 1 kB\nMemAvailable:   94371840 kB\n")
    found = told(stub, tmp_path)
    (gpu,) = found["status"]["gpus"]
    assert (gpu["unified"], gpu["totalBytes"], gpu["freeBytes"]) == (True, 120 * GIB, 90 * GIB)
    assert 89 * GIB < found["free"][0] < 90 * GIB


def test_gpu_local_counts_the_cards_and_plans_with_what_is_free(stub: NvmlStub) -> None:
    stub.has(RTX_5090, RTX_5090)
    command = [sys.executable, "-m", "vlm_operator.cli.main", "plan", "Qwen/Qwen3-VL-8B-Instruct", "--gpu", "local"]
    command = [
        sys.executable,
        "-c",
        "import sys; from vlm_operator.cli.main import main; main(sys.argv[1:])",
        *command[3:],
    ]
    environment = os.environ | stub.environment
    done = subprocess.run(
        [*command, "--offline", "-o", "json", "--tensor-parallel-size", "4"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "this machine has 2 x NVIDIA-GeForce-RTX-5090" in done.stderr
