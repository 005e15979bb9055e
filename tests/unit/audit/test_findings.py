"""Each finding is made where its cause is planted, and a healthy server has none."""

from __future__ import annotations

from typing import Any

import pytest

from kit.audit_manifests import deployment_pod, node, pod
from vlm_operator.audit.audit import Audit, audit, read_cluster
from vlm_operator.audit.finding import Finding, FindingKind
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.traffic import read_traffic
from vlm_operator.sources import catalogue

VLM, TEXT, SMALL = "Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen3-8B", "Qwen/Qwen2.5-VL-3B-Instruct"
H100 = "NVIDIA-H100-80GB-HBM3"
NODES = [
    node("h100", H100, 8),
    node("l4", "NVIDIA-L4", 1),
    node("t4", "Tesla-T4-SHARED", 4, labels={"nvidia.com/gpu.replicas": "4"}),
    node("closed", "NVIDIA-A10", 1, cordoned=True),
]
HEALTHY = [VLM, "--max-model-len", "32768", "--limit-mm-per-prompt", '{"image": 4, "video": 0}']


def facts(*names: str) -> dict[str, ModelFacts | str]:
    found: dict[str, ModelFacts | str] = {}
    for name in names:
        entry = catalogue.find(name)
        assert entry is not None
        found[name] = catalogue.load(entry)
    return found


MODELS = facts(VLM, TEXT, SMALL, "Qwen/Qwen3-VL-235B-A22B-Instruct")


def audited(*pods: dict[str, Any], to: str | None = None, nodes: list[dict[str, Any]] = NODES, **more: Any) -> Audit:
    cluster = read_cluster(nodes, pods, traffic=more.pop("traffic", None))
    return audit(cluster, MODELS, (), to=EngineVersion.parse(to) if to else None, **more)


def kinds(made: Audit) -> list[str]:
    return sorted(str(finding.kind) for finding in made.findings)


def one(made: Audit, kind: FindingKind) -> Finding:
    (found,) = [finding for finding in made.findings if finding.kind is kind]
    return found


def claiming() -> dict[str, Any]:
    """A pod whose GPUs are claimed (DRA)."""
    manifest = pod("p", "h100", args=HEALTHY, gpus=0)
    manifest["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]
    return manifest


GROUP = {"leaderworkerset.sigs.k8s.io/size": "2"}
RANKS = ["-tp", "8", "--max-model-len", "262144", "--limit-mm-per-prompt", '{"video": 0}']
OVER_NODES = ["--nnodes=$(LWS_GROUP_SIZE)", "--node-rank=$(LWS_WORKER_INDEX)", "--distributed-executor-backend=mp"]


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(
            pod(
                "p",
                "h100",
                args=["Qwen/Qwen3-VL-235B-A22B-Instruct", *RANKS, "-pp", "2", *OVER_NODES],
                gpus=8,
                annotations=GROUP,
            ),
            id="stages on two nodes",
        ),
        pytest.param(pod("p", "h100", args=HEALTHY), id="one GPU"),
        pytest.param(pod("p", "h100", args=[TEXT, "--max-model-len", "auto"]), id="a context of auto"),
        pytest.param(
            pod("p", "h100", args=[*HEALTHY, "--port", "9000", "--enable-auto-tool-choice"], env=[{"name": "HF_HOME"}]),
            id="flags that change no memory",
        ),
        pytest.param(pod("p", "h100", args=HEALTHY, state={"restartCount": 4}), id="restarts of long ago: it serves"),
    ],
)
def test_a_healthy_server_has_no_finding(manifest: dict[str, Any]) -> None:
    assert kinds(audited(manifest)) == []


@pytest.mark.parametrize(
    ("manifest", "kind"),
    [
        pytest.param(pod("p", "l4", args=[VLM, "--max-model-len", "65536"]), "WouldNotFit", id="a context too long"),
        pytest.param(pod("p", "l4", args=[VLM]), "WouldNotFit", id="the model's own context, left out"),
        pytest.param(
            pod("p", "h100", args=[VLM, "--max-model-len", "400000"]), "WouldBeRefused", id="context above model"
        ),
        pytest.param(
            pod("p", "h100", args=[*HEALTHY, "-tp", "3"], gpus=3), "WouldBeRefused", id="heads that do not divide"
        ),
        pytest.param(
            pod("p", "h100", args=[*HEALTHY, "--max-num-seqs", "64", "--max-num-batched-tokens", "32"]),
            "WouldBeRefused",
            id="a batch below the sequences",
        ),
        pytest.param(
            pod("p", "h100", args=[*HEALTHY, "--swap-space", "4"]), "FlagNotInRelease", id="a flag that is gone"
        ),
        pytest.param(
            pod("p", "h100", args=HEALTHY, env=[{"name": "VLLM_ATTENTION_BACKEND", "value": "FLASHINFER"}]),
            "VariableNotInRelease",
            id="a variable that is gone",
        ),
        pytest.param(
            pod(
                "p",
                "h100",
                args=HEALTHY,
                state={"ready": False, "restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            ),
            "NotServing",
            id="a crash loop",
        ),
        pytest.param(
            pod("p", "h100", args=HEALTHY, selector={"nvidia.com/gpu.product": "NVIDIA-H200"}),
            "NoNodeTakesIt",
            id="no such node",
        ),
        pytest.param(
            pod("p", "closed", args=[SMALL, *HEALTHY[1:]], selector={"nvidia.com/gpu.product": "NVIDIA-A10"}),
            "NodeClosed",
            id="a cordoned node, no other",
        ),
        pytest.param(pod("p", "h100", args=[*HEALTHY, "-tp", "2"], gpus=1), "GPUsMissing", id="more ranks than GPUs"),
        pytest.param(pod("p", "h100", args=HEALTHY, gpus=4), "GPUsIdle", id="more GPUs than ranks"),
        pytest.param(pod("p", "h100", args=HEALTHY, gpus=0), "GPUNotRequested", id="a GPU that nobody counts"),
        pytest.param(pod("p", "h100", args=[*HEALTHY, "-tp", "2"], gpus=2), "FewerGPUsSuffice", id="one GPU is enough"),
        pytest.param(
            pod("p", "h100", args=[*HEALTHY, "--max-num-seqs", "2"]), "CacheBeyondReach", id="a cache nobody fills"
        ),
        pytest.param(
            pod("p", "h100", args=HEALTHY[:3], image="vllm/vllm-openai:v0.12.0"),
            "ItemsUnlimited",
            id="no limit of videos",
        ),
        pytest.param(
            pod("p", "h100", args=[*HEALTHY, "--enforce-eager", "--max-cudagraph-capture-size", "64"]),
            "FlagsCancelOut",
            id="graphs of an eager server",
        ),
        pytest.param(
            pod("p", "h100", args=[TEXT, "--limit-mm-per-prompt", '{"image": 2}']),
            "FlagsCancelOut",
            id="images of a text model",
        ),
        pytest.param(pod("p", "h100", args=[*HEALTHY, "--max-model-len=16384"]), "FlagRepeated", id="a flag twice"),
        pytest.param(pod("p", "h100", args=HEALTHY, memory=None), "MemoryLimitMissing", id="no memory limit"),
        pytest.param(
            pod("p", "h100", args=HEALTHY, image="vllm/vllm-openai:latest"), "ImageWithoutRelease", id="latest"
        ),
        pytest.param(pod("p", "h100", args=["org/nobody-knows-it"]), "NotAudited", id="a model that nobody knows"),
        pytest.param(pod("p", "elsewhere", args=HEALTHY), "NotAudited", id="a node that was not read"),
        pytest.param(claiming(), "NotAudited", id="GPUs by resource claims"),
    ],
)
def test_one_planted_cause_gives_one_finding(manifest: dict[str, Any], kind: str) -> None:
    assert kinds(audited(manifest)) == [kind]


def test_several_ranks_without_shared_memory() -> None:
    args = ["Qwen/Qwen3-VL-8B-Instruct", "--max-model-len", "262144", "-tp", "2", *HEALTHY[3:]]
    made = audited(pod("p", "h100", args=args, gpus=2, shm=False))
    assert "SharedMemoryMissing" in kinds(made)


def test_servers_that_share_a_gpu_may_not_ask_for_more_than_it_has() -> None:
    args = [SMALL, "--max-model-len", "4096", "--dtype", "half", "--limit-mm-per-prompt", '{"image": 1, "video": 0}']

    def sharers(share: str) -> Audit:
        flags = [*args, "--gpu-memory-utilization", share]
        return audited(pod("a", "t4", args=flags), pod("b", "t4", args=flags, image="vllm/vllm-openai:v0.32.0"))

    shared = FindingKind.SHARED_GPU_OVERCOMMITTED
    assert [finding.subject.name for finding in sharers("0.9").findings if finding.kind is shared] == ["a", "b"]
    assert not [finding for finding in sharers("0.45").findings if finding.kind is shared]


def test_an_unreadable_node_is_found_once() -> None:
    unlabelled = node("u", H100, 8)
    unlabelled["metadata"]["labels"] = {}
    made = audited(nodes=[unlabelled])
    assert kinds(made) == ["NodeUnreadable"]
    assert made.findings[0].subject.name == "u"


def test_pods_of_one_deployment_share_a_finding_whose_id_stays() -> None:
    pods = [deployment_pod("d", f"h10{number}", args=HEALTHY, memory=None) for number in range(3)]
    nodes = [node(f"h10{number}", H100, 8) for number in range(3)]
    (finding,) = audited(*pods, nodes=nodes).findings
    assert len(finding.pods) == 3
    (again,) = audited(pods[1], nodes=nodes).findings
    assert again.id == finding.id
    assert audited(*pods, nodes=nodes, baseline=frozenset({finding.id})).findings[0].known


class TestUpgrade:
    """``--to``: what another release breaks or changes."""

    def test_nothing_for_the_release_that_runs(self) -> None:
        assert kinds(audited(pod("p", "h100", args=HEALTHY), to="0.32.0")) == []

    def test_flags_and_variables_that_are_gone(self) -> None:
        manifest = pod(
            "p", "h100", image="vllm/vllm-openai:v0.12.0", args=[*HEALTHY, "--swap-space", "4"],
            env=[{"name": "VLLM_ATTENTION_BACKEND", "value": "FLASH_ATTN"}],
        )  # fmt: skip
        made = audited(manifest, to="0.33.0")
        assert one(made, FindingKind.FLAG_GONE).figures["flag"] == "--swap-space"
        assert "use --attention-backend" in one(made, FindingKind.VARIABLE_GONE).remedy

    def test_a_class_that_the_release_does_not_have(self) -> None:
        """Going back counts, too: 0.17 was the first with the class."""
        model = "Qwen/Qwen3.5-9B"
        cluster = read_cluster(NODES, [pod("p", "h100", args=[model, "--max-model-len", "32768"])])
        made = audit(cluster, facts(model), (), to=EngineVersion(0, 12))
        assert one(made, FindingKind.UPGRADE_BREAKS).figures["reason"] == "ArchitectureNotInRelease"

    def test_a_default_that_changes(self) -> None:
        manifest = pod("p", "h100", image="vllm/vllm-openai:v0.19.0", args=HEALTHY)
        changes = one(audited(manifest, to="0.20.0"), FindingKind.DEFAULT_CHANGED).figures["changes"]
        assert changes["--gpu-memory-utilization"] == [0.9, 0.92]


METRICS = """\
# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
vllm:kv_cache_usage_perc{{engine="0",model_name="m"}} {usage}
vllm:num_requests_running{{engine="0",model_name="m"}} 1.0
vllm:num_requests_waiting{{engine="0",model_name="m"}} 0.0
vllm:num_preemptions_total{{engine="0",model_name="m"}} {preemptions}
vllm:request_prompt_tokens_bucket{{engine="0",le="1000.0",model_name="m"}} 10.0
vllm:request_prompt_tokens_bucket{{engine="0",le="2000.0",model_name="m"}} {requests}
vllm:request_prompt_tokens_bucket{{engine="0",le="+Inf",model_name="m"}} {requests}
vllm:request_prompt_tokens_count{{engine="0",model_name="m"}} {requests}
vllm:request_prompt_tokens_sum{{engine="0",model_name="m"}} 300000.0
vllm:request_generation_tokens_bucket{{engine="0",le="500.0",model_name="m"}} {requests}
vllm:request_generation_tokens_bucket{{engine="0",le="+Inf",model_name="m"}} {requests}
vllm:request_generation_tokens_count{{engine="0",model_name="m"}} {requests}
vllm:request_generation_tokens_sum{{engine="0",model_name="m"}} 90000.0
"""


def seen(requests: int, preemptions: int = 0, usage: float = 0.01) -> list[str]:
    page = METRICS.format(requests=float(requests), preemptions=float(preemptions), usage=usage)
    traffic = read_traffic(page)
    assert traffic is not None
    made = audited(pod("p", "h100", args=HEALTHY), traffic={("models", "p"): traffic})
    return kinds(made)


def test_traffic_that_needs_little_of_what_is_reserved() -> None:
    assert seen(1000) == ["CacheUnused", "ContextOversized"]


def test_too_few_requests_say_nothing() -> None:
    assert seen(20) == []


def test_a_cache_in_use_is_not_unused() -> None:
    assert seen(1000, usage=0.6) == ["ContextOversized"]


def test_preempted_requests() -> None:
    assert seen(1000, preemptions=12) == ["ContextOversized", "RequestsPreempted"]


def test_a_page_of_metrics_is_read() -> None:
    traffic = read_traffic(METRICS.format(requests=200.0, preemptions=3.0, usage=0.25))
    assert traffic is not None
    assert (traffic.prompt.requests, traffic.prompt.longest, traffic.prompt.mean) == (200, 2000, 1500.0)
    assert (traffic.longest_request, traffic.preemptions, traffic.cache_usage) == (2500, 3, 0.25)
    assert read_traffic("process_open_fds 12\n") is None
