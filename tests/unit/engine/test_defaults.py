"""Flags left unset become what each vLLM release would take on that GPU."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.engine.defaults import (
    DeviceTraits,
    ModelTraits,
    batch_defaults,
    capture_sizes,
    check,
    default_gpu_memory_utilization,
    resolve,
)
from vlm_operator.engine.runner import pools
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.units import GIB

H100 = DeviceTraits(int(79.65 * GIB), "NVIDIA H100 80GB HBM3", (9, 0))
A100 = DeviceTraits(80 * GIB, "NVIDIA A100 SXM4 80GB", (8, 0))
RTX_4090 = DeviceTraits(24 * GIB, "NVIDIA GeForce RTX 4090", (8, 9))
B200 = DeviceTraits(179 * GIB, "NVIDIA B200", (10, 0))
GB10 = DeviceTraits(int(121.69 * GIB), "NVIDIA GB10", (12, 1))
DENSE = ModelTraits("LlamaForCausalLM", 131072)


def version(text: str) -> EngineVersion:
    return EngineVersion.parse(text)


@pytest.mark.parametrize(
    ("release", "utilization"),
    [
        pytest.param("0.11.0", 0.9, id="oldest known"),
        pytest.param("0.19.1", 0.9, id="the release before"),
        pytest.param("0.19.9999", 0.9, id="any patch before"),
        pytest.param("0.20.0", 0.92, id="the first with it"),
        pytest.param("0.20.2", 0.92, id="its patches"),
        pytest.param("0.33.0", 0.92, id="newest read"),
    ],
)
def test_utilization_rose_with_the_graph_estimate(release: str, utilization: float) -> None:
    assert resolve(EngineSettings(), version(release), DENSE, RTX_4090).gpu_memory_utilization == utilization
    assert default_gpu_memory_utilization(version(release)) == utilization


@pytest.mark.parametrize(
    ("device", "release", "sequences", "tokens", "offline_tokens"),
    [
        pytest.param(H100, "0.11.0", 1024, 8192, 16384, id="70 GiB and more"),
        pytest.param(H100, "0.32.0", 1024, 8192, 16384, id="70 GiB and more, recent"),
        pytest.param(A100, "0.19.0", 256, 2048, 8192, id="A100 is exempt by its name"),
        pytest.param(RTX_4090, "0.11.0", 256, 2048, 8192, id="small card"),
        pytest.param(B200, "0.27.1", 1024, 8192, 16384, id="160 GiB before 0.28"),
        pytest.param(B200, "0.28.0", 1024, 16384, 16384, id="160 GiB from 0.28"),
        pytest.param(GB10, "0.25.1", 256, 2048, 8192, id="NVML cannot read GB10"),
        pytest.param(DeviceTraits(0), "0.25.1", 256, 2048, 8192, id="unreadable device"),
        pytest.param(DeviceTraits(70 * GIB), "0.25.1", 1024, 8192, 16384, id="exactly 70 GiB"),
        pytest.param(DeviceTraits(70 * GIB - 1), "0.25.1", 256, 2048, 8192, id="a byte short of 70 GiB"),
    ],
)
def test_batch_defaults(device: DeviceTraits, release: str, sequences: int, tokens: int, offline_tokens: int) -> None:
    assert batch_defaults(version(release), device) == (sequences, tokens)
    assert batch_defaults(version(release), device, "offline") == (sequences, offline_tokens)


def test_an_unset_batch_never_exceeds_what_all_requests_can_fill() -> None:
    settings = resolve(EngineSettings(max_num_seqs=1, max_model_len=512), version("0.32.0"), DENSE, H100)
    assert settings.max_num_batched_tokens == 512


def test_unset_requests_never_exceed_the_batch() -> None:
    settings = resolve(EngineSettings(max_num_batched_tokens=128), version("0.32.0"), DENSE, H100)
    assert settings.max_num_seqs == 128


def test_without_chunked_prefill_the_batch_holds_the_whole_context() -> None:
    whisper = ModelTraits("WhisperForConditionalGeneration", 30000, encoder_decoder=True)
    settings = resolve(EngineSettings(), version("0.32.0"), whisper, RTX_4090)
    assert (settings.enable_chunked_prefill, settings.max_num_batched_tokens) == (False, 30000)


@pytest.mark.parametrize(("release", "tokens"), [("0.20.2", 2048), ("0.22.1", 2496), ("0.32.0", 2496)])
def test_a_prefix_language_model_needs_its_largest_item_in_one_batch(release: str, tokens: int) -> None:
    gemma = ModelTraits("Gemma4ForConditionalGeneration", 262144, prefix_language_model=True, largest_item_tokens=2496)
    assert resolve(EngineSettings(), version(release), gemma, RTX_4090).max_num_batched_tokens == tokens


@pytest.mark.parametrize(
    ("release", "traits", "runner"),
    [
        pytest.param("0.20.2", DENSE, "V1", id="V1 for all before 0.22"),
        pytest.param("0.22.1", ModelTraits("Qwen3ForCausalLM", 40960), "V2", id="dense Qwen3 first"),
        pytest.param("0.22.1", ModelTraits("Qwen3ForCausalLM", 40960, quantized=True), "V1", id="not quantised yet"),
        pytest.param("0.22.1", DENSE, "V1", id="other dense models later"),
        pytest.param("0.23.0", DENSE, "V2", id="Llama from 0.23"),
        pytest.param(
            "0.23.0", ModelTraits("LlamaForCausalLM", 1, quantized=True), "V1", id="quantised Llama not in 0.23"
        ),
        pytest.param(
            "0.24.0", ModelTraits("LlamaForCausalLM", 1, quantized=True), "V2", id="quantised Llama from 0.24"
        ),
        pytest.param("0.24.0", ModelTraits("Gemma3ForCausalLM", 1), "V1", id="other dense models not in 0.24"),
        pytest.param("0.25.1", DENSE, "V2", id="dense from 0.25"),
        pytest.param("0.25.1", ModelTraits("Qwen3MoeForCausalLM", 40960, mixture_of_experts=True), "V1", id="experts"),
        pytest.param("0.25.1", ModelTraits("Qwen2MoeForCausalLM", 40960, mixture_of_experts=True), "V2", id="listed"),
        pytest.param("0.27.1", ModelTraits("Qwen3_5ForConditionalGeneration", 1, hybrid=True), "V1", id="hybrid"),
        pytest.param(
            "0.28.0", ModelTraits("DeepseekV4ForCausalLM", 1, mixture_of_experts=True), "V2", id="listed 0.28"
        ),
        pytest.param("0.27.1", ModelTraits("DeepseekV4ForCausalLM", 1, mixture_of_experts=True), "V1", id="not before"),
        pytest.param("0.28.0", ModelTraits("Qwen3ForCausalLM", 1, pooling=True), "V1", id="pooling"),
        pytest.param(
            "0.29.0", ModelTraits("Qwen3MoeForCausalLM", 1, mixture_of_experts=True), "V2", id="all from 0.29"
        ),
    ],
)
def test_the_model_runner(release: str, traits: ModelTraits, runner: str) -> None:
    assert resolve(EngineSettings(), version(release), traits, H100).runner == runner


@pytest.mark.parametrize(("release", "asynchronous"), [("0.11.0", False), ("0.13.0", False), ("0.14.1", True)])
def test_asynchronous_scheduling_is_on_from_0_14(release: str, asynchronous: bool) -> None:
    assert resolve(EngineSettings(), version(release), DENSE, H100).async_scheduling is asynchronous


@pytest.mark.parametrize(
    ("release", "sequences", "tokens", "capability", "count", "largest"),
    [
        pytest.param("0.11.2", 1024, 8192, (9, 0), 51, 512, id="51 sizes up to 512"),
        pytest.param("0.32.0", 256, 2048, (8, 9), 51, 512, id="the same with 256 requests"),
        pytest.param("0.32.0", 1024, 16384, (10, 0), 83, 1024, id="up to 1024 on data-centre Blackwell"),
        pytest.param("0.27.1", 1024, 16384, (10, 0), 51, 512, id="but not before"),
        pytest.param("0.25.1", 32, 2048, (8, 9), 11, 64, id="twice the requests"),
        pytest.param("0.25.1", 1, 2048, (8, 9), 2, 2, id="one request"),
        pytest.param("0.25.1", 256, 100, (8, 9), 16, 100, id="the batch itself where it fits"),
        pytest.param("0.15.1", 256, 100, (8, 9), 15, 96, id="only the grid before"),
        pytest.param("0.32.0", 50, 2048, (8, 9), 16, 96, id="requests added off the grid"),
    ],
)
def test_capture_sizes(
    *, release: str, sequences: int, tokens: int, capability: tuple[int, int], count: int, largest: int
) -> None:
    sizes = capture_sizes(
        version(release), max_num_seqs=sequences, max_num_batched_tokens=tokens, compute_capability=capability
    )
    assert (len(sizes), sizes[-1]) == (count, largest)
    assert list(sizes) == sorted(set(sizes))


def test_eager_captures_nothing() -> None:
    settings = resolve(EngineSettings(enforce_eager=True), version("0.32.0"), DENSE, H100)
    assert (settings.cudagraph_capture_sizes, settings.max_cudagraph_capture_size) == ((), 0)


@given(
    utilization=st.floats(0.01, 1.0),
    sequences=st.integers(1, 4096),
    extra=st.integers(0, 8192),
    length=st.integers(1, 10**6),
    release=st.sampled_from(["0.11.0", "0.15.1", "0.20.2", "0.25.1", "0.32.0"]),
)
def test_a_set_flag_is_never_moved(utilization: float, sequences: int, extra: int, length: int, release: str) -> None:
    given_settings = EngineSettings(
        gpu_memory_utilization=utilization,
        max_num_seqs=sequences,
        max_num_batched_tokens=sequences + extra,
        max_model_len=length,
        async_scheduling=False,
        runner="V1",
    )
    settings = resolve(given_settings, version(release), DENSE, H100)
    for flag in ("gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "max_model_len", "runner"):
        assert getattr(settings, flag) == getattr(given_settings, flag)
    assert settings.async_scheduling is False
    assert resolve(settings, version(release), DENSE, H100) == settings


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, 1.5, 90.0, math.nan, math.inf])
def test_a_utilization_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="gpu-memory-utilization") as caught:
        check(EngineSettings(gpu_memory_utilization=share))
    assert caught.value.hint


@pytest.mark.parametrize(
    "settings",
    [
        EngineSettings(max_model_len=0),
        EngineSettings(tensor_parallel_size=0),
        EngineSettings(max_num_seqs=0),
        EngineSettings(max_num_batched_tokens=-1),
    ],
)
def test_counts_below_one_are_refused(settings: EngineSettings) -> None:
    with pytest.raises(InputError, match="is not at least 1"):
        check(settings)


def test_a_batch_smaller_than_the_requests_is_refused_with_both_numbers() -> None:
    with pytest.raises(InputError, match=r"64 is less than max-num-seqs \(256\)"):
        check(EngineSettings(max_num_seqs=256, max_num_batched_tokens=64))


@pytest.mark.parametrize(
    ("architecture", "embeds"),
    [
        ("Qwen3VLForConditionalGeneration", False),
        ("LlamaForCausalLM", False),
        ("ChatGLMModel", False),
        ("GPT2LMHeadModel", False),
        ("Qwen2_5OmniModel", False),
        ("Qwen2Model", True),
        ("Qwen2ForSequenceClassification", True),
        ("Qwen2ForRewardModel", True),
    ],
)
def test_what_is_served_by_default_is_told_by_the_architectures_name(architecture: str, embeds: bool) -> None:
    assert pools(architecture) is embeds
