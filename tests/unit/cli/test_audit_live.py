"""A live audit reads page by page, says which rights are missing, and goes on where it can."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import yaml

from kit.audit_manifests import node, pod
from vlm_operator.cli.main import main

VLM = "Qwen/Qwen3-VL-8B-Instruct"
NODES = [node(f"h100-{number}", "NVIDIA-H100-80GB-HBM3", 8) for number in range(3)]
CONFIG = {"max-model-len": 32768, "limit-mm-per-prompt": {"image": 4, "video": 0}}
POD = pod(
    "served", "h100-0", command=["vllm", "serve", VLM, "--config", "/etc/vllm/config.yaml"],
    volumes=[{"name": "config", "configMap": {"name": "flags"}}], mounts=[{"name": "config", "mountPath": "/etc/vllm"}],
)  # fmt: skip
PAGE = 2
PREEMPTED = "vllm:kv_cache_usage_perc 0.5\nvllm:num_preemptions_total 7\n"


@contextmanager
def api_server(forbidden: str) -> Iterator[tuple[str, list[str]]]:
    """An API server that lists at most ``PAGE`` objects at once and forbids paths that hold ``forbidden``."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlparse(self.path)
            asked.append(address.path)
            status, body = answer(address.path, parse_qs(address.query))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, bytes]:
        if forbidden and forbidden in path:
            return 403, b'{"kind": "Status", "status": "Failure"}'
        if path.endswith("/proxy/metrics"):
            return 200, PREEMPTED.encode()
        if path.endswith("/configmaps/flags"):
            content = {"metadata": {"name": "flags", "namespace": "models"}, "data": {"config.yaml": yaml.dump(CONFIG)}}
            return 200, json.dumps(content).encode()
        start = int(query.get("continue", ["0"])[0])
        items = NODES if path.endswith("/nodes") else [POD]
        more = str(start + PAGE) if start + PAGE < len(items) else ""
        listed = {"metadata": {"continue": more}, "items": items[start : start + PAGE]}
        return 200, json.dumps(listed).encode()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def audited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, Any, str, list[str]]]:
    """Runs a live audit against an API server: (exit code, answer, words, paths asked for)."""

    def run(*options: str, forbidden: str = "") -> tuple[int, Any, str, list[str]]:
        with api_server(forbidden) as (address, asked):
            cluster = {"name": "c", "cluster": {"server": address}}
            config = {
                "clusters": [cluster],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "current-context": "c",
            }
            (tmp_path / "config").write_text(yaml.safe_dump(config))
            location = str(tmp_path / "config")
            monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", location)
            with pytest.raises(SystemExit) as ended:
                main(["audit", "--offline", "-o", "json", *options])
        said = capsys.readouterr()
        return int(ended.value.code or 0), json.loads(said.out) if said.out else None, said.err, asked

    return run


def kinds(answer: Any) -> list[str]:
    return [finding["kind"] for finding in answer["findings"]]


def test_everything_is_read(audited: Callable[..., tuple[int, Any, str, list[str]]]) -> None:
    code, answer, words, _ = audited()
    assert answer["summary"]["nodes"] == 3
    assert answer["servers"][0]["flags"]["max_model_len"] == 32768
    assert kinds(answer) == ["RequestsPreempted"]
    assert (code, words) == (1, "")


def test_metrics_are_left_alone_where_nobody_wants_them(
    audited: Callable[..., tuple[int, Any, str, list[str]]],
) -> None:
    code, answer, _, asked = audited("--no-metrics")
    assert kinds(answer) == []
    assert code == 0
    assert not [path for path in asked if "proxy" in path]


@pytest.mark.parametrize(
    ("forbidden", "words", "found"),
    [
        pytest.param("proxy", "metrics are not read", [], id="metrics"),
        pytest.param("configmaps", "config files are not read", ["NotAudited"], id="config files"),
    ],
)
def test_a_right_that_is_missing_is_named_and_the_rest_is_audited(
    forbidden: str, words: str, found: list[str], audited: Callable[..., tuple[int, Any, str, list[str]]]
) -> None:
    _, answer, said, _ = audited(forbidden=forbidden)
    assert words in said
    assert "list nodes" in said
    assert set(found) <= set(kinds(answer))


@pytest.mark.parametrize("forbidden", ["/nodes", "/pods"])
def test_without_nodes_or_pods_there_is_no_audit(
    forbidden: str, audited: Callable[..., tuple[int, Any, str, list[str]]]
) -> None:
    code, answer, said, _ = audited(forbidden=forbidden)
    assert (code, answer) == (5, None)
    assert f"the right to list {forbidden[1:]} is missing; an audit needs: list nodes" in said
