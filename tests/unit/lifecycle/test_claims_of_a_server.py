"""``spec.gpu.claim``: the GPUs are claimed, nothing is asked for by name beside it."""

from __future__ import annotations

from typing import Any

import pytest

from claim_world import ClaimWorld, claimed_node, gpu_device, mig_device
from lifecycle_world import MODEL, World
from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.lifecycle.decision import Decision
from vlm_operator.lifecycle.offers import find_product
from vlm_operator.rendering import claim_of
from vlm_operator.units import GIB


def child(decision: Decision, kind: str) -> dict[str, Any]:
    return next(dict(each) for each in decision.children if each["kind"] == kind)


def test_the_pod_claims_and_asks_for_no_resource() -> None:
    decision = ClaimWorld().decide()
    template, pod = child(decision, "ResourceClaimTemplate"), child(decision, "Deployment")["spec"]["template"]["spec"]
    assert pod["resourceClaims"] == [{"name": "gpus", "resourceClaimTemplateName": template["metadata"]["name"]}]
    assert pod["containers"][0]["resources"] == {"claims": [{"name": "gpus"}]}
    assert "nodeSelector" not in pod
    (request,) = template["spec"]["spec"]["devices"]["requests"]
    assert (request["exactly"]["deviceClassName"], request["exactly"]["count"]) == ("gpu.nvidia.com", 1)
    (selector,) = request["exactly"]["selectors"]
    assert selector["cel"]["expression"] == (
        "device.attributes['gpu.nvidia.com'].productName.replace(' ', '-') == \"NVIDIA-L4\" && "
        "device.capacity['gpu.nvidia.com'].memory.compareTo(quantity('22970Mi')) >= 0"
    )


def test_claims_carry_the_label_by_which_they_count_as_its_own() -> None:
    template = child(ClaimWorld().decide(), "ResourceClaimTemplate")
    assert template["spec"]["metadata"]["labels"] == {"vlm-operator.dev/vlmdeployment": "demo"}


def test_the_status_says_that_they_are_claimed_and_who_told_of_them() -> None:
    status = ClaimWorld().decide().status
    assert status is not None
    gpu = status["plan"]["gpu"]
    assert (gpu["claimed"], gpu["product"], gpu["resource"]) == (True, "NVIDIA-L4", "nvidia.com/gpu")
    assert gpu["sources"] == {"product": "DRA", "memory": "DRA", "computeCapability": "DRA"}


@pytest.mark.parametrize(
    ("world", "words"),
    [
        pytest.param(
            ClaimWorld(spec={"model": {"id": MODEL}}), "2x NVIDIA-L4 by claims (set spec.gpu.claim)", id="claims only"
        ),
        pytest.param(
            World(spec={"model": {"id": MODEL}, "gpu": {"claim": {}}}),
            "by name (unset spec.gpu.claim)",
            id="resources only",
        ),
    ],
)
def test_gpus_that_come_the_other_way_are_named_with_the_next_step(world: World, words: str) -> None:
    status = world.decide().status
    assert status is not None
    planned = next(each for each in status["conditions"] if each["type"] == "Planned")
    assert planned["reason"] == "NoMatchingGPU"
    assert words in planned["message"]


def test_a_mig_profile_is_claimed_from_its_own_class() -> None:
    spec = {"model": {"id": MODEL}, "gpu": {"claim": {}, "resource": "nvidia.com/mig-3g.40gb"}}
    decision = ClaimWorld(spec=spec, claimed=(claimed_node("node-1", mig_device(0)),)).decide()
    (request,) = child(decision, "ResourceClaimTemplate")["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"]["deviceClassName"] == "mig.nvidia.com"
    assert '.profile == "3g.40gb"' in request["exactly"]["selectors"][0]["cel"]["expression"]


def test_a_device_class_of_ones_own_is_claimed_from() -> None:
    spec = {"model": {"id": MODEL}, "gpu": {"claim": {"deviceClass": "big.example.com"}}}
    (request,) = child(ClaimWorld(spec=spec).decide(), "ResourceClaimTemplate")["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"]["deviceClassName"] == "big.example.com"


def test_a_card_whose_memory_the_driver_does_not_tell_is_claimed_by_its_product() -> None:
    claim = claim_of(find_product("GB10", "nvidia.com/gpu", 1).gpu, 1, None)
    assert "memory" not in claim.expression


def test_a_template_that_is_wanted_no_longer_is_deleted() -> None:
    world = ClaimWorld()
    world.reconcile()
    old = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": "demo-00000000", "uid": "old", "ownerReferences": [{"uid": "uid-1", "controller": True}]},
    }
    world.templates = (old,)
    (gone,) = world.decide().superseded
    assert (gone.kind, gone.name) == ("ResourceClaimTemplate", "demo-00000000")


def test_offline_and_in_the_cluster_the_same_is_claimed() -> None:
    spec = {"model": {"id": MODEL}, "gpu": {"claim": {}, "product": "NVIDIA-L4"}}
    claim = parse(VLMDeployment, {"metadata": {"name": "demo"}, "spec": spec}).spec.gpu
    assert claim is not None
    offline = claim_of(find_product("NVIDIA-L4", claim.resource, 1, spec=claim).gpu, 1, None)
    read = gpu_device(0, memory="23028Mi")  # drivers differ by a few MiB
    online = child(ClaimWorld(spec=spec, claimed=(claimed_node("n", read),)).decide(), "ResourceClaimTemplate")
    assert online["spec"]["spec"] == offline.spec


SHARED = gpu_device(0, "NVIDIA H100 80GB HBM3", "81559Mi", "9.0.0", allowMultipleAllocations=True)


def test_of_a_device_that_is_shared_a_part_is_claimed_and_no_more_is_taken() -> None:
    spec = {"model": {"id": MODEL}, "gpu": {"claim": {"memory": "30Gi"}}, "workload": {"promptTokens": 2000}}
    decision = ClaimWorld(spec=spec, claimed=(claimed_node("n", SHARED),)).decide()
    (request,) = child(decision, "ResourceClaimTemplate")["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"]["capacity"] == {"requests": {"memory": "30720Mi"}}
    assert decision.status is not None
    assert 16 * GIB < decision.status["plan"]["budget"]["requestedBytes"] < 30 * GIB


def test_a_share_that_is_too_small_is_refused_with_its_figures() -> None:
    spec = {"model": {"id": MODEL}, "gpu": {"claim": {"memory": "10Gi"}}}
    status = ClaimWorld(spec=spec, claimed=(claimed_node("n", SHARED),)).decide().status
    assert status is not None
    planned = next(each for each in status["conditions"] if each["type"] == "Planned")
    assert (planned["status"], planned["reason"]) == ("False", "OutOfMemory")


def test_a_pinned_utilisation_above_the_share_is_refused() -> None:
    spec = {"model": {"id": MODEL}, "gpu": {"claim": {"memory": "30Gi"}}, "engine": {"gpuMemoryUtilization": 0.9}}
    status = ClaimWorld(spec=spec, claimed=(claimed_node("n", SHARED),)).decide().status
    assert status is not None
    planned = next(each for each in status["conditions"] if each["type"] == "Planned")
    assert (planned["status"], planned["reason"]) == ("False", "FreeMemoryTooLow")
