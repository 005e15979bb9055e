"""Retry or stop is a type: what each answer of the API server stands for."""

from __future__ import annotations

import pytest
from api_server import FakeApiServer, serving

from vlm_operator.controller.api_errors import ApiError, NotFound, Outdated, Rejected, RetryLater
from vlm_operator.controller.client import Client

PATH = "/apis/apps/v1/namespaces/default/deployments/model"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        pytest.param(400, Rejected, id="bad request: stop"),
        pytest.param(401, RetryLater, id="token expired: retry, it is renewed"),
        pytest.param(403, Rejected, id="forbidden: stop"),
        pytest.param(404, NotFound, id="gone"),
        pytest.param(409, Outdated, id="somebody wrote in between: read again"),
        pytest.param(410, Outdated, id="what was read is too old: read again"),
        pytest.param(413, Rejected, id="too large: stop"),
        pytest.param(422, Rejected, id="invalid: stop"),
        pytest.param(429, RetryLater, id="too many requests: retry"),
        pytest.param(500, RetryLater, id="internal error: retry"),
        pytest.param(503, RetryLater, id="unavailable: retry"),
        pytest.param(504, RetryLater, id="timeout: retry"),
    ],
)
def test_each_answer_has_its_reaction(code: int, kind: type[ApiError]) -> None:
    server = FakeApiServer(failures=[(code, {"reason": "Because", "message": "of this"}, {})])
    with serving(server) as client, pytest.raises(kind) as refusal:
        client.apply(PATH, {"metadata": {"name": "model"}})
    assert refusal.value.code == code
    assert "of this" in refusal.value.message
    assert len(server.requests) == 1, "the queue backs off, not the transport"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            "failed to create typed patch object (default/model; apps/v1, Kind=Deployment): "
            ".spec.template.spec.toleration: field not declared in schema",
            id="a field that its schema does not have",
        ),
        pytest.param(
            "failed to create typed patch object (default/model; apps/v1, Kind=Deployment): errors: "
            ".spec.template.spec.tolerations: expected list, got &{map[]}",
            id="a value of another type",
        ),
    ],
)
def test_a_manifest_that_is_not_of_its_schema_is_refused_whatever_the_code(message: str) -> None:
    server = FakeApiServer(failures=[(500, {"message": message}, {})])
    with serving(server) as client, pytest.raises(Rejected) as refusal:
        client.apply(PATH, {"metadata": {"name": "model"}})
    assert refusal.value.code == 500


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        pytest.param({"details": {"retryAfterSeconds": 3}}, {}, 3.0, id="as the Status object says"),
        pytest.param({}, {"Retry-After": "7"}, 7.0, id="as the header says"),
        pytest.param({}, {"Retry-After": "soon"}, None, id="not a number"),
        pytest.param({}, {"Retry-After": "99999999"}, 300.0, id="never longer than five minutes"),
        pytest.param({}, {}, None, id="not said"),
    ],
)
def test_the_server_is_left_alone_for_as_long_as_it_asks(
    body: dict[str, object], headers: dict[str, str], seconds: float | None
) -> None:
    server = FakeApiServer(failures=[(429, body, headers)])
    with serving(server) as client, pytest.raises(RetryLater) as refusal:
        client.get(PATH)
    assert refusal.value.retry_after == seconds


def test_no_answer_at_all_is_worth_a_retry() -> None:
    with serving(FakeApiServer()) as client:
        closed: Client = client
    with pytest.raises(RetryLater, match="no answer"):
        closed.get(PATH)


def test_an_answer_that_is_no_json_is_quoted() -> None:
    server = FakeApiServer(failures=[(502, "<html>bad gateway</html>", {})])  # type: ignore[list-item]
    with serving(server) as client, pytest.raises(RetryLater, match="bad gateway"):
        client.get(PATH)


@pytest.mark.parametrize("kind", [ApiError, RetryLater, Outdated, NotFound, Rejected])
def test_where_there_was_no_answer_there_is_no_status(kind: type[ApiError]) -> None:
    assert (kind("no answer").code, kind("no answer").reason) == (0, "")
