"""Roles apart: what an encoder alone takes, and language roles without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import gpu
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import GPU_RESOURCE
from vlm_operator.lifecycle.offers import find_product
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.disaggregation import (
    GENERATIONS,
    QUEUE_BYTES,
    Disaggregation,
    disaggregation,
    language_intent,
)
from vlm_operator.planning.intent import Images, Intent, Videos, Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.sources import load_model
from vlm_operator.units import GIB, MIB

QWEN = "Qwen/Qwen3-VL-32B-Instruct"
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
