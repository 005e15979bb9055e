"""Write an audit into the cluster, as a ``GPUFitReport``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from vlm_operator.api.gpu_fit_report import GPUFitReport
from vlm_operator.api.names import API_VERSION
from vlm_operator.errors import ClusterUnreachable

if TYPE_CHECKING:
    from vlm_operator.audit.audit import Audit

PATH: Final = f"/apis/{API_VERSION}/gpufitreports"
FIELD_MANAGER: Final = "vlmctl-audit"
_TIMEOUT_SECONDS: Final = 30
_RIGHTS: Final = "create and patch gpufitreports.vlm-operator.dev"


def write_report(audit: Audit, name: str, audited_at: str, context: str | None) -> None:
    """Apply the report server-side; one of this name is replaced.

    Raises:
        InputError: no such context.
        ClusterUnreachable: the API server does not answer, a right is missing, or the CRD is.
    """
    from kubernetes.client import ApiClient
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    from vlm_operator.audit.fit_report import fit_report
    from vlm_operator.cli.audit_cluster import connect

    client: Any = ApiClient(connect(context))
    manifest = fit_report(audit, name, audited_at)
    request = client.param_serialize(
        "PATCH",
        f"{PATH}/{name}",
        query_params=[("fieldManager", FIELD_MANAGER), ("force", "true")],
        header_params={"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"},
        body=manifest,
        auth_settings=["BearerToken"],
    )
    try:
        answer = client.call_api(*request, _request_timeout=_TIMEOUT_SECONDS)
        data, status, reason = answer.read() or b"", answer.status, answer.reason
    except ApiException as error:
        data, status, reason = str(error.body or "").encode(), error.status, error.reason
    except (HTTPError, OSError) as error:
        raise ClusterUnreachable(
            f"cluster: the API server does not answer: {error}", hint="check the context and the network"
        ) from None
    if status >= 400:
        raise _refused(status, reason, data)


def _refused(status: int, reason: str, data: bytes) -> ClusterUnreachable:
    kind = GPUFitReport.__name__
    if status in (401, 403):
        hint = f"the right to {_RIGHTS} is missing: the chart's audit.schedule gives it to its own ServiceAccount"
        return ClusterUnreachable(f"cluster: the API server answered {status} {reason} to a {kind}", hint=hint)
    if status == 404:
        hint = "install the CRDs (chart value crds.install, or kubectl apply -f crds)"
        return ClusterUnreachable(f"cluster: the API server does not know {kind}", hint=hint)
    try:
        words = str(json.loads(data).get("message", ""))
    except (ValueError, AttributeError):
        words = ""
    return ClusterUnreachable(f"cluster: the API server answered {status} {reason} to a {kind}: {words[:500]}")
