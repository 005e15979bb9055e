"""Main memory of a pod: every term with its figure, and what is not known named."""

from __future__ import annotations

from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.api.base import parse
from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.engine.host_flags import NO_FLAGS, HostFlags, host_flags
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError
from vlm_operator.lifecycle.server import server_of
from vlm_operator.planning.choose import plan
from vlm_operator.planning.host_memory import PROCESS_BYTES, QUEUE_BYTES, host_memory, host_sentences
from vlm_operator.planning.intent import Images, Intent, Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.report import plan_to_json
from vlm_operator.units import GIB


def planned(flags: HostFlags = NO_FLAGS, workload: Workload | None = None, **settings: Any) -> Plan:
    chosen = EngineSettings(max_model_len=16_384, **settings)
    pinned = frozenset({"max_model_len", *settings})
    gpus = chosen.tensor_parallel_size
    intent = Intent(settings=chosen, pinned=pinned, gpu_count=gpus, host_flags=flags, workload=workload)
    return plan(qwen3_vl(), gpu("H100"), intent)


def terms(found: Plan) -> dict[str, int]:
    memory = host_memory(found)
    assert memory is not None
    return {term.name: term.size_bytes for term in (*memory.private, *memory.shared)}


PLAIN = {"processes": 2 * PROCESS_BYTES, "processed items": 8 * GIB, "queues": QUEUE_BYTES}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(planned(), PLAIN, id="one GPU"),
        pytest.param(
            planned(tensor_parallel_size=2), {**PLAIN, "processes": 4 * PROCESS_BYTES}, id="a worker for each rank"
        ),
        pytest.param(
            planned(HostFlags(api_servers=3, processor_cache_gib=2)),
            {**PLAIN, "processes": 4 * PROCESS_BYTES, "processed items": 8 * GIB},
            id="a cache for each API server and the engine",
        ),
        pytest.param(
            planned(HostFlags(shared_cache=True)),
            {**PLAIN, "processed items": 4 * GIB},
            id="one cache for all in /dev/shm",
        ),
        pytest.param(
            planned(HostFlags(processor_cache_gib=0)),
            {name: size for name, size in PLAIN.items() if name != "processed items"},
            id="no cache",
        ),
        pytest.param(
            planned(language_model_only=True),
            {name: size for name, size in PLAIN.items() if name != "processed items"},
            id="text alone",
        ),
        pytest.param(
            planned(HostFlags(kv_offloading_gib=32, cpu_offload_gib=4), tensor_parallel_size=2),
            {
                **PLAIN,
                "processes": 4 * PROCESS_BYTES,
                "offloaded KV cache": 32 * GIB,
                "offloaded weights": 8 * GIB,
            },
            id="offloaded, of all ranks and of each",
        ),
    ],
)  # fmt: skip
def test_terms_of_a_pod(found: Plan, expected: dict[str, int]) -> None:
    assert terms(found) == expected


def test_sleeping_weights_are_those_of_every_rank() -> None:
    found = planned(HostFlags(sleeps=True), tensor_parallel_size=2)
    assert found.budget is not None
    assert terms(found)["sleeping weights"] == 2 * found.budget.weights_bytes


def test_described_items_are_held_once_for_each_request_at_once() -> None:
    one = terms(planned(workload=Workload(images=Images(4))))["items under way"]
    eight = terms(planned(workload=Workload(images=Images(4), concurrent_requests=8)))["items under way"]
    assert eight == 8 * one > 0


def test_adapters_in_main_memory_are_as_many_as_are_held() -> None:
    few = terms(planned(enable_lora=True, max_loras=2))["LoRA adapters"]
    many = terms(planned(enable_lora=True, max_loras=2, max_cpu_loras=20))["LoRA adapters"]
    assert many == 10 * few > 0


def test_what_is_not_known_is_named_singly() -> None:
    memory = host_memory(planned(HostFlags(connects=True), load_format="runai_streamer"))
    assert memory is not None
    assert memory.unknown == (
        "weights while they are read with --load-format runai_streamer",
        "buffers of the connector of --kv-transfer-config (LMCache, NIXL …)",
    )


def test_json_and_sentences_tell_the_same() -> None:
    found = planned(HostFlags(shared_cache=True))
    told = plan_to_json(found)["hostMemory"]
    assert told["totalBytes"] == sum(term["bytes"] for term in told["terms"]) == sum(terms(found).values())
    assert told["sharedMemoryBytes"] == sum(term["bytes"] for term in told["terms"] if term["shared"]) == 5 * GIB
    assert host_sentences(found)[0].startswith("Main memory of a pod: about 13.00 GiB: processes 8.00 GiB (2 processes")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], HostFlags()),
        (["--mm_processor_cache_gb", "2.5"], HostFlags(processor_cache_gib=2.5)),
        (["--mm-processor-cache-type=shm", "--api-server-count=4"], HostFlags(shared_cache=True, api_servers=4)),
        (["--enable-sleep-mode", "--kv-transfer-config", "{}"], HostFlags(sleeps=True, connects=True)),
        (["--kv-offloading-size=8", "--cpu-offload-gb", "3"], HostFlags(kv_offloading_gib=8, cpu_offload_gib=3)),
    ],
)
def test_flags_of_main_memory_are_read(arguments: list[str], expected: HostFlags) -> None:
    assert host_flags(arguments) == expected


@pytest.mark.parametrize("text", ["much", "-1", "inf", "nan"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"mm-processor-cache-gb: .* is not a number of at least 0"):
        host_flags([f"--mm-processor-cache-gb={text}"])


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [([], "16Gi"), (["--mm-processor-cache-type=shm"], "20Gi"), (["--mm-processor-cache-gb=8"], "16Gi")],
)
def test_shared_memory_of_the_pod_holds_a_cache_that_lies_there(arguments: list[str], limit: str) -> None:
    document = {"metadata": {"name": "x"}, "spec": {"model": {"id": "a/b"}, "engine": {"extraArgs": arguments}}}
    spec = parse(VLMDeployment, document).spec
    version = engine_version(spec)
    settings = intent_of(spec, version).settings
    server = server_of(spec, settings, name="x", namespace="y", version=version, offer=None, model=None)
    (deployment,) = (each for each in server.objects() if each["kind"] == "Deployment")
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    assert [volume["emptyDir"]["sizeLimit"] for volume in volumes if volume["name"] == "dshm"] == [limit]
