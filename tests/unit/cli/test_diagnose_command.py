"""``vlmctl diagnose``: where logs come from, what is printed, exit codes."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import yaml
from click.testing import CliRunner, Result

from vlm_operator.cli.main import main

DATA = Path(__file__).parents[2] / "data" / "vllm_logs"


def log(name: str) -> bytes:
    return gzip.decompress((DATA / f"{name}.log.gz").read_bytes())


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["diagnose", *arguments])
    out, err = capsys.readouterr()
    return int(exit_.value.code or 0), out, err


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("kv_cache_too_small", 0, "KVCacheTooSmall"),
        ("started", 0, None),
        ("model_not_found", 0, "ModelNotFound"),
        ("unknown_numa_nodes", 4, "Unknown"),
    ],
)
def test_json_and_exit_code_of_a_file(
    name: str, code: int, reason: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vllm.log"
    path.write_bytes(log(name))
    exit_code, out, err = run(capsys, str(path), "-o", "json")
    answer = json.loads(out)
    assert (exit_code, answer["failure"] and answer["failure"]["reason"], err) == (code, reason, "")
    assert list(answer)[:5] == ["outcome", "vllmVersion", "failure", "observation", "advice"]


def test_the_failure_has_the_fields_of_the_contract(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vllm.log"
    path.write_bytes(log("kv_cache_too_small"))
    failure = json.loads(run(capsys, str(path), "-o", "json")[1])["failure"]
    assert failure.pop("message").startswith("ValueError: To serve at least one request")
    assert failure == {
        "reason": "KVCacheTooSmall", "class": "Memory", "retunable": True, "line": 66, "stage": None,
        "numbers": {
            "maxModelLen": 65536, "neededGiB": 2.0, "availableGiB": 1.0, "unit": "GiB", "estimatedMaxLen": 32640,
        },
    }  # fmt: skip


def test_yaml_holds_the_same_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vllm.log"
    path.write_bytes(log("free_memory_too_low"))
    assert yaml.safe_load(run(capsys, str(path), "-o", "yaml")[1]) == json.loads(
        run(capsys, str(path), "-o", "json")[1]
    )


@pytest.mark.parametrize("name", ["kv_cache_too_small", "started", "unknown_numa_nodes", "weights_missing"])
def test_the_table_for_people(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], snapshot: Any) -> None:
    path = tmp_path / "vllm.log"
    path.write_bytes(log(name))
    assert run(capsys, str(path))[1] == snapshot


def test_a_gzipped_file_is_read_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, str(DATA / "kv_cache_too_small.log.gz"), "-o", "json")
    assert (code, json.loads(out)["failure"]["reason"]) == (0, "KVCacheTooSmall")


def test_a_gzipped_file_that_breaks_off_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vllm.log.gz"
    path.write_bytes((DATA / "started.log.gz").read_bytes()[:900])
    code, _, err = run(capsys, str(path))
    assert code == 2
    assert "cannot be read" in err


def test_standard_input_is_read() -> None:
    from vlm_operator.cli.diagnose import command

    result: Result = CliRunner().invoke(command, ["-", "-o", "json"], input=log("kv_cache_too_small"))
    assert json.loads(result.stdout)["failure"]["reason"] == "KVCacheTooSmall"


def test_a_log_without_a_sign_of_vllm_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.log"
    path.write_text("hello\n")
    code, out, _ = run(capsys, str(path))
    assert (code, out) == (4, "No sign of vLLM in this log.\n")


def test_a_file_that_cannot_be_read_is_named_with_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "/nowhere/vllm.log")
    assert (code, out) == (2, "")
    assert "'/nowhere/vllm.log' cannot be read: No such file or directory" in err
    assert "hint:" in err


class FakeCluster(BaseHTTPRequestHandler):
    """An API server with one pod that restarted once."""

    restarts = 1
    previous_is_gone = False

    def do_GET(self) -> None:
        url = urlparse(self.path)
        query = parse_qs(url.query)
        previous = query.get("previous", ["false"])[0].lower() == "true"
        if not url.path.startswith("/api/v1/namespaces/ml/pods/qwen"):
            self._answer(404, json.dumps({"kind": "Status", "code": 404, "reason": "NotFound"}).encode())
        elif not url.path.endswith("/log"):
            self._answer(200, json.dumps(self._pod()).encode())
        elif query.get("container") != ["vllm"]:
            self._answer(400, b"{}")
        elif previous and self.previous_is_gone:
            self._answer(400, json.dumps({"kind": "Status", "message": "previous terminated container"}).encode())
        else:
            self._answer(200, log("kv_cache_too_small" if previous else "started"))

    def _pod(self) -> dict[str, Any]:
        status = {"name": "vllm", "image": "i", "imageID": "i", "ready": False, "restartCount": self.restarts}
        return {
            "metadata": {"name": "qwen", "namespace": "ml"},
            "spec": {"containers": [{"name": "sidecar"}, {"name": "vllm"}]},
            "status": {"containerStatuses": [status]},
        }

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json" if body.startswith(b"{") else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeCluster]]:
    handler = type("Handler", (FakeCluster,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "lab",
                "clusters": [{"name": "lab", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "users": [{"name": "me", "user": {}}],
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me", "namespace": "ml"}}],
            }
        )
    )  # fmt: skip
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    yield handler
    server.shutdown()


def test_a_pods_previous_run_is_read_first(cluster: type[FakeCluster], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "qwen", "-n", "ml", "-o", "json")
    assert (code, json.loads(out)["failure"]["reason"]) == (0, "KVCacheTooSmall")
    assert err == "reading pod ml/qwen, container vllm, previous run\n"


@pytest.mark.parametrize(("restarts", "gone"), [(0, False), (1, True)], ids=["never restarted", "its log is gone"])
def test_the_present_run_is_read_where_there_is_no_previous_one(
    restarts: int, gone: bool, cluster: type[FakeCluster], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.restarts, cluster.previous_is_gone = restarts, gone
    code, out, err = run(capsys, "pod/qwen", "--context", "lab", "-o", "json")
    assert (code, json.loads(out)["outcome"]) == (0, "Started")
    assert err.endswith("present run\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nobody", "-n", "ml"), 2, "pod: 'nobody' is not in namespace 'ml'"),
        (("qwen", "-n", "ml", "-c", "other"), 2, "its containers: sidecar, vllm"),
        (("qwen", "--context", "nowhere"), 2, "context:"),
    ],
)
def test_what_is_not_in_the_cluster_is_named(
    arguments: tuple[str, ...], code: int, words: str, cluster: type[FakeCluster], capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code, _, err = run(capsys, *arguments)
    assert exit_code == code
    assert words in err


def test_a_cluster_that_does_not_answer_has_its_own_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: x, clusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}],"
        " users: [{name: x, user: {}}], contexts: [{name: x, context: {cluster: x, user: x}}]}"
    )
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    code, _, err = run(capsys, "qwen", "-n", "ml")
    assert code == 5
    assert "does not answer" in err
