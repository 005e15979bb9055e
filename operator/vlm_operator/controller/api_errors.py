"""Errors of the API server; their type says whether trying again helps.

Every failure of a request, the network's included, becomes one of these four; nothing else leaves ``client``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.errors import VlmOperatorError


class ApiError(VlmOperatorError):
    """A request to the API server failed.

    Attributes:
        code: HTTP status, 0 where there was no answer.
        reason: the API server's machine-readable reason, for instance ``AlreadyExists``.
    """

    def __init__(self, message: str, *, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class RetryLater(ApiError):
    """The server cannot just now (429, 5xx, network, expired token): the same request may succeed after a while.

    Attributes:
        retry_after: seconds that the server asked for, None where it asked for none.
    """

    def __init__(self, message: str, *, code: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, code=code, reason=reason)
        self.retry_after = retry_after


class Outdated(ApiError):
    """Somebody wrote in between (409), or what was read is too old (410): read again, decide again, at once."""


class NotFound(ApiError):
    """The object, its namespace or its kind does not exist (404)."""


class Rejected(ApiError):
    """The server understood and refuses (400, 403, 413, 422 …): only a change of the request or the rules helps."""


_REFUSED_AS_INTERNAL: Final = ("failed to create typed patch object", "field not declared in schema")
"""Sentences of answers with code 500 that are refusals: server-side apply of a manifest that is not of its schema
(Kubernetes 1.37 ``apimachinery/pkg/util/managedfields``)."""


def error_of(
    code: int, body: Mapping[str, Any], headers: Mapping[str, str], request: str
) -> RetryLater | Outdated | NotFound | Rejected:
    """The error an answer stands for.

    Args:
        code: HTTP status of 400 or more.
        body: the ``Status`` object the API server sent, empty where it sent none.
        headers: of the answer; ``Retry-After`` is honoured.
        request: method and path, for the message.
    """
    reason = str(body.get("reason") or "")
    words = f"{request}: {code} {reason or 'no reason given'}: {body.get('message') or 'no message'}"
    if code == 404:
        return NotFound(words, code=code, reason=reason)
    if code in {409, 410}:
        return Outdated(words, code=code, reason=reason)
    if any(sign in words for sign in _REFUSED_AS_INTERNAL):
        return Rejected(words, code=code, reason=reason)
    if code in {401, 408, 429} or code >= 500:
        return RetryLater(words, code=code, reason=reason, retry_after=_retry_after(body, headers))
    return Rejected(words, code=code, reason=reason)


def _retry_after(body: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    said = (body.get("details") or {}).get("retryAfterSeconds") or headers.get("Retry-After")
    try:
        seconds = float(said) if said is not None else 0.0
    except (TypeError, ValueError):
        return None
    return min(seconds, 300.0) if seconds > 0 else None
