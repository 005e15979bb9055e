"""Start-ups that fail on memory, on a real kubelet with real vLLM: mended once, remembered, or stopped with figures."""

from __future__ import annotations

import pytest
from model_servers import condition, engine, outcomes, ready, stalled, vlmd

from kit.control_plane import Cluster
from kit.real_node.images import SMALLER

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800), pytest.mark.usefixtures("operator")]

TWO_DECLARED = {"cpu": {"kvCacheSpace": "2Gi"}, "engine": engine(image=SMALLER.name)}
"""2 GiB are declared, and vLLM finds 1 GiB: 65,536 tokens, of which a block of 128 is held back."""

REQUEST = {"promptTokens": 60_000, "outputTokens": 2_000}
"""A context of 65,536 tokens is planned for it, and 65,408 would do."""


def test_a_container_smaller_than_declared_is_mended_once_and_remembered(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("first", namespace, **TWO_DECLARED, workload=REQUEST))
    item = ready(cluster, namespace, "first")
    assert outcomes(item) == [("Failed", "KVCacheTooSmall"), ("Started", None)]
    assert 62_000 <= item["status"]["contextLength"] <= 65_408
    assert item["status"]["observed"]["kvTokens"] == item["status"]["kvTokens"]
    cluster.kubectl("delete", "vlmd", "first", "-n", namespace)
    cluster.apply(vlmd("second", namespace, **TWO_DECLARED, workload=REQUEST))
    assert outcomes(ready(cluster, namespace, "second")) == [("Started", None)]


def test_a_context_minimum_above_what_fits_stops_with_the_figures(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace, **TWO_DECLARED, context={"minimum": 100_000}))
    item = stalled(cluster, namespace, "model")
    assert outcomes(item) == [("Failed", "KVCacheTooSmall")]
    message = condition(item, "Stalled")["message"]
    assert all(figure in message for figure in ("1.53 GiB", "1.0 GiB", "at most 65,408")), message
    assert cluster.get("deployment", "model", namespace)["spec"]["replicas"] == 0
