"""``spec.gpu.share``: the sum is there, pods meet on one GPU, one server starts at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from claim_world import claimed_node, gpu_device
from lifecycle_world import flags_of
from share_world import H100, LARGE, MIDDLE, SMALL, SharingWorld, group, member, sliced_node, whole_node
from vlm_operator.gpu.measured import GPUProcess, MeasuredGPU
from vlm_operator.lifecycle.situation import GpuNode
from vlm_operator.units import GIB, MIB

H100_BY_CLAIM = claimed_node("node-1", gpu_device(0, "NVIDIA H100 80GB HBM3", "81559Mi", "9.0.0"))


def pair(**gpu: Any) -> tuple[SharingWorld, ...]:
    return group(member("chat", LARGE, **gpu), member("ocr", MIDDLE, **gpu))


def pod_of(world: SharingWorld) -> dict[str, Any]:
    assert world.deployment is not None
    return dict(world.deployment["spec"]["template"]["spec"])


def test_two_members_of_an_80_gib_card_have_the_sum_in_their_plans() -> None:
    chat, ocr = pair()
    for each in (chat, ocr):
        each.reconcile()
    assert chat.taken["takesBytes"] + ocr.taken["takesBytes"] == ocr.taken["sumBytes"] < 79.2 * GIB
    assert "GiB chat + " in ocr.condition("Planned")["message"]
    commands = [flags_of(tuple(pod_of(each)["containers"][0]["args"])) for each in (chat, ocr)]
    assert sum(float(each["--gpu-memory-utilization"]) for each in commands) < 0.7
    assert all(each.condition("Planned")["status"] == "True" for each in (chat, ocr))


@pytest.mark.parametrize("first", ["chat", "ocr"])
def test_whoever_is_looked_at_first_both_come_to_the_same_parts(first: str) -> None:
    members = sorted(pair(), key=lambda each: each.name != first)
    for each in members:
        each.reconcile()
    taken = {each.name: each.taken["takesBytes"] for each in members}
    chat, ocr = pair()
    for each in (chat, ocr):
        each.reconcile()
    assert taken == {"chat": chat.taken["takesBytes"], "ocr": ocr.taken["takesBytes"]}


@pytest.mark.parametrize("first", ["chat", "ocr"])
def test_the_second_starts_when_the_first_serves(first: str) -> None:
    one, two = sorted(pair(), key=lambda each: each.name != first)
    for each in (one, two, two):
        each.reconcile()
    assert (one.replicas, two.replicas) == (1, 0)
    assert two.condition("CapacityVerified")["reason"] == "GPUShareWaiting"
    assert f"{first} starts now" in two.condition("Ready")["message"]
    assert one.settle() == "Ready"
    assert two.settle() == "Ready"
    assert (one.replicas, two.replicas) == (1, 1)


def test_of_those_that_wait_the_largest_starts_first() -> None:
    chat, ocr, tiny = group(member("chat", LARGE), member("ocr", MIDDLE), member("tiny", SMALL))
    for each in (tiny, ocr, chat, ocr):
        each.reconcile()
    assert [each.replicas for each in (tiny, ocr, chat)] == [1, 0, 0]
    assert tiny.settle() == "Ready"
    ocr.reconcile()
    assert (ocr.replicas, ocr.condition("Ready")["message"][:18]) == (0, "chat starts before")
    for each in (chat, ocr):
        assert each.settle() == "Ready"


def test_a_server_that_was_let_go_is_not_stopped_because_it_or_another_starts_again() -> None:
    chat, ocr = pair()
    for each in (chat, ocr):
        each.settle()
    for each in (chat, ocr):
        assert each.deployment is not None
        each.deployment["status"] = {}
    chat.pod = None
    for each in (ocr, chat, ocr):
        each.reconcile()
    assert (chat.replicas, ocr.replicas) == (1, 1)


def test_one_that_cannot_be_served_holds_nobody_up() -> None:
    chat, ocr = pair()
    chat.spec["engine"]["contextLength"] = 10**7
    for each in (chat, ocr):
        each.reconcile()
    assert chat.condition("Planned")["status"] == "False"
    assert ocr.settle() == "Ready"


def test_a_third_that_does_not_fit_is_refused_with_the_sum_and_who_takes_what() -> None:
    cluster = (sliced_node(product="NVIDIA-L40S"),)
    chat, ocr, late = group(member("chat", LARGE), member("ocr", MIDDLE), member("late", LARGE), cluster=cluster)
    chat.others, ocr.others = [ocr], [chat]
    for each in (chat, ocr, chat, ocr):
        each.settle()
    late.reconcile()
    planned = late.condition("Planned")
    assert (planned["status"], planned["reason"]) == ("False", "GPUShareTooSmall")
    for words in ("GiB chat + ", "GiB ocr + ", "GiB late = ", "is missing", "lower the context"):
        assert words in planned["message"]
    assert late.replicas is None
    assert (chat.condition("Ready")["status"], ocr.condition("Ready")["status"]) == ("True", "True")


def test_two_small_models_share_a_desktop_card_of_24_gib_of_which_4_are_kept() -> None:
    cluster = (sliced_node(product="NVIDIA-GeForce-RTX-4090", replicas=2),)
    members = member("tiny", SMALL, context=8192, reserve="4Gi"), member("reader", SMALL, context=8192)
    tiny, reader = group(*members, cluster=cluster)
    for each in (reader, tiny):
        each.reconcile()
        assert each.condition("Planned")["status"] == "True", each.condition("Planned")
        assert each.taken["keptBytes"] == 4 * GIB
    assert tiny.taken["sumBytes"] <= tiny.taken["availableBytes"]


# --- how pods come onto the same GPU ---------------------------------------------------------------------------------


def test_replicas_of_one_gpu_on_one_node_are_asked_for_by_pods_that_keep_together() -> None:
    chat, ocr = pair()
    for each in (chat, ocr):
        each.reconcile()
        pod = pod_of(each)
        assert pod["nodeSelector"] == {"nvidia.com/gpu.product": f"{H100}-SHARED", "nvidia.com/gpu.count": "1"}
        (term,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term == {
            "labelSelector": {"matchLabels": {"vlm-operator.dev/gpu-share": "desk"}},
            "topologyKey": "kubernetes.io/hostname",
        }
        assert pod["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "1"}
        assert each.deployment is not None
        labels = each.deployment["spec"]["template"]["metadata"]["labels"]
        assert labels["vlm-operator.dev/gpu-share"] == "desk"


def test_a_claim_is_the_groups_own_and_goes_with_the_last_of_it() -> None:
    chat, ocr = group(*pair(claim={}), cluster=(H100_BY_CLAIM,))
    claims = []
    for each in (chat, ocr):
        decision = each.reconcile()
        claims += [dict(child) for child in decision.children if child["kind"] == "ResourceClaim"]
        pod = pod_of(each)
        assert pod["resourceClaims"] == [{"name": "gpus", "resourceClaimName": claims[-1]["metadata"]["name"]}]
        assert "affinity" not in pod
        assert pod["containers"][0]["resources"] == {"claims": [{"name": "gpus"}]}
    assert claims[0] == claims[1]
    owners = claims[0]["metadata"]["ownerReferences"]
    assert [(each["name"], each["uid"]) for each in owners] == [("chat", "uid-chat"), ("ocr", "uid-ocr")]
    assert not any(each.get("controller") for each in owners)
    assert not any(child["kind"] == "ResourceClaimTemplate" for child in decision.children)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        pytest.param(whole_node(), f"each of its 8 {H100} goes to one pod alone", id="whole GPUs"),
        pytest.param(whole_node(gpus=1), f"its {H100} goes to one pod alone", id="a GPU that is not replicated"),
        pytest.param(sliced_node(gpus=8), "it has 8 GPUs, and the device plugin chooses", id="several GPUs"),
        pytest.param(sliced_node(gpus=None), "label nvidia.com/gpu.count does not say", id="no label"),
        pytest.param(sliced_node(strategy="mps"), "an equal fraction of the memory", id="MPS"),
        pytest.param(
            replace(sliced_node(replicas=2), allocatable={"nvidia.com/gpu": "1"}),
            "it takes 1 of the group's 2 pods",
            id="too few",
        ),
    ],
)
def test_where_pods_cannot_meet_the_group_is_refused_by_name(node: GpuNode, words: str) -> None:
    chat, _ = group(*pair(), cluster=(node,))
    chat.reconcile()
    planned = chat.condition("Planned")
    assert (planned["status"], planned["reason"]) == ("False", "GPUShareImpossible")
    assert "node-1: " in planned["message"]
    assert words in planned["message"]
    assert "set spec.gpu.claim" in planned["message"]


def test_members_that_ask_for_gpus_in_another_way_than_the_others_are_refused_by_name() -> None:
    chat, ocr = group(member("chat", LARGE, claim={}), member("ocr", MIDDLE), cluster=(H100_BY_CLAIM, sliced_node("b")))
    chat.reconcile()
    ocr.reconcile()
    planned = ocr.condition("Planned")
    assert (planned["status"], planned["reason"]) == ("False", "GPUShareImpossible")
    assert f"chat of the same group runs on {H100} by a claim" in planned["message"]
    assert "give all members of a group the same product, resource and claim" in planned["message"]


@pytest.mark.parametrize(
    ("labels", "allocatable", "resource", "words"),
    [
        pytest.param(
            {"nvidia.com/gpu.product": f"{H100}-MIG-3g.40gb-SHARED", "nvidia.com/gpu.replicas": "2",
             "nvidia.com/gpu.count": "1"},
            {"nvidia.com/gpu": "2"}, "nvidia.com/gpu", None, id="single, one instance"),
        pytest.param(
            {"nvidia.com/gpu.product": f"{H100}-MIG-3g.40gb-SHARED", "nvidia.com/gpu.replicas": "2",
             "nvidia.com/gpu.count": "2"},
            {"nvidia.com/gpu": "4"}, "nvidia.com/gpu", "it has 2 GPUs", id="single, two instances"),
        pytest.param(
            {"nvidia.com/gpu.product": H100, "nvidia.com/mig-3g.40gb.product": f"{H100}-MIG-3g.40gb-SHARED",
             "nvidia.com/mig-3g.40gb.replicas": "2", "nvidia.com/mig-3g.40gb.count": "1"},
            {"nvidia.com/mig-3g.40gb.shared": "2"}, "nvidia.com/mig-3g.40gb.shared", None, id="mixed, one instance"),
        pytest.param(
            {"nvidia.com/gpu.product": H100}, {"nvidia.com/mig-3g.40gb": "2"}, "nvidia.com/mig-3g.40gb",
            "each of its 2", id="mixed, not replicated"),
    ],
)  # fmt: skip
def test_mig_instances_are_shared_where_the_node_has_one_that_is_replicated(
    labels: dict[str, str], allocatable: dict[str, str], resource: str, words: str | None
) -> None:
    node = GpuNode("node-1", labels, allocatable, ready=True)
    members = (member(name, SMALL, context=8192, resource=resource) for name in ("tiny", "small"))
    tiny, _ = group(*members, cluster=(node,))
    tiny.reconcile()
    planned = tiny.condition("Planned")
    assert planned["status"] == ("True" if words is None else "False"), planned
    assert (words or "GiB small + ") in planned["message"]


def test_what_the_others_hold_is_counted_once() -> None:
    chat, ocr = pair()
    chat.settle()
    assert chat.pod is not None
    held = chat.taken["takesBytes"]
    process = GPUProcess(1, "vllm", held, pod_uid=chat.pod.uid)
    total, reserved = 81559 * MIB, 600 * MIB
    card = MeasuredGPU(
        0, "GPU-0", "NVIDIA H100 80GB HBM3", total, total - reserved - held, (9, 0), reserved, processes=(process,)
    )
    alone = member("ocr", MIDDLE)
    group(chat, alone)
    alone.reconcile()
    group(chat, ocr, cluster=(replace(sliced_node(), measured=(card,)),))
    ocr.reconcile()
    assert ocr.taken == alone.taken
