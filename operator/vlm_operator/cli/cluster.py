"""Read a cluster with the user's kubeconfig: plain JSON, errors as messages."""

from __future__ import annotations

from typing import Any, Final

from vlm_operator.errors import ClusterUnreachable, InputError

TIMEOUT_SECONDS: Final = 30


def list_objects(group: str, version: str, plural: str, context: str | None) -> list[dict[str, Any]]:
    """Every object of one kind, in all namespaces.

    Raises:
        InputError: no such context, or the kind is not installed.
        ClusterUnreachable: the API server does not answer, or refuses.
    """
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        connection = config.new_client_from_config(context=context)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        raise InputError(f"context: {error}", field="context", hint="kubectl config get-contexts lists them") from None
    api: Any = client.CustomObjectsApi(connection)
    try:
        answer = api.list_cluster_custom_object(group, version, plural, _request_timeout=TIMEOUT_SECONDS)
    except ApiException as error:
        if error.status == 404:
            raise InputError(
                f"cluster: {plural}.{group} is not installed",
                field="context",
                hint="install the Helm chart vlm-operator, or choose another --context",
            ) from None
        raise ClusterUnreachable(
            f"cluster: the API server answered {error.status} {error.reason}",
            hint=f"check credentials and the right to list {plural}.{group}",
        ) from None
    except (HTTPError, OSError) as error:
        raise ClusterUnreachable(
            f"cluster: the API server does not answer: {error}", hint="check the context and the network"
        ) from None
    items: list[dict[str, Any]] = answer["items"]
    return items
