"""The kubelet of simulated GPU nodes: writes the statuses and logs of model servers' pods, as their records say.

KWOK plays everything else of a node. Annotations of a Node change what happens on it:

- ``simulated-node/used-by-others-gib``: memory of its GPU that another process holds.
- ``simulated-node/takes-more-gib``: memory that a start-up takes there beyond its record's.
- ``simulated-node/fails-with``: a failure of ``wordings.SCRIPTED`` in place of the record; with
  ``simulated-node/fails-times`` for so many starts only.
- ``simulated-node/dies-with``: the same for a server that has served for a moment; with
  ``simulated-node/dies-times``.
- ``simulated-node/evicts``: the pod fails as a whole, with this reason.
- ``simulated-node/address``: IP of its pods, for a test that answers there itself.
- ``simulated-node/loses-logs``: logs of runs that ended are gone.
- ``simulated-node/rank``: all of these for pods of this rank of a group only.

Pods of a LeaderWorkerSet start as a group: the leader serves once all ranks have loaded, and when one ends the others
lose their connection to it.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import urllib3

from kit.simulated_node import wordings
from kit.simulated_node.playback import Outcome, Server, parse_arguments, play
from kit.simulated_node.records import CPU, choose, load_records
from vlm_operator.api.names import DEPLOYMENT_LABEL
from vlm_operator.controller.api_errors import ApiError, NotFound, Outdated
from vlm_operator.controller.client import Client
from vlm_operator.engine.version import EngineVersion
from vlm_operator.rendering import GROUP_INDEX, WORKER_INDEX

CONTAINER: Final = "vllm"
PREFIX: Final = "simulated-node/"
SHARED: Final = "-SHARED"
"""What ends the product label of a node that replicates its GPUs by time slicing."""
SET_NAME: Final = "leaderworkerset.sigs.k8s.io/name"
GROUP_SIZE: Final = "leaderworkerset.sigs.k8s.io/size"
OTHER_RANK_TAKES_MORE: Final = f"{PREFIX}other-rank-takes-more-gib"
PEER_SECONDS: Final = 0.2
"""Until a rank notices that another has ended."""

SERVED_SECONDS: Final = 3.0
"""How long a server serves that is told to die: long enough to be seen to."""

GRACE_SECONDS: Final = 1.0
"""How long a pod of a group ends where it is given more: vLLM does not heed SIGTERM while it loads."""

LAST_LINES: Final = 2048
"""Bytes of the log's end that the kubelet keeps as termination message."""


@dataclass
class Run:
    """A pod that is played: which run it is in, and how the one before ended."""

    pod: Mapping[str, Any]
    folder: Path
    restarts: int = 0
    started: str = ""
    last: dict[str, Any] | None = None
    outcome: Outcome | None = None
    ended: bool = False
    address: str = "10.0.0.1"

    @property
    def group(self) -> tuple[str, str, str] | None:
        """Namespace, set and number of its group; None for a pod that is a replica of its own."""
        labels = self.pod["metadata"]["labels"]
        if GROUP_INDEX not in labels:
            return None
        return self.pod["metadata"]["namespace"], labels[SET_NAME], labels[GROUP_INDEX]

    @property
    def rank(self) -> int:
        """Its place in the group; 0 for the leader."""
        return int(self.pod["metadata"]["labels"].get(WORKER_INDEX, "0"))


class ApiServer(Client):
    """The operator's client, with what only a kubelet does."""

    def set_pod_status(self, namespace: str, name: str, status: Mapping[str, Any]) -> None:
        """Merge into the pod's status."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        self._json("PATCH", path, body={"status": status}, content_type="application/merge-patch+json")

    def remove_pod(self, namespace: str, name: str, uid: str) -> None:
        """Its containers have ended: the pod goes away."""
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        self._json("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", body=body)

    def serve_logs(self, namespace: str, name: str, folder: Path, *, previous: bool) -> None:
        """Have KWOK answer ``pods/log`` from these files."""
        log = {"containers": [CONTAINER], "logsFile": str(folder / "current.log")}
        if previous:
            log["previousLogsFile"] = str(folder / "previous.log")
        manifest = {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "Logs",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"logs": [log]},
        }
        self.apply(f"/apis/kwok.x-k8s.io/v1alpha1/namespaces/{namespace}/logs/{name}", manifest)

    def watch_pods(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Type and pod of every change, from the present state on, until the server ends the stream."""
        query = [("watch", "true"), ("labelSelector", DEPLOYMENT_LABEL), ("timeoutSeconds", "120")]
        method, url, headers, _, _ = self._api.param_serialize(
            "GET", "/api/v1/pods", query_params=query, auth_settings=["BearerToken"]
        )
        pool = self._api.rest_client.pool_manager
        answer = pool.request(method, url, headers=headers, preload_content=False, timeout=urllib3.Timeout(5, 130))
        rest = b""
        for chunk in answer.stream(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":  # the server dropped the watch: begin anew
                    return
                yield event["type"], event["object"]


class SimulatedNodes:
    """Plays every model server's pod on simulated nodes until the process ends."""

    def __init__(self, api: ApiServer, folder: Path, *, start_seconds: float, backoff_seconds: float) -> None:
        self._api = api
        self._folder = folder
        self._start_seconds = start_seconds
        self._backoff_seconds = backoff_seconds
        self._records = load_records()
        self._runs: dict[str, Run] = {}
        self._steps: list[tuple[float, int, str, str]] = []
        self._number = itertools.count()
        self._events: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self._failed_starts: dict[tuple[str, str], int] = {}

    def run(self) -> None:
        """Play until the process ends."""
        threading.Thread(target=self._watch, daemon=True).start()
        while True:
            wait = max(0.0, min(0.5, self._steps[0][0] - time.monotonic())) if self._steps else 0.5
            try:
                kind, pod = self._events.get(timeout=wait or 0.001)
                self._seen(kind, pod)
            except queue.Empty:
                pass
            while self._steps and self._steps[0][0] <= time.monotonic():
                _, _, step, uid = heapq.heappop(self._steps)
                self._do(step, uid)

    def _watch(self) -> None:
        while True:
            try:
                for event in self._api.watch_pods():
                    self._events.put(event)
            except (urllib3.exceptions.HTTPError, OSError, ValueError, KeyError):
                time.sleep(0.5)

    def _seen(self, kind: str, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        if kind == "DELETED":
            self._runs.pop(uid, None)
        elif "deletionTimestamp" in pod["metadata"]:
            if pod["spec"].get("nodeName"):
                run = self._runs.setdefault(uid, Run(pod, self._folder))
                grace = pod["metadata"].get("deletionGracePeriodSeconds") or 0
                self._later("end", uid, GRACE_SECONDS if run.group and grace > GRACE_SECONDS else 0)
        elif uid not in self._runs and pod["spec"].get("nodeName"):
            folder = self._folder / uid
            folder.mkdir(parents=True, exist_ok=True)
            self._runs[uid] = Run(pod, folder)
            self._later("start", uid, 0)

    def _later(self, step: str, uid: str, seconds: float) -> None:
        heapq.heappush(self._steps, (time.monotonic() + seconds, next(self._number), step, uid))

    def _do(self, step: str, uid: str) -> None:
        run = self._runs.get(uid)
        if run is None:
            return
        try:
            getattr(self, f"_{step}")(uid, run)
        except (NotFound, Outdated):
            self._runs.pop(uid, None)
        except ApiError:
            self._later(step, uid, 0.5)

    # --- steps of a pod's life ----------------------------------------------------------------------------------

    def _start(self, uid: str, run: Run) -> None:
        """A container starts."""
        name, namespace = run.pod["metadata"]["name"], run.pod["metadata"]["namespace"]
        node = self._api.get(f"/api/v1/nodes/{run.pod['spec']['nodeName']}")
        notes = {k: v for k, v in (node["metadata"].get("annotations") or {}).items() if k.startswith(PREFIX)}
        if notes.get(f"{PREFIX}rank", str(run.rank)) != str(run.rank):
            more = notes.get(f"{PREFIX}takes-more-gib", "0")  # the leader checks the cache of every rank
            notes = {OTHER_RANK_TAKES_MORE: more} if run.rank == 0 else {}
        run.ended = False
        run.address = notes.get(f"{PREFIX}address", run.address)
        if reason := notes.get(f"{PREFIX}evicts"):
            self._api.set_pod_status(namespace, name, {"phase": "Failed", "reason": reason, "message": "simulated"})
            return
        run.outcome = self._outcome(run.pod, node, notes)
        if run.outcome is None:
            waiting = {"reason": "ContainerCreating", "message": "simulated node: nobody published such a start-up"}
            self._write_status(run, "Pending", {"waiting": waiting})
            return
        run.started = _now()
        (run.folder / "current.log").write_text(_cri(run.outcome.log[:4]))
        if run.restarts == 0:
            self._api.serve_logs(namespace, name, run.folder, previous=f"{PREFIX}loses-logs" not in notes)
        self._write_status(run, "Running", {"running": {"startedAt": run.started}})
        self._later("finish", uid, self._start_seconds)

    def _finish(self, uid: str, run: Run) -> None:
        """The start-up ends: it serves, or its process is gone."""
        assert run.outcome is not None
        if run.ended:
            return
        if run.outcome.serves and run.rank == 0 and not self._is_complete(run):
            self._later("finish", uid, PEER_SECONDS)
            return
        run.ended = True
        (run.folder / "current.log").write_text(_cri(run.outcome.log))
        if run.outcome.serves:
            self._write_status(run, "Running", {"running": {"startedAt": run.started}}, ready=True)
            if run.outcome.dies:
                run.outcome = Outcome(serves=False, log=(*run.outcome.log, *run.outcome.dies))
                run.ended = False
                self._later("finish", uid, SERVED_SECONDS)
            return
        message = "\n".join(run.outcome.log).encode()[-LAST_LINES:].decode(errors="ignore")
        ended = {"exitCode": 1, "reason": "Error", "startedAt": run.started, "finishedAt": _now(), "message": message}
        self._write_status(run, "Running", {"terminated": ended})
        run.last = ended
        self._lose_peers(uid, run)
        # As the kubelet does: the first restart comes at once, the next ones after a growing while.
        self._later("restart", uid, 0.3 if run.restarts == 0 else 0.0)

    def _peers(self, uid: str, run: Run) -> list[tuple[str, Run]]:
        """The other ranks of its group that run."""
        if run.group is None:
            return []
        return [(other, peer) for other, peer in self._runs.items() if other != uid and peer.group == run.group]

    def _is_complete(self, run: Run) -> bool:
        """True where all other ranks have loaded."""
        others = [peer for _, peer in self._peers(run.pod["metadata"]["uid"], run)]
        size = int((run.pod["metadata"].get("annotations") or {}).get(GROUP_SIZE, "1"))
        return len(others) == size - 1 and all(peer.ended and peer.outcome and peer.outcome.serves for peer in others)

    def _lose_peers(self, uid: str, run: Run) -> None:
        """The others notice that their connection to it is gone."""
        for other, peer in self._peers(uid, run):
            if peer.outcome is not None and peer.started and not (peer.ended and not peer.outcome.serves):
                peer.outcome = self._scripted(peer.pod, "Unknown-peer")
                peer.ended = False
                self._later("finish", other, PEER_SECONDS)

    def _restart(self, uid: str, run: Run) -> None:
        """Start the container again, or wait first."""
        (run.folder / "previous.log").write_text((run.folder / "current.log").read_text())
        if run.restarts > 0:
            words = {"reason": "CrashLoopBackOff", "message": f"back-off restarting failed container {CONTAINER}"}
            self._write_status(run, "Running", {"waiting": words})
        run.restarts += 1
        self._later("start", uid, 0 if run.restarts == 1 else self._backoff_seconds * 2 ** (run.restarts - 2))

    def _end(self, uid: str, run: Run) -> None:
        """The pod was deleted: its containers end at once."""
        self._api.remove_pod(run.pod["metadata"]["namespace"], run.pod["metadata"]["name"], uid)
        self._runs.pop(uid, None)

    # --- what is written ----------------------------------------------------------------------------------------

    def _outcome(self, pod: Mapping[str, Any], node: Mapping[str, Any], notes: Mapping[str, str]) -> Outcome | None:
        container = next(item for item in pod["spec"]["containers"] if item["name"] == CONTAINER)
        environment = {item["name"]: item.get("value") for item in container.get("env") or ()}
        model, flags = parse_arguments(container.get("args") or ())
        release = EngineVersion.of_image(container["image"]) or EngineVersion(0, 32)
        version = (release.major, release.minor, release.patch)
        cpu_space = environment.get("VLLM_CPU_KVCACHE_SPACE")
        scripted = notes.get(f"{PREFIX}fails-with")
        start = (node["metadata"]["name"], scripted or "")
        if scripted and self._failed_starts.get(start, 0) < int(notes.get(f"{PREFIX}fails-times", "1000000")):
            self._failed_starts[start] = self._failed_starts.get(start, 0) + 1
            return self._scripted(pod, scripted)
        limits = (container.get("resources") or {}).get("limits") or {}
        count = sum(int(value) for resource, value in limits.items() if resource.startswith("nvidia.com/"))
        product = node["metadata"]["labels"].get("nvidia.com/gpu.product", CPU) if count else CPU
        record = choose(self._records, model, product.removesuffix(SHARED), count, flags)
        if record is None:
            return None
        beside = self._held_by_servers(pod, node) * record.total_gib if product.endswith(SHARED) else 0.0
        server = Server(
            version=version,
            model=model,
            flags=flags,
            cpu_kv_cache_gib=float(cpu_space) if cpu_space and product == CPU else None,
            used_by_others_gib=beside + float(notes.get(f"{PREFIX}used-by-others-gib", "0")),
            takes_more_gib=float(notes.get(f"{PREFIX}takes-more-gib", "0")),
            other_rank_takes_more_gib=float(notes.get(OTHER_RANK_TAKES_MORE, "0")),
        )
        outcome = play(record, server)
        dying, start = notes.get(f"{PREFIX}dies-with"), (node["metadata"]["name"], "dies")
        if dying and outcome.serves and self._failed_starts.get(start, 0) < int(notes.get(f"{PREFIX}dies-times", "1")):
            self._failed_starts[start] = self._failed_starts.get(start, 0) + 1
            words = wordings.Wordings(version, model, record.architecture, flags)
            return replace(outcome, dies=words.died_in_service(dying))
        return outcome

    def _held_by_servers(self, pod: Mapping[str, Any], node: Mapping[str, Any]) -> float:
        """Utilisation of the other servers on the node's one GPU, whether they serve or still start."""
        found = 0.0
        for uid, run in self._runs.items():
            is_there = run.pod["spec"].get("nodeName") == node["metadata"]["name"]
            if uid == pod["metadata"]["uid"] or not is_there or not run.started:
                continue
            container = next(item for item in run.pod["spec"]["containers"] if item["name"] == CONTAINER)
            found += float(parse_arguments(container.get("args") or ())[1].get("gpu_memory_utilization", 0.92))
        return found

    def _scripted(self, pod: Mapping[str, Any], failure: str) -> Outcome:
        """A failure of ``wordings.SCRIPTED`` in the words of the pod's release."""
        container = next(item for item in pod["spec"]["containers"] if item["name"] == CONTAINER)
        model, flags = parse_arguments(container.get("args") or ())
        release = EngineVersion.of_image(container["image"]) or EngineVersion(0, 32)
        words = wordings.Wordings(
            (release.major, release.minor, release.patch), model, "Qwen3VLForConditionalGeneration", flags
        )
        return Outcome(serves=False, log=(*words.beginning(), *words.scripted(failure)))

    def _write_status(self, run: Run, phase: str, state: Mapping[str, Any], *, ready: bool = False) -> None:
        metadata, now = run.pod["metadata"], _now()
        conditions = [
            {"type": kind, "status": "True" if good else "False", "lastTransitionTime": now}
            for kind, good in (
                ("PodScheduled", True),
                ("Initialized", True),
                ("ContainersReady", ready),
                ("Ready", ready),
            )
        ]
        status = []
        for container in run.pod["spec"]["containers"]:
            if container["name"] == CONTAINER:
                item = {"ready": ready, "started": ready, "restartCount": run.restarts, "state": state}
                if run.last is not None and "terminated" not in state:
                    item["lastState"] = {"terminated": run.last}
            else:
                item = {"ready": True, "started": True, "restartCount": 0, "state": {"running": {"startedAt": now}}}
            names = {"name": container["name"], "image": container["image"], "imageID": ""}
            status.append({**names, **item})
        body = {"phase": phase, "startTime": metadata["creationTimestamp"], "conditions": conditions}
        body |= {"containerStatuses": status, "podIP": run.address, "podIPs": [{"ip": run.address}]}
        self._api.set_pod_status(metadata["namespace"], metadata["name"], body)


def _cri(lines: tuple[str, ...]) -> str:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return "".join(f"{stamp} stdout F {line}\n" for line in lines)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where logs are written")
    parser.add_argument("--start-seconds", type=float, default=0.5, help="how long a start-up takes")
    parser.add_argument("--backoff-seconds", type=float, default=3.0, help="the first wait of a crash loop")
    options = parser.parse_args()
    nodes = SimulatedNodes(
        ApiServer.connect(),
        options.folder,
        start_seconds=options.start_seconds,
        backoff_seconds=options.backoff_seconds,
    )
    nodes.run()


if __name__ == "__main__":
    sys.exit(main())
