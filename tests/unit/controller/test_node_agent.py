"""The agent as a process: NVML through ctypes, one ``GPUNode``, and how seldom it writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from live_api_server import LiveApiServer, serving_live, until

from kit.nvml_stub import COMPILER, NvmlStub, StubGPU

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler (gcc)")

GPUNODE = "/apis/vlm-operator.dev/v1alpha1/gpunodes/n"
H100 = StubGPU("NVIDIA H100 80GB HBM3", 81559, 551, ecc=1, mig=0)


@pytest.fixture
def stub(tmp_path: Path) -> NvmlStub:
    return NvmlStub(tmp_path)


@contextmanager
def agent(server: LiveApiServer, stub: NvmlStub, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """``vlm-operator agent`` against this API server, looking twenty times a second."""
    with serving_live(server) as client:
        server.put("/api/v1/nodes/n", {"kind": "Node", "metadata": {"name": "n", "uid": "node-uid"}})
        cluster = {"name": "c", "cluster": {"server": client._api.configuration.host}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        config = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context]}
        config |= {"current-context": "c", "users": [{"name": "u", "user": {}}]}
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "vlm_operator.controller.main", "agent", "--node=n", "--interval-seconds=0.05"]
        environment = os.environ | stub.environment | {"KUBECONFIG": str(folder / "kubeconfig")}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def written(server: LiveApiServer) -> dict[str, Any]:
    return dict(server.objects.get(GPUNODE, {}).get("status") or {})


def test_the_agent_writes_once_and_then_only_what_differs_by_more_than_256_mib(stub: NvmlStub, tmp_path: Path) -> None:
    server = LiveApiServer()
    stub.has(H100)
    with agent(server, stub, tmp_path) as process:
        until(lambda: written(server), 20)
        assert server.objects[GPUNODE]["metadata"]["ownerReferences"] == [
            {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "node-uid"}
        ]
        count = len(server.writes())
        assert count == 2, "the object and its status"
        time.sleep(1.0)  # some twenty looks
        assert len(server.writes()) == count, "idle: nothing is written"
        stub.has(StubGPU(H100.name, H100.total, H100.reserved, 250, ecc=1, mig=0, processes={7: ("x", 250)}))
        time.sleep(0.5)
        assert len(server.writes()) == count, "250 MiB: not worth a write"
        stub.has(StubGPU(H100.name, H100.total, H100.reserved, 300, ecc=1, mig=0, processes={7: ("x", 300)}))
        until(lambda: written(server)["gpus"][0]["processes"], 10)
        assert len(server.writes()) == count + 1
        process.terminate()
        assert process.wait(10) == 0
    assert GPUNODE not in server.objects, "what nobody measures is not kept"


def test_without_a_driver_the_agent_writes_nothing_and_goes_on(stub: NvmlStub, tmp_path: Path) -> None:
    server = LiveApiServer()
    with agent(server, stub, tmp_path) as process:
        time.sleep(1.0)
        assert process.poll() is None
        assert server.writes() == []
        stub.has(H100)
        until(lambda: written(server), 20)
