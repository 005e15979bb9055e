"""A larger GPU, more GPUs on the node, or a flag left free never turn ``Fits`` into less.

Each example is tried at the smallest GPU of its kind on which it fits: there any lever that is missing shows.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import gpu
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Goal, Images, Intent, Videos, Workload
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model
from vlm_operator.units import GIB, MIB

MODELS = (
    "Qwen/Qwen3-VL-8B-Instruct",
    "Qwen/Qwen2.5-VL-7B-Instruct",
    "Qwen/Qwen3.5-27B",
    "Qwen/Qwen3.6-35B-A3B-FP8",
    "Qwen/Qwen3-VL-30B-A3B-Instruct",
    "google/gemma-3-12b-it",
    "google/gemma-4-31B-it",
    "OpenGVLab/InternVL3_5-8B",
    "zai-org/GLM-4.6V-Flash",
    "Qwen/Qwen3-14B",
)
CARDS = ("T4", "L4", "RTX-3090", "RTX-4090", "RTX-5090", "L40S", "A100-80GB", "H100", "H200", "B200")
RELEASES = tuple(EngineVersion(0, minor) for minor in (11, 14, 17, 19, 20, 22, 26, 28, 29, 32, 33))
WORKLOADS = (
    None,
    None,
    Workload(images=Images(4)),
    Workload(images=Images(8, 4032, 3024), concurrent_requests=8),
    Workload(images=Images(1), videos=Videos(1, 60.0)),
    Workload(prompt_tokens=8000, output_tokens=2000, concurrent_requests=16),
)
LIMITS = (("image", ModalityLimit(4)), ("video", ModalityLimit(0)))
FLAGS: dict[str, tuple[object, ...]] = {
    "max_model_len": (4096, 8192, 32768, 131072),
    "gpu_memory_utilization": (0.5, 0.8, 0.9, 0.92, 0.95),
    "max_num_seqs": (1, 4, 16, 64, 256),
    "max_num_batched_tokens": (512, 1024, 2048, 8192, 16384),
    "kv_cache_dtype": ("auto", "fp8"),
    "enforce_eager": (True, False),
    "tensor_parallel_size": (1, 2, 4),
    "limit_mm_per_prompt": (LIMITS,),
    "mm_processor_kwargs": ("{}",),
    "block_size": (16, 32),
}
FP8_CACHE_SINCE = (8, 9)
"""Before Ada a pinned FP8 cache is taken at its word, and a free one is not chosen."""


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    flags = {
        name: draw(st.sampled_from(values))
        for name, values in FLAGS.items()
        if draw(st.sampled_from([True, *[False] * 3]))
    }
    available = draw(st.sampled_from([1, 2, 4, 8]))
    length = flags.get("max_model_len")
    return Intent(
        goal=draw(st.sampled_from([None, *Goal])),
        workload=draw(st.sampled_from(WORKLOADS)),
        minimum_context=draw(st.sampled_from([None, None, 8192])) if length in {None, 32768, 131072} else None,
        settings=EngineSettings(**flags),  # type: ignore[arg-type]
        pinned=frozenset(flags),
        version=draw(st.sampled_from(RELEASES)),
        gpu_count=None if "tensor_parallel_size" in flags else draw(st.sampled_from([None, None, 1, 2])),
        gpus_available=max(available, int(flags.get("tensor_parallel_size", 1))),  # type: ignore[call-overload]
    )


def sized(card: GPUFacts, total: int) -> GPUFacts:
    """A card of the same kind with another size of memory, as much of it in use at start."""
    more = total - card.total_bytes
    return card.with_(
        total_bytes=total,
        nvml_total_bytes=(card.nvml_total_bytes or card.total_bytes) + more,
        free_at_start_bytes=None if card.free_at_start_bytes is None else card.free_at_start_bytes + more,
    )


def fits(model: ModelFacts, card: GPUFacts, intent: Intent) -> bool:
    try:
        return plan(model, card, intent).verdict is Verdict.FITS
    except InputError:
        return False


def smallest(model: ModelFacts, card: GPUFacts, intent: Intent) -> GPUFacts | None:
    """The smallest card of that kind on which the intent fits, to 128 MiB; None where none does."""
    too_small, enough = 4 * GIB, 300 * GIB
    if not fits(model, sized(card, enough), intent) or fits(model, sized(card, too_small), intent):
        return None
    while enough - too_small > 128 * MIB:
        middle = (enough + too_small) // 2
        if fits(model, sized(card, middle), intent):
            enough = middle
        else:
            too_small = middle
    return sized(card, enough)


@settings(max_examples=20, deadline=None)
@given(intent=intents(), name=st.sampled_from(MODELS), card=st.sampled_from(CARDS))
def test_more_of_anything_never_turns_fits_into_less(intent: Intent, name: str, card: str) -> None:
    model = load_model(name, offline=True)
    found = smallest(model, gpu(card), intent)
    if found is None:
        return
    for flag in sorted(intent.pinned):
        if flag == "kv_cache_dtype" and (found.compute_capability or (0, 0)) < FP8_CACHE_SINCE:
            continue
        default = getattr(EngineSettings(), flag)
        freed = replace(intent, settings=intent.settings.with_(**{flag: default}), pinned=intent.pinned - {flag})
        assert fits(model, found, freed), f"{flag} left free on {found.total_bytes / GIB:.2f} GiB"
    if intent.gpu_count is not None:
        freed = replace(intent, gpu_count=None, gpus_available=max(intent.gpus_available, intent.gpu_count))
        assert fits(model, found, freed), f"the count left free on {found.total_bytes / GIB:.2f} GiB"
    for available in (3, 5, 8, 16):
        if available > intent.gpus_available:
            assert fits(model, found, replace(intent, gpus_available=available)), f"{available} GPUs on the node"
    for percent in (100.1, 101, 105, 130, 200, 400):
        larger = sized(found, int(found.total_bytes * percent / 100))
        assert fits(model, larger, intent), (
            f"{larger.total_bytes / GIB:.2f} instead of {found.total_bytes / GIB:.2f} GiB"
        )


@pytest.mark.parametrize(
    ("name", "card", "gib", "flags", "version", "freed"),
    [
        pytest.param(
            "mbehr90/Qwen3-VL-8B-Instruct-fp8",
            "A10",
            12.653,
            {"gpu_memory_utilization": 0.85, "tensor_parallel_size": 1, "limit_mm_per_prompt": LIMITS},
            EngineVersion(0, 20),
            "limit_mm_per_prompt",
            id="a pixel cap that the release has only with video off",
        ),
        pytest.param(
            "Qwen/Qwen3.6-27B-FP8",
            "H100",
            80,
            {"enforce_eager": True, "gpu_memory_utilization": 0.6, "max_num_seqs": 1024},
            EngineVersion(0, 20),
            "enforce_eager",
            id="no graphs, no check of a hybrid's states",
        ),
    ],
)
def test_a_free_flag_goes_as_far_as_a_pinned_one(
    name: str, card: str, gib: float, flags: dict[str, object], version: EngineVersion, freed: str
) -> None:
    model, small = load_model(name, offline=True), sized(gpu(card), int(gib * GIB))
    intent = Intent(
        settings=EngineSettings(**flags),  # type: ignore[arg-type]
        pinned=frozenset(flags),
        version=version,
        gpus_available=1,
    )
    assert fits(model, small, intent)
    default = getattr(EngineSettings(), freed)
    free = replace(intent, settings=intent.settings.with_(**{freed: default}), pinned=intent.pinned - {freed})
    assert fits(model, small, free)
