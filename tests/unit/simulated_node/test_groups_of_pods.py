"""Pods of a LeaderWorkerSet start, serve and end as a group on simulated nodes."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

from kit.simulated_node.node import GROUP_SIZE, SET_NAME, SimulatedNodes
from vlm_operator.diagnosis import diagnose
from vlm_operator.rendering import GROUP_INDEX, WORKER_INDEX


class ApiServer:
    """Remembers what is written; nodes carry the notes of a test."""

    def __init__(self, notes: dict[str, str]) -> None:
        self.statuses: dict[str, dict[str, Any]] = {}
        self._notes = {f"simulated-node/{name}": value for name, value in notes.items()}

    def get(self, path: str) -> dict[str, Any]:
        labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
        return {"metadata": {"name": path.rpartition("/")[2], "labels": labels, "annotations": self._notes}}

    def serve_logs(self, *_: object, **__: object) -> None:
        """Nobody reads them here."""

    def set_pod_status(self, namespace: str, name: str, status: dict[str, Any]) -> None:
        self.statuses[name] = status["containerStatuses"][0]


def pod(rank: int) -> dict[str, Any]:
    args = ["Qwen/Qwen3-VL-235B-A22B-Instruct", "--max-model-len", "262144", "--gpu-memory-utilization", "0.92"]
    server = {
        "name": "vllm",
        "image": "vllm/vllm-openai:v0.32.0",
        "args": [*args, "--headless"] if rank else args,
        "resources": {"limits": {"nvidia.com/gpu": "8"}},
    }
    labels = {SET_NAME: "large", GROUP_INDEX: "0", WORKER_INDEX: str(rank)}
    metadata = {"uid": f"uid-{rank}", "name": f"rank-{rank}", "namespace": "default", "creationTimestamp": "now"}
    return {
        "metadata": {**metadata, "labels": labels, "annotations": {GROUP_SIZE: "2"}},
        "spec": {"nodeName": f"node-{rank}", "containers": [server]},
    }


def played(folder: Path, *ranks: int, steps: int = 12, **notes: str) -> dict[str, dict[str, Any]]:
    """The statuses after so many steps, taken without waiting."""
    api = ApiServer(notes)
    nodes = SimulatedNodes(api, folder, start_seconds=0, backoff_seconds=3)  # type: ignore[arg-type]
    for rank in ranks:
        nodes._seen("ADDED", pod(rank))
    for _ in range(steps):
        if nodes._steps:
            _, _, step, uid = heapq.heappop(nodes._steps)
            nodes._do(step, uid)
    return api.statuses


def test_the_leader_serves_once_all_ranks_have_loaded(tmp_path: Path) -> None:
    assert not played(tmp_path, 0)["rank-0"]["ready"]
    assert all(status["ready"] for status in played(tmp_path, 0, 1).values())


def test_a_rank_that_ends_takes_the_others_with_it_who_do_not_know_why(tmp_path: Path) -> None:
    notes = {"used-by-others-gib": "10", "rank": "1"}
    statuses = played(tmp_path, 0, 1, steps=40, **notes)
    reasons = {}
    for name, uid in (("rank-0", "uid-0"), ("rank-1", "uid-1")):
        assert statuses[name]["restartCount"] > 0
        failure = diagnose((tmp_path / uid / "previous.log").read_text()).failure
        reasons[name] = failure.reason if failure else None
    assert reasons == {"rank-0": "Unknown", "rank-1": "FreeMemoryTooLow"}


def test_a_rank_without_an_api_server_says_nothing_of_what_is_served(tmp_path: Path) -> None:
    played(tmp_path, 0, 1)
    leader, other = ((tmp_path / f"uid-{rank}" / "current.log").read_text() for rank in (0, 1))
    assert "GPU KV cache size" in leader
    assert "Available KV cache memory" in other
    assert "GPU KV cache size" not in other
    assert "APIServer" not in other
