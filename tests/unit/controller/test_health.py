"""``/healthz`` fails when the operator only looks alive; ``/metrics`` holds what an administrator graphs."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest

from vlm_operator.controller.health import Health, serve
from vlm_operator.controller.metrics import Metrics
from vlm_operator.controller.queue import Key

KEY = Key("default", "model")
STATUS = {
    "conditions": [{"type": "Ready", "status": "True", "reason": "Serving"}],
    "plan": {"budget": {"weightsBytes": 5, "kvCacheBytes": 7}},
}


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_loop_that_turns_is_healthy() -> None:
    clock = Clock()
    health = Health(clock)
    clock.now = 30
    assert health.problems() == []


def test_a_loop_that_does_not_turn_is_said() -> None:
    clock = Clock()
    health = Health(clock)
    health.beat()
    clock.now = 31
    assert "event loop has not turned" in " ".join(health.problems())


def test_a_reconcile_that_hangs_is_named() -> None:
    clock = Clock()
    health = Health(clock)
    with health.working(KEY):
        clock.now = 300
        health.beat()
        assert health.problems() == []
        clock.now = 301
        health.beat()
        assert "default/model" in " ".join(health.problems())
    assert health.problems() == []


def test_the_port_answers_probes_and_scrapes() -> None:
    clock = Clock()
    health, metrics = Health(clock), Metrics()
    server = serve(health, metrics, 0, "127.0.0.1")
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        codes = {path: _code(url + path) for path in ("/healthz", "/readyz", "/metrics", "/")}
        assert codes == {"/healthz": 200, "/readyz": 503, "/metrics": 200, "/": 404}
        health.waiting_for = lambda: None
        assert _code(url + "/readyz") == 200
        clock.now = 60
        assert _code(url + "/healthz") == 503
    finally:
        server.shutdown()
        server.server_close()


def _code(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_metrics_show_the_present_status_and_forget_what_is_gone() -> None:
    metrics = Metrics()
    metrics.show(KEY, STATUS)
    text = metrics.text().decode()
    assert 'vlm_operator_plan_bytes{component="weights",name="model",namespace="default"} 5.0' in text
    assert 'reason="Serving",status="True",type="Ready"} 1.0' in text
    metrics.show(KEY, {"conditions": [{"type": "Ready", "status": "False", "reason": "Starting"}]})
    text = metrics.text().decode()
    assert "Serving" not in text
    assert "plan_bytes{" not in text
    metrics.forget(KEY)
    assert "default" not in metrics.text().decode()


@pytest.mark.parametrize(
    "name",
    [
        "vlm_operator_build_info",
        "vlm_operator_reconcile_total",
        "vlm_operator_reconcile_duration_seconds",
        "vlm_operator_status_condition",
        "vlm_operator_retunes_total",
        "vlm_operator_plan_bytes",
        "vlm_operator_queue_length",
        "vlm_operator_queue_oldest_seconds",
        "vlm_operator_leader",
    ],
)
def test_the_promised_names_are_there(name: str) -> None:
    assert f"# TYPE {name} " in Metrics().text().decode()


def test_an_answer_is_text_that_ends_in_one_newline() -> None:
    server = serve(Health(Clock()), Metrics(), 0, "127.0.0.1")
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        bodies = {path: urllib.request.urlopen(url + path).read() for path in ("/healthz", "/metrics")}
    finally:
        server.shutdown()
    assert bodies["/healthz"] == b"ok\n"
    assert bodies["/metrics"].endswith(b"\n")
    assert not bodies["/metrics"].endswith(b"\n\n")


def test_reconciles_are_counted_in_steps_from_ten_milliseconds_to_half_a_minute() -> None:
    metrics = Metrics()
    metrics.duration.observe(0.2)
    told = [line for line in metrics.text().decode().splitlines() if "duration_seconds_bucket" in line]
    steps = {line.split('le="')[1].split('"')[0]: float(line.rsplit(" ", 1)[1]) for line in told}
    assert [float(step) for step in steps] == [
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, float("inf"),
    ]  # fmt: skip
    assert [step for step, count in steps.items() if not count] == ["0.01", "0.025", "0.05", "0.1"]
