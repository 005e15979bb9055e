"""Pages of servers' metrics over HTTP: bounded in time, remembered between looks, never in anybody's way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vlm_operator.controller.queue import Key
from vlm_operator.controller.server_metrics import ServerMetrics, url_of
from vlm_operator.lifecycle.situation import Pod, StartupKey

KEY = Key("default", "model")
POD = Pod("model-1", "pod-1", "", "Running", (), "image", address="10.0.0.1")
RUN = StartupKey("pod-1", "vllm", 0)


def page(requests: int, running: int = 0) -> str:
    return (
        f"vllm:kv_cache_usage_perc 0.5\nvllm:num_requests_running {running}\n"
        f"vllm:request_prompt_tokens_count {requests}\nvllm:request_prompt_tokens_sum {requests * 100}\n"
        f'vllm:request_prompt_tokens_bucket{{le="200"}} {requests}\n'
    )


class Server:
    """A server whose pages are told one after another, the last one again and again."""

    def __init__(self) -> None:
        self.pages: list[tuple[int, str]] = [(200, page(0))]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, text = outer.pages.pop(0) if len(outer.pages) > 1 else outer.pages[0]
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                if code == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.metrics = ServerMetrics(lambda _: f"http://127.0.0.1:{self.http.server_port}/metrics")


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.http.shutdown()
    one.http.server_close()


def test_pages_add_up_without_counting_a_request_twice(server: Server) -> None:
    server.pages = [(200, page(100, running=7)), (200, page(130, running=2))]
    server.metrics.seen(KEY, "f", [(POD, RUN)], 8192)
    seen = server.metrics.seen(KEY, "f", [(POD, RUN)], 8192)
    assert seen is not None
    assert (seen.requests, seen.peak_requests) == (130, 7)


def test_another_command_begins_anew(server: Server) -> None:
    server.pages = [(200, page(100)), (200, page(5))]
    server.metrics.seen(KEY, "f", [(POD, RUN)], 8192)
    seen = server.metrics.seen(KEY, "g", [(POD, StartupKey("pod-2", "vllm", 0))], 8192)
    assert seen is not None
    assert seen.requests == 5


@pytest.mark.parametrize(
    "answer", [(404, "no"), (302, ""), (200, "not vLLM's"), (500, page(9))], ids=["404", "redirect", "other", "500"]
)
def test_what_is_no_page_is_nothing(server: Server, answer: tuple[int, str]) -> None:
    server.pages = [answer]
    assert server.metrics.seen(KEY, "f", [(POD, RUN)], 8192) is None


def test_a_server_that_is_not_reached_is_nothing() -> None:
    assert ServerMetrics(lambda _: "http://127.0.0.1:1/metrics").seen(KEY, "f", [(POD, RUN)], 8192) is None
    assert ServerMetrics(lambda _: None).seen(KEY, "f", [(POD, RUN)], 8192) is None


def test_servers_that_do_not_answer_are_asked_ever_more_rarely(server: Server) -> None:
    now, asked = 0.0, []

    def url(_: Pod) -> str:
        asked.append(now)
        return "http://127.0.0.1:1/metrics"

    metrics = ServerMetrics(url, lambda: now)
    while now < 4 * 3600:
        metrics.seen(KEY, "f", [(POD, RUN)], 8192)
        now += 60
    assert asked == [0, 300, 900, 2100, 4500, 8100, 11700]


@pytest.mark.parametrize(
    ("address", "url"),
    [(None, None), ("10.0.0.1", "http://10.0.0.1:8000/metrics"), ("fd00::1", "http://[fd00::1]:8000/metrics")],
)
def test_the_page_is_at_the_pods_own_address(address: str | None, url: str | None) -> None:
    assert url_of(Pod("model-1", "pod-1", "", "Running", (), "image", address=address)) == url
