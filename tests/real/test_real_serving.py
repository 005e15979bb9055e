"""A model that fits, from apply to a completion to deletion, on a real kubelet with real vLLM."""

from __future__ import annotations

import re
from typing import Any
from urllib.error import HTTPError

import pytest
from model_servers import address, ask, log, pods, ready, vlmd

from kit.control_plane import Cluster
from kit.real_node.checkpoints import TEXT
from kit.real_node.node import RealNode

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def served(cluster: Cluster, module_namespace: str) -> dict[str, Any]:
    """The first VLMDeployment, serving."""
    cluster.apply(vlmd("model", module_namespace))
    return ready(cluster, module_namespace, "model")


@pytest.mark.usefixtures("served")
def test_it_answers_a_completion_at_the_address_of_its_service(cluster: Cluster, module_namespace: str) -> None:
    where = address(cluster, module_namespace, "model")
    answer = ask(where, "/v1/completions", model=TEXT, prompt="Hello", max_tokens=8, temperature=0, ignore_eos=True)
    assert answer["usage"] == {**answer["usage"], "prompt_tokens": 5, "completion_tokens": 8}


def test_its_kv_cache_holds_exactly_the_tokens_that_were_planned(
    cluster: Cluster, module_namespace: str, served: dict[str, Any]
) -> None:
    (pod,) = pods(cluster, module_namespace, "model")
    printed = re.search(r"KV cache size: ([\d,]+) tokens", log(cluster, module_namespace, pod["metadata"]["name"]))
    assert printed, "vLLM printed no size of its KV cache"
    tokens = int(printed[1].replace(",", ""))
    status = served["status"]
    assert {
        "planned": status["plan"]["container"]["capacityTokens"],
        "observed": status["observed"]["kvTokens"],
        "shown": status["kvTokens"],
    } == {"planned": tokens, "observed": tokens, "shown": tokens}


def test_a_prompt_above_the_planned_context_is_refused_by_vllm(
    cluster: Cluster, module_namespace: str, served: dict[str, Any]
) -> None:
    """The context of the plan is the server's: a prompt has one token a byte."""
    prompt = "x" * (served["status"]["contextLength"] + 1)
    with pytest.raises(HTTPError, match="400"):
        ask(address(cluster, module_namespace, "model"), "/v1/completions", model=TEXT, prompt=prompt, max_tokens=1)


@pytest.mark.usefixtures("served")
def test_a_changed_spec_is_served_by_another_pod(cluster: Cluster, module_namespace: str) -> None:
    (before,) = pods(cluster, module_namespace, "model")
    cluster.apply(vlmd("model", module_namespace, context={"maximum": 4096}))
    item = ready(cluster, module_namespace, "model")
    (after,) = pods(cluster, module_namespace, "model")
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert item["status"]["contextLength"] == 4096
    answer = ask(address(cluster, module_namespace, "model"), "/v1/completions", model=TEXT, prompt="x", max_tokens=1)
    assert answer["usage"]["total_tokens"] == 2


@pytest.mark.usefixtures("served")
def test_deleting_it_leaves_nothing_in_the_cluster_or_on_the_node(
    cluster: Cluster, module_namespace: str, node: RealNode
) -> None:
    cluster.kubectl("delete", "vlmd", "model", "-n", module_namespace, "--timeout=30s")
    kinds = "vlmd,deployment,replicaset,pod,service,endpointslice"
    cluster.wait("no object is left", lambda: not cluster.get(kinds, None, module_namespace)["items"], 120)
    cluster.wait("no container runs", lambda: not node.containers(), 60)
