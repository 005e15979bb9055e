"""vLLM's CPU backend takes exactly the container that it is given."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from builders import qwen3, qwen3_vl
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import DEFAULT, READ_UP_TO, EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.model.facts import ModelFacts, Quantization
from vlm_operator.planning.cpu import ROUNDING_BYTES, cpu_plan
from vlm_operator.planning.evidence import Evidence, MeasuredContainer
from vlm_operator.planning.intent import Images, Intent, Videos, Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import load_model
from vlm_operator.units import GIB

ONE_REQUEST = Workload(prompt_tokens=1000, output_tokens=1000)
MINUTE = Workload(videos=Videos(1))
LITTLE_PIXELS = {
    "mm_processor_kwargs": json.dumps({"videos_kwargs": {"size": {"longest_edge": 234_416, "shortest_edge": 3136}}})
}
"""With so few pixels a frame, a minute has 16,560 encoder tokens: more than the largest item that start-up assumes."""


def qwen2_5_vl() -> ModelFacts:
    return load_model("Qwen/Qwen2.5-VL-7B-Instruct", offline=True)


def least(model: ModelFacts, length: int) -> int:
    layout = kv_layout(model, EngineSettings(block_size=128, max_num_seqs=128, max_num_batched_tokens=2048), DEFAULT)
    return layout.least_bytes_that_start(length)


def planned(model: ModelFacts, container: int, flags: dict[str, Any] | None = None, **more: Any) -> Plan:
    given = flags or {}
    intent = Intent(settings=EngineSettings(**given), pinned=frozenset(given), cpu_kv_cache_bytes=container, **more)
    return cpu_plan(model, intent)


def test_blocks_and_batch_are_those_of_the_cpu_backend() -> None:
    settings = planned(qwen3(), 4 * GIB).settings
    assert (settings.block_size, settings.max_num_seqs, settings.max_num_batched_tokens) == (128, 128, 2048)


def test_what_the_user_set_stays() -> None:
    flags = {"block_size": 64, "max_num_seqs": 5, "max_num_batched_tokens": 999, "max_model_len": 500}
    settings = planned(qwen3(), 4 * GIB, flags).settings
    assert {name: getattr(settings, name) for name in flags} == flags


def test_requests_at_once_are_those_of_the_workload() -> None:
    assert planned(qwen3(), 4 * GIB, workload=replace(ONE_REQUEST, concurrent_requests=3)).settings.max_num_seqs == 3


@pytest.mark.parametrize(
    ("more", "verdict", "reason"),
    [
        pytest.param(0, Verdict.FITS, Reason.FITS, id="to the byte"),
        pytest.param(-1, Verdict.DOES_NOT_FIT, Reason.KV_CACHE_TOO_SMALL, id="a byte short"),
    ],
)
def test_the_container_is_judged_to_the_byte(more: int, verdict: Verdict, reason: Reason) -> None:
    found = planned(qwen3(), least(qwen3(), 4096) + more, {"max_model_len": 4096})
    assert (found.verdict, found.reason) == (verdict, reason)
    assert (found.gpu, found.gpu_count) == (None, 0)


@pytest.mark.parametrize(
    ("container", "length", "fits"),
    [
        pytest.param(8192, 8192, True, id="the context wanted"),
        pytest.param(4096, 4096, True, id="as long as it holds"),
        pytest.param(1024, 1024, True, id="the shortest that makes sense"),
        pytest.param(896, 1024, False, id="less than that is refused, not shrunk further"),
    ],
)
def test_the_context_is_as_long_as_the_container_allows(container: int, length: int, fits: bool) -> None:
    found = planned(qwen3(), least(qwen3(), container))
    assert found.settings.max_model_len == length
    assert (found.verdict is Verdict.FITS) is fits


def test_a_refusal_names_the_container_that_is_enough_and_the_context_that_is_held() -> None:
    needed = least(qwen3(), 16384)
    found = planned(qwen3(), needed - 1, {"max_model_len": 16384})
    assert f"set cpu.kvCacheSpace to {-(-needed // GIB)}GiB" in str(found.hint)
    assert [dict(remedy.change) for remedy in found.remedies] == [{"max_model_len": 16384 - 128}]


def test_there_is_no_remedy_below_the_floor() -> None:
    found = planned(qwen3(), least(qwen3(), 4096), minimum_context=8192)
    assert (found.verdict, found.remedies) == (Verdict.DOES_NOT_FIT, ())


def test_a_release_that_is_not_known_is_unknown() -> None:
    assert planned(qwen3(), GIB, version=EngineVersion(0, 99)).verdict is Verdict.UNKNOWN


def measured(free: int, total: int, container: int = 4 * GIB, **more: Any) -> Plan:
    """The plan after a start-up on a node of so much memory, of which so much was available."""
    flags = more.pop("flags", {})
    intent = Intent(settings=EngineSettings(**flags), pinned=frozenset(flags), cpu_kv_cache_bytes=container, **more)
    return cpu_plan(qwen3(), intent, Evidence(free_at_start_bytes=free, total_bytes=total))


@pytest.mark.parametrize(
    ("free", "utilization"),
    [
        pytest.param(50 * GIB + ROUNDING_BYTES, 0.50, id="the share that is available"),
        pytest.param(50 * GIB, 0.49, id="rounded down: the log prints two decimals"),
        pytest.param(92 * GIB - 1, 0.91, id="a byte less than vLLM's default asks for"),
        pytest.param(92 * GIB, None, id="as much as the default asks for"),
        pytest.param(5 * GIB, 0.04, id="little"),
    ],
)
def test_the_utilisation_is_what_the_node_has_available(free: int, utilization: float | None) -> None:
    assert measured(free, 100 * GIB).settings.gpu_memory_utilization == utilization


def test_a_pinned_utilisation_stays_whatever_is_available() -> None:
    found = measured(50 * GIB, 100 * GIB, flags={"gpu_memory_utilization": 0.9})
    assert found.settings.gpu_memory_utilization == 0.9


@pytest.mark.parametrize(
    ("free", "hint"),
    [
        pytest.param(4 * GIB, None, id="as much as declared"),
        pytest.param(4 * GIB - 1, "set cpu.kvCacheSpace to at most 3GiB", id="a byte less"),
        pytest.param(GIB - 1, "use a node with more memory", id="less than a GiB"),
    ],
)
def test_a_declared_cache_that_the_node_does_not_have_is_refused(free: int, hint: str | None) -> None:
    found = measured(free, 100 * GIB)
    assert (found.verdict is Verdict.FITS) is (hint is None)
    if hint is not None:
        assert found.reason is Reason.FREE_MEMORY_TOO_LOW
        assert found.hint == hint
        assert f"vLLM found {free / GIB:.2f} GiB of 100.00 GiB available on the node" in found.message


def test_a_floor_above_what_is_held_may_be_lowered() -> None:
    container = least(qwen3(), 4096)
    refused = planned(qwen3(), container, minimum_context=16_384)
    assert refused.verdict is Verdict.DOES_NOT_FIT
    assert refused.hint is not None
    assert "lower context.minimum to at most 4,096" in refused.hint


def test_without_a_declared_size_nothing_is_held() -> None:
    intent = Intent(cpu_kv_cache_bytes=None)
    assert cpu_plan(qwen3(), intent).verdict is Verdict.DOES_NOT_FIT


PHOTOS = Workload(prompt_tokens=1000, output_tokens=1000, images=Images(2))


def test_limits_are_chosen_for_the_items_of_the_workload() -> None:
    found = planned(qwen3_vl(), 8 * GIB, workload=PHOTOS)
    assert dict(found.settings.limit_mm_per_prompt or ()) == {"image": ModalityLimit(4), "video": ModalityLimit(0)}
    assert [sentence.split(":")[0] for sentence in found.limit_sentences] == ["image limit 4", "video limit 0"]


@pytest.mark.parametrize(
    ("model", "flags", "limits"),
    [
        pytest.param(qwen3(), {}, None, id="a text model has none"),
        pytest.param(qwen3_vl(), {"limit_mm_per_prompt": (("image", ModalityLimit(9)),)},
                     (("image", ModalityLimit(9)),), id="pinned ones stay"),
    ],
)  # fmt: skip
def test_limits_are_left_alone(model: ModelFacts, flags: dict[str, Any], limits: Any) -> None:
    workload = PHOTOS if flags else ONE_REQUEST
    found = planned(model, 8 * GIB, flags, workload=workload)
    assert (found.settings.limit_mm_per_prompt, found.limit_sentences) == (limits, ())


def test_an_item_that_a_pinned_batch_refuses_names_the_batch_that_holds_it() -> None:
    found = planned(qwen2_5_vl(), 16 * GIB, {**LITTLE_PIXELS, "max_num_batched_tokens": 2048}, workload=MINUTE)
    assert (found.verdict, found.reason) == (Verdict.DOES_NOT_FIT, Reason.ITEM_REJECTED)
    assert found.hint == "raise --max-num-batched-tokens to 17408"
    raised = planned(qwen2_5_vl(), 16 * GIB, LITTLE_PIXELS, workload=MINUTE)
    assert (raised.verdict, raised.hint) == (Verdict.FITS, None)
    assert [sentence for sentence in raised.limit_sentences if "reject the video described" in sentence]


def test_a_container_that_is_too_small_is_named_before_an_item_that_is_refused() -> None:
    flags = {**LITTLE_PIXELS, "max_num_batched_tokens": 2048, "max_model_len": 24_576}
    found = planned(qwen2_5_vl(), GIB // 2, flags, workload=MINUTE)
    assert found.reason is Reason.KV_CACHE_TOO_SMALL
    assert (found.hint or "").startswith("set cpu.kvCacheSpace to 2GiB")  # 28 layers x 4 heads x 128 x 2 x 2 bytes


def test_a_context_above_the_models_own_is_refused_whatever_the_container() -> None:
    found = planned(qwen3(), 64 * GIB, {"max_model_len": 50_000})
    assert (found.verdict, found.reason) == (Verdict.DOES_NOT_FIT, Reason.CONTEXT_ABOVE_MODEL)
    assert found.hint == "set it to at most 40,960"


def found_containers(*sizes: int, declared: int = 4 * GIB, **more: Any) -> Plan:
    """The plan after start-ups that found KV caches of these sizes."""
    containers = tuple(MeasuredContainer(EngineSettings(), size) for size in sizes)
    flags = more.pop("flags", {})
    intent = Intent(settings=EngineSettings(**flags), pinned=frozenset(flags), cpu_kv_cache_bytes=declared, **more)
    return cpu_plan(qwen3(), intent, Evidence(containers=containers, sources=("a start-up",)))


@pytest.mark.parametrize(
    ("sizes", "container"),
    [
        pytest.param((), 4 * GIB, id="as declared, where none was measured"),
        pytest.param((4 * GIB - ROUNDING_BYTES,), 4 * GIB, id="within what a log rounds away"),
        pytest.param((4 * GIB - ROUNDING_BYTES - 1,), 4 * GIB - ROUNDING_BYTES - 1, id="a byte less"),
        pytest.param((3 * GIB, 2 * GIB), 2 * GIB, id="the least that was found"),
        pytest.param((5 * GIB,), 5 * GIB, id="more than declared"),
    ],
)
def test_the_container_is_what_start_ups_found(sizes: tuple[int, ...], container: int) -> None:
    found = found_containers(*sizes)
    assert found.budget is not None
    assert found.budget.kv_cache_bytes == container
    assert found.sources == ("measured figures replace estimates: a start-up",)


def test_where_start_ups_found_less_than_declared_the_pod_needs_that_memory() -> None:
    found = found_containers(GIB, flags={"max_model_len": 16_384})
    assert found.reason is Reason.KV_CACHE_TOO_SMALL
    assert found.hint == (
        f"set --max-model-len to {least_context(GIB)}; or start-ups found 1.00 GiB of the 4.00 GiB declared: "
        "give the pod's node and container that memory"
    )


def least_context(container: int) -> int:
    """The longest context of Qwen3-8B in so much memory: 147,456 bytes a token, in blocks of 128, one of them null."""
    return (container // (147_456 * 128) - 1) * 128


@pytest.mark.parametrize(
    ("floor", "container", "told"),
    [
        pytest.param(16_384, 4096, True, id="a floor above what is held"),
        pytest.param(4096, 4096, False, id="a floor that is held"),
        pytest.param(16_384, 0, False, id="nothing is held: no floor would help"),
    ],
)
def test_lowering_the_floor_is_offered_where_something_is_held(floor: int, container: int, told: bool) -> None:
    size = least(qwen3(), container) if container else 0
    found = planned(qwen3(), size, minimum_context=floor)
    assert (f"lower context.minimum to at most {container:,}" in (found.hint or "")) is told


def test_the_plans_memory_is_the_weights_and_the_container() -> None:
    budget = planned(qwen3(), 4 * GIB).budget
    assert budget is not None
    assert budget.weights_bytes == pytest.approx(8.19e9 * 2, rel=0.01)
    assert budget.total_bytes == budget.requested_bytes == budget.free_at_start_bytes
    assert budget.total_bytes == budget.weights_bytes + 4 * GIB
    assert (budget.kv_cache_low_bytes, budget.kv_cache_high_bytes) == (4 * GIB, 4 * GIB)
    spent = (budget.activation_peak_bytes, budget.non_torch_bytes, budget.cuda_graph_bytes, budget.encoder_peak_bytes)
    assert spent == (0, 0, 0, 0)


def test_an_attention_over_latents_has_smaller_blocks() -> None:
    model = load_model("deepseek-ai/DeepSeek-V2-Lite-Chat", offline=True)
    assert planned(model, 8 * GIB).settings.block_size == 16


def test_a_log_shows_gib_with_two_decimals() -> None:
    for less, container in ((5_368_709, 4 * GIB), (5_368_710, 4 * GIB - 5_368_710)):
        budget = found_containers(4 * GIB - less).budget
        assert budget is not None
        assert budget.kv_cache_bytes == container


def test_a_pinned_flag_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match=r"gpu-memory-utilization: 1\.5"):
        planned(qwen3(), 4 * GIB, {"gpu_memory_utilization": 1.5})


def test_the_request_and_the_explanation_are_those_of_the_workload() -> None:
    found = planned(qwen3(), 4 * GIB, workload=ONE_REQUEST)
    assert (found.workload.total_tokens, found.settings.max_model_len) == (2000, 2048)
    assert any(sentence.startswith("Container: 4.00 GiB of host memory") for sentence in found.explanation)


def test_the_least_share_of_the_node_is_a_hundredth() -> None:
    assert measured(GIB // 50, 100 * GIB, GIB // 100).settings.gpu_memory_utilization == 0.01


@pytest.mark.parametrize(
    ("held", "remedies"),
    [
        pytest.param(1024, [1024], id="the shortest context that makes sense is held"),
        pytest.param(896, [], id="not even that"),
    ],
)
def test_a_shorter_context_is_a_remedy_down_to_the_shortest_that_makes_sense(held: int, remedies: list[int]) -> None:
    found = planned(qwen3(), least(qwen3(), held), {"max_model_len": 16_384})
    assert found.reason is Reason.KV_CACHE_TOO_SMALL
    assert [dict(remedy.change) for remedy in found.remedies] == [{"max_model_len": length} for length in remedies]
    assert all(remedy.pinned for remedy in found.remedies)
    # 16,384 tokens and the null block of 128, 147,456 bytes each: 2.27 GiB.
    texts = ["set cpu.kvCacheSpace to 3GiB", *(f"set --max-model-len to {length}" for length in remedies)]
    assert found.hint == "; or ".join(texts)


def test_weights_that_are_not_known_are_left_out_of_the_plans_memory() -> None:
    found = planned(replace(qwen3(), quantization=Quantization("bitsandbytes", 4)), 8 * GIB, version=READ_UP_TO)
    assert found.budget is not None
    assert (found.verdict, found.budget.weights_bytes, found.budget.total_bytes) == (Verdict.FITS, 0, 8 * GIB)
