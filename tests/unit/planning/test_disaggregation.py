"""Roles apart: what an encoder alone takes, and language roles without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import gpu
from vlm_operator.engine.encoder_transfer import TRANSFER_SINCE
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import GPU_RESOURCE
from vlm_operator.lifecycle.offers import find_product
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.disaggregation import (
    GENERATIONS,
    PROCESS_BYTES,
    QUEUE_BYTES,
    Disaggregation,
    Role,
    _Items,
    disaggregation,
    language_intent,
)
from vlm_operator.planning.intent import Images, Intent, Videos, Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.workload import request_size
from vlm_operator.sources import load_model
from vlm_operator.units import GIB, MIB

QWEN = "Qwen/Qwen3-VL-32B-Instruct"
SMALL = "Qwen/Qwen3-VL-8B-Instruct"
FOUR_IMAGES = Workload(images=Images(4))
TOKENS_OF_FOUR = 4 * 2040
"""Images of 1920 x 1080 on Qwen3-VL."""


@pytest.fixture(scope="module")
def model() -> ModelFacts:
    return load_model(QWEN, offline=True)


def divided(model: ModelFacts, **changes: Any) -> tuple[Plan, Disaggregation]:
    whole = replace(Intent(workload=FOUR_IMAGES, gpu_count=2), **changes)
    offer = find_product("NVIDIA-H100-80GB-HBM3", GPU_RESOURCE, 8, None)
    language = plan(model, offer.gpu, language_intent(model, whole))
    assert language.fits
    return language, disaggregation(whole, language)


def test_the_figures_of_qwen3_vl_32b_on_h100(model: ModelFacts) -> None:
    _, roles = divided(model)
    instance = roles.instance
    assert instance.token_bytes == 40_960  # 5,120 x 2 bytes x (1 + 3 DeepStack levels), as the llm-d guide has it
    assert instance.weights_bytes == pytest.approx(1.11 * GIB, rel=0.01)
    assert (instance.items, instance.item_tokens, instance.cache_tokens) == (1, 16_384, 16_384)
    assert instance.cache_bytes == 16_384 * 40_960
    assert instance.total_bytes == pytest.approx(5.16 * GIB, rel=0.01)
    assert roles.encoder.settings.gpu_memory_utilization == 0.07
    assert (roles.encoder.gpus, roles.receiver.gpus) == (1, 2)


def test_a_region_holds_the_items_of_the_requests_under_way(model: ModelFacts) -> None:
    language, roles = divided(model)
    assert language.container is not None
    requests = int(language.container.concurrency)
    held = requests * TOKENS_OF_FOUR * 40_960
    assert 0 <= roles.encoder.region_bytes - GENERATIONS * held < MIB
    assert 0 <= roles.receiver.region_bytes - held < MIB
    assert roles.decode.region_bytes == 0


def test_a_region_holds_the_largest_item_however_few_requests_there_are(model: ModelFacts) -> None:
    # vLLM's scheduler asserts that an item fits its region: embedding_cache.py, EmbeddingCache.alloc.
    _, roles = divided(model, workload=Workload(images=Images(1, 64, 64), concurrent_requests=1))
    least = roles.instance.cache_tokens * 40_960
    assert least <= roles.encoder.region_bytes < least + MIB
    assert least <= roles.receiver.region_bytes < least + MIB


@given(images=st.integers(1, 12), requests=st.integers(1, 64))
def test_memory_holds_what_lies_in_it(images: int, requests: int) -> None:
    model = load_model(QWEN, offline=True)
    _, roles = divided(model, workload=Workload(images=Images(images), concurrent_requests=requests))
    for role in (roles.encoder, roles.receiver, roles.decode):
        assert role.shared_memory_bytes == role.region_bytes + QUEUE_BYTES
        assert role.host_memory_bytes > role.shared_memory_bytes + 2 * role.processor_cache_gib * GIB
    assert roles.encoder.region_bytes >= GENERATIONS * requests * images * 2040 * 40_960


def test_language_roles_load_no_tower_and_hold_what_they_receive(model: ModelFacts) -> None:
    language, roles = divided(model)
    whole = plan(model, gpu("NVIDIA-H100-80GB-HBM3"), Intent(workload=FOUR_IMAGES, gpu_count=2))
    assert language.budget is not None
    assert whole.budget is not None
    # The tower is divided over the two ranks of the whole model.
    assert whole.budget.weights_bytes - language.budget.weights_bytes > 0.9 * roles.instance.weights_bytes / 2
    assert language.intent.reserve_bytes == 16_384 * 40_960
    assert all(limit.count == 0 for _, limit in roles.decode.settings.limit_mm_per_prompt or ())
    assert language.settings.max_model_len == whole.settings.max_model_len


def test_every_figure_says_where_it_comes_from(model: ModelFacts) -> None:
    _, roles = divided(model)
    names = {figure.name for figure in roles.encoder.figures}
    wanted = {
        "gpu-memory-utilization",
        "tensor-parallel-size",
        "ec-cpu-bytes",
        "mm-processor-cache-gb",
        "shm",
        "memory",
    }
    assert names == wanted
    assert all(figure.why for role in (roles.encoder, roles.receiver, roles.decode) for figure in role.figures)


@pytest.mark.parametrize(
    ("name", "intent", "words"),
    [
        pytest.param(QWEN, {"version": EngineVersion(0, 29)}, "use 0.30.0 or newer", id="an older release"),
        pytest.param(QWEN, {"workload": None}, "set spec.workload.images", id="no workload"),
        pytest.param(QWEN, {"workload": Workload(videos=None)}, "none is described", id="text alone"),
        pytest.param("Qwen/Qwen3-8B", {"workload": FOUR_IMAGES}, "no vision encoder", id="a text model"),
    ],
)
def test_what_has_no_roles_is_refused_with_the_next_step(name: str, intent: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as refused:
        language_intent(load_model(name, offline=True), replace(Intent(workload=FOUR_IMAGES), **intent))
    assert words in f"{refused.value.message}; {refused.value.hint}"


def test_videos_count_by_their_encoder_tokens(model: ModelFacts) -> None:
    video = Workload(videos=Videos(1, seconds=10.0), concurrent_requests=4)
    _, roles = divided(model, workload=video)
    assert roles.instance.modality == "video"
    assert roles.encoder.region_bytes % MIB == 0


def host_processes(role: Role) -> float:
    """Processes that the main memory of a role allows for, beside /dev/shm and two copies of processed items."""
    rest = role.host_memory_bytes - role.shared_memory_bytes - 2 * int(role.processor_cache_gib * GIB)
    return rest / PROCESS_BYTES


@pytest.mark.parametrize(
    ("gpus", "processes"),
    [
        pytest.param(1, 2, id="one GPU: the API server, and the engine that runs the model itself"),
        pytest.param(2, 4, id="two: a worker for each rank beside them"),
        pytest.param(4, 6, id="four"),
    ],
)
def test_main_memory_is_asked_for_by_processes(gpus: int, processes: int) -> None:
    _, roles = divided(load_model(SMALL, offline=True), gpu_count=gpus)
    assert host_processes(roles.encoder) == 2
    assert host_processes(roles.receiver) == host_processes(roles.decode) == processes
    for role in (roles.receiver, roles.decode):
        assert (role.gpus, role.processor_cache_gib) == (gpus, 0.1)
        assert f"{processes} processes of 4.00 GiB" in role.figures[-1].why


def test_the_prompt_of_a_language_role_holds_the_tokens_of_the_items() -> None:
    described = replace(FOUR_IMAGES, prompt_tokens=300, output_tokens=700, concurrent_requests=6)
    asked = Intent(workload=described, reserve_bytes=GIB, pinned=frozenset({"runner"}), version=TRANSFER_SINCE)
    language = language_intent(load_model(SMALL, offline=True), asked)
    # An image of 1920 x 1080 is 60 x 34 tokens and its two marks.
    assert language.workload == Workload(prompt_tokens=300 + 4 * 2042, output_tokens=700, concurrent_requests=6)
    assert language.pinned == {"runner", "limit_mm_per_prompt"}
    assert dict(language.settings.limit_mm_per_prompt or ()) == {"image": ModalityLimit(0), "video": ModalityLimit(0)}


@pytest.mark.parametrize(
    ("name", "flags", "tokens", "token_bytes"),
    [
        pytest.param(SMALL, {}, 16_384, 4096 * 4 * 2, id="the largest image"),
        pytest.param(SMALL, {"max_num_batched_tokens": 20_000}, 20_000, 4096 * 4 * 2, id="a batch that is larger"),
        pytest.param("google/gemma-3-4b-it", {}, 8192, 2560 * 2, id="the usual batch, where items are smaller"),
        pytest.param("google/gemma-3-4b-it", {"max_num_batched_tokens": 4096}, 4096, 2560 * 2, id="a smaller batch"),
    ],
)
def test_a_language_role_keeps_free_what_the_encoder_cache_may_hold(
    name: str, flags: dict[str, Any], tokens: int, token_bytes: int
) -> None:
    asked = Intent(workload=FOUR_IMAGES, settings=EngineSettings(**flags), reserve_bytes=GIB)
    assert language_intent(load_model(name, offline=True), asked).reserve_bytes == GIB + tokens * token_bytes


@pytest.mark.parametrize(
    ("workload", "requests", "tokens"),
    [
        pytest.param(Workload(images=Images(4), concurrent_requests=5), 5, 4 * 2040, id="as many as are described"),
        pytest.param(Workload(images=Images(1, 64, 64), videos=Videos(1, 10.0)), 3, None, id="else as are served"),
    ],
)
def test_items_under_way_are_those_of_the_requests_at_once(
    workload: Workload, requests: int, tokens: int | None
) -> None:
    model = load_model(SMALL, offline=True)
    size = request_size(model, workload, EngineSettings(), TRANSFER_SINCE)
    if tokens is None:
        tokens = (size.image_encoder_tokens or 0) + (size.video_encoder_tokens or 0)
    flags = EngineSettings(max_num_seqs=3)
    _, roles = divided(model, workload=workload, settings=flags, pinned=frozenset({"max_num_seqs"}), gpu_count=1)
    regions = {figure.name: figure.why for figure in roles.encoder.figures}
    assert f"{requests} requests x {tokens:,} tokens x 32,768 B" in regions["ec-cpu-bytes"]


@pytest.mark.parametrize(
    ("requests", "cache_gib"),
    [
        # A token is 2 x 2 patches of 16 x 16 pixels, three colours, two frames, a byte each from 0.32 on: 6,144 bytes.
        pytest.param(1, 0.1, id="0.093 GiB: the least"),
        pytest.param(5, 0.5, id="0.467 GiB, in tenths and rounded up"),
    ],
)
def test_an_encoder_caches_the_pixels_of_the_items_under_way(requests: int, cache_gib: float) -> None:
    asked = replace(FOUR_IMAGES, concurrent_requests=requests)
    _, roles = divided(load_model(SMALL, offline=True), workload=asked, gpu_count=1)
    assert roles.encoder.processor_cache_gib == cache_gib
    assert 0 <= cache_gib - 2 * requests * TOKENS_OF_FOUR * 6144 / GIB < 0.1


def test_an_encoder_has_neither_ranks_nor_a_kv_cache_and_keeps_what_the_user_set() -> None:
    model = load_model(SMALL, offline=True)
    limits = (("image", ModalityLimit(3)), ("video", ModalityLimit(0)))
    flags = EngineSettings(kv_cache_dtype="fp8", max_num_batched_tokens=12_288, limit_mm_per_prompt=limits)
    pinned = frozenset({"kv_cache_dtype", "max_num_batched_tokens", "limit_mm_per_prompt"})
    language, roles = divided(model, settings=flags, pinned=pinned, gpu_count=2, workload=Workload(images=Images(2)))
    encoder = roles.encoder.settings
    assert (language.settings.tensor_parallel_size, language.settings.kv_cache_dtype) == (2, "fp8")
    assert (encoder.tensor_parallel_size, encoder.pipeline_parallel_size, encoder.data_parallel_size) == (1, 1, 1)
    assert (encoder.kv_cache_dtype, encoder.kv_cache_memory_bytes, encoder.enable_expert_parallel) == (
        "auto", None, False,
    )  # fmt: skip
    assert (encoder.max_num_batched_tokens, encoder.max_num_seqs) == (12_288, None)
    assert encoder.limit_mm_per_prompt == limits
    assert encoder.max_model_len == language.settings.max_model_len


def test_an_encoder_whose_limits_nobody_set_has_those_of_the_workload() -> None:
    _, roles = divided(load_model(SMALL, offline=True), gpu_count=1)
    limits = dict(roles.encoder.settings.limit_mm_per_prompt or ())
    assert limits == {"image": ModalityLimit(8), "video": ModalityLimit(0)}


def test_roles_need_a_gpu_and_stay_on_one_node() -> None:
    model, whole = load_model(SMALL, offline=True), Intent(workload=FOUR_IMAGES)
    on_cpu = cpu_plan(model, replace(language_intent(model, whole), cpu_kv_cache_bytes=8 * GIB))
    with pytest.raises(InputError, match="cpu: roles apart"):
        disaggregation(whole, on_cpu)
    language = plan(model, gpu("NVIDIA-H100-80GB-HBM3"), language_intent(model, whole))
    with pytest.raises(InputError, match="takes 2 nodes"):
        disaggregation(whole, replace(language, nodes=2))
    assert disaggregation(whole, language).encoder.gpus == 1


SETS = "4 requests x 1,000 tokens x 8 B x 2: one set is read while the next is written"


@pytest.mark.parametrize(
    ("largest", "words"),
    [
        pytest.param(2000, SETS, id="less"),
        pytest.param(8000, SETS, id="just as much"),
        pytest.param(200_000, f"the largest item: 200,000 tokens x 8 B; {SETS} would be less", id="more"),
    ],
)
def test_the_region_says_what_it_holds(largest: int, words: str) -> None:
    items = _Items(requests=4, tokens=1000, largest_tokens=largest, token_bytes=8, pixel_bytes=0)
    size, why = items.region(2)
    assert why == words
    assert size == (2 * 2**20 if largest > 8000 else 2**20)
