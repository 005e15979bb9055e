"""A serving pod's metrics end in a recommendation: in the status, and by ``vlmctl recommend`` on a real API server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from test_retuning import node_says
from test_vlmctl_on_a_cluster import vlmctl
from vlmdeployments import condition, engine, vlmd

from kit.control_plane import Cluster, OperatorProcess

pytestmark = pytest.mark.control_plane

PORT = 8000
PAGE = (
    'vllm:kv_cache_usage_perc{engine="0"} 0.3\n'
    'vllm:num_requests_running{engine="0"} 4.0\n'
    'vllm:cache_config_info{block_size="16",num_gpu_blocks="2000"} 1.0\n'
    'vllm:request_prompt_tokens_sum{engine="0"} 200000.0\n'
    'vllm:request_prompt_tokens_count{engine="0"} 250.0\n'
    'vllm:request_prompt_tokens_bucket{engine="0",le="2000.0"} 250.0\n'
    'vllm:request_generation_tokens_sum{engine="0"} 25000.0\n'
    'vllm:request_generation_tokens_count{engine="0"} 250.0\n'
    'vllm:request_generation_tokens_bucket{engine="0",le="200.0"} 250.0\n'
)


def own_address() -> str | None:
    """An address of this machine that is not the loopback's, which the API server proxies to nobody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if address.startswith("127.") else address


@contextmanager
def answering(address: str) -> Iterator[None]:
    """A server of ``PAGE`` at the port that model servers listen on."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer((address, PORT), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        http.shutdown()
        http.server_close()


@pytest.mark.usefixtures("operator")
def test_metrics_end_in_a_patch_that_the_api_server_takes(
    cluster: Cluster, operator: OperatorProcess, namespace: str
) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has the loopback address only")
    with answering(address), node_says(cluster, address=address):
        cluster.apply(vlmd("model", namespace, engine=engine(contextLength=16384)))
        cluster.kubectl("wait", "--for=condition=Ready", "vlmd/model", "-n", namespace, "--timeout=60s")
        operator.kill()
        operator.start()  # looks at once, not in a minute
        status = cluster.wait(
            "a recommendation",
            lambda: cluster.get("vlmd", "model", namespace)["status"].get("recommendation"),
            90,
        )
        assert (status["contextLength"], status["maxNumSeqs"], status["requests"]) == (2208, 4, 250)
        assert condition(cluster.get("vlmd", "model", namespace), "Ready")["status"] == "True"

        done = vlmctl(cluster, "recommend", "model", "-n", namespace, "-o", "json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["recommendation"]["contextLength"] == 2208
        assert told["patch"] == status["patch"]
        patch = vlmctl(cluster, "recommend", "model", "-n", namespace, "-o", "yaml").stdout
        cluster.kubectl(
            "patch", "vlmd", "model", "-n", namespace, "--type=merge", "-p", json.dumps(yaml.safe_load(patch))
        )
    assert cluster.get("vlmd", "model", namespace)["spec"]["engine"]["contextLength"] == 2208
