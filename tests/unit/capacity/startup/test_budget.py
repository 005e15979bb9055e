"""The start-up budget: what goes where, and what no change of a flag may do."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from startup_shapes import EXPERTS, IMAGE, TOWER, gpu, model, resolved

from vlm_operator.capacity.startup import Budget, startup_budget, startup_terms
from vlm_operator.capacity.startup.encoder import EncoderRun
from vlm_operator.engine.tower_traits import TowerKind, TowerTraits
from vlm_operator.errors import UnknownFact
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import FamilyTraits, ModelFacts
from vlm_operator.units import GIB

RELEASES = ["0.11.0", "0.12.0", "0.15.1", "0.19.1", "0.20.2", "0.25.1", "0.27.1", "0.29.0", "0.32.0", "0.33.0"]
TEXT, VISION, MIXED = model(), model(vision=TOWER), model(experts=EXPERTS)
GPU = gpu()
WEIGHTS = 16 * GIB


def budget(
    release: str,
    of: ModelFacts = TEXT,
    on: GPUFacts = GPU,
    encoder: EncoderRun | None = None,
    **flags: object,
) -> Budget:
    chosen, version = resolved(release, of, on, **flags)
    if encoder is None and of.vision is not None:
        chosen = chosen.with_(language_model_only=True)
    return startup_budget(of, on, chosen, version, weights=WEIGHTS, encoder=encoder)


@pytest.mark.parametrize("release", RELEASES)
def test_the_parts_make_up_the_request(release: str) -> None:
    split = budget(release)
    parts = (
        split.weights_bytes
        + split.activation_peak_bytes
        + split.non_torch_bytes
        + split.cuda_graph_bytes
        + split.kv_cache_bytes
    )
    assert parts == split.requested_bytes
    assert split.kv_cache_low_bytes < split.kv_cache_bytes < split.kv_cache_high_bytes


@pytest.mark.parametrize(("release", "share"), [("0.19.1", 0.9), ("0.20.2", 0.92)])
def test_the_request_is_the_default_share_of_the_total(release: str, share: float) -> None:
    assert budget(release).requested_bytes == pytest.approx(80 * GIB * share, abs=1)


@pytest.mark.parametrize(
    ("release", "subtracts"), [("0.19.1", False), ("0.20.2", True), ("0.25.1", False), ("0.29.0", True)]
)
def test_graphs_are_subtracted_where_the_release_estimates_them(release: str, subtracts: bool) -> None:
    assert (budget(release).cuda_graph_bytes > 0) is subtracts
    assert budget(release, enforce_eager=True).cuda_graph_bytes == 0


def test_a_fixed_kv_cache_is_taken_as_it_is() -> None:
    split = budget("0.32.0", kv_cache_memory_bytes=5 * GIB)
    assert split.kv_cache_low_bytes == split.kv_cache_bytes == split.kv_cache_high_bytes == 5 * GIB


def test_the_sampler_of_0_11_decides_the_peak_of_a_big_batch() -> None:
    logits = 1024 * 128256 * 38
    assert budget("0.11.0").activation_peak_bytes == pytest.approx(logits + 8192 * 4096 * 2, abs=64 * 2**20)


def test_an_embedding_model_computes_no_logits() -> None:
    assert budget("0.11.0", model(pooling=True)).activation_peak_bytes < budget("0.11.0").activation_peak_bytes // 4


def test_the_same_batch_takes_less_after_the_sort_left_the_sampler() -> None:
    assert budget("0.19.1").activation_peak_bytes < budget("0.11.0").activation_peak_bytes // 2


def test_disabling_all_modalities_saves_what_the_encoder_takes() -> None:
    with_images = budget("0.32.0", VISION, encoder=IMAGE)
    without = budget("0.32.0", VISION)
    saved = with_images.activation_peak_bytes - (without.activation_peak_bytes - without.compile_bytes)
    assert saved == with_images.encoder_peak_bytes > GIB // 2
    assert (with_images.profiled_modality, without.profiled_modality) == ("image", None)


def test_0_25_does_not_profile_the_encoder_of_dense_models() -> None:
    assert budget("0.25.1", VISION, encoder=IMAGE).encoder_peak_bytes == 0
    assert budget("0.27.1", VISION, encoder=IMAGE).encoder_peak_bytes > 0


def test_0_12_keeps_outputs_of_the_whole_encoder_budget() -> None:
    video = EncoderRun("video", 1, tokens_per_item=153600, budget_tokens=153600, encoded_tokens_per_item=12288)
    padded, plain = (budget(release, VISION, encoder=video).activation_peak_bytes for release in ("0.12.0", "0.13.0"))
    assert padded - plain == pytest.approx(153600 * 4096 * 2, rel=0.05)


def test_a_tower_on_every_rank_is_not_divided() -> None:
    flags = {"tensor_parallel_size": 4, "max_num_seqs": 8}
    divided = budget("0.32.0", VISION, encoder=IMAGE, **flags).activation_peak_bytes
    whole = budget("0.32.0", VISION, encoder=IMAGE, mm_encoder_tp_mode="data", **flags).activation_peak_bytes
    assert whole > divided


def test_experts_keep_their_workspace_from_0_14() -> None:
    names = {term.name for term in budget("0.14.1", MIXED).terms}
    assert "expert workspace" in names
    assert "expert workspace" not in {term.name for term in budget("0.12.0", MIXED).terms}


@pytest.mark.parametrize("release", RELEASES)
def test_bounds_widen_for_a_gpu_that_nobody_knows(release: str) -> None:
    known, unknown = budget(release), budget(release, on=gpu(known=False))
    assert unknown.kv_cache_low_bytes < known.kv_cache_low_bytes
    assert unknown.kv_cache_bytes == known.kv_cache_bytes


def test_a_measured_weight_narrows_the_bounds() -> None:
    chosen, version = resolved("0.32.0", TEXT, GPU)
    terms = startup_terms(TEXT, GPU, chosen, version, weights=WEIGHTS)
    assert terms.at(0.9).weights_bytes == WEIGHTS


def test_an_amd_gpu_is_unknown() -> None:
    with pytest.raises(UnknownFact, match="NVIDIA GPUs only"):
        budget("0.32.0", on=find_gpu("MI300X"))


@pytest.mark.parametrize("release", ["0.10.2", "0.34.0", "1.0.0"])
def test_a_release_outside_the_known_range_is_unknown(release: str) -> None:
    with pytest.raises(UnknownFact, match=f"vLLM {release}"):
        budget(release)


@pytest.mark.parametrize("release", ["0.12.0", "0.32.0"])
def test_equal_questions_get_equal_answers(release: str) -> None:
    assert budget(release, MIXED, tensor_parallel_size=2) == budget(release, MIXED, tensor_parallel_size=2)


releases = st.sampled_from(RELEASES)
shapes = st.sampled_from([TEXT, MIXED])


@given(release=releases, of=shapes, low=st.floats(0.05, 0.98), step=st.floats(0.001, 0.02))
@settings(max_examples=60, deadline=None)
def test_more_utilization_never_leaves_less_kv_cache(release: str, of: ModelFacts, low: float, step: float) -> None:
    less = budget(release, of, gpu_memory_utilization=low)
    more = budget(release, of, gpu_memory_utilization=low + step)
    assert less.kv_cache_bytes <= more.kv_cache_bytes
    assert less.activation_peak_bytes == more.activation_peak_bytes


@given(release=releases, of=shapes, tokens=st.integers(256, 16384), more=st.integers(1, 16384))
@settings(max_examples=60, deadline=None)
def test_a_bigger_batch_never_has_a_smaller_peak(release: str, of: ModelFacts, tokens: int, more: int) -> None:
    small = budget(release, of, max_num_seqs=64, max_num_batched_tokens=tokens)
    large = budget(release, of, max_num_seqs=64, max_num_batched_tokens=tokens + more)
    assert small.activation_peak_bytes <= large.activation_peak_bytes


@given(release=releases, of=shapes, sequences=st.integers(128, 1024), more=st.integers(1, 1024))
@settings(max_examples=60, deadline=None)
def test_more_requests_never_have_a_smaller_peak(release: str, of: ModelFacts, sequences: int, more: int) -> None:
    few = budget(release, of, max_num_seqs=sequences, max_num_batched_tokens=8192)
    many = budget(release, of, max_num_seqs=sequences + more, max_num_batched_tokens=8192)
    assert few.activation_peak_bytes <= many.activation_peak_bytes


@given(release=releases, items=st.integers(1, 8), tokens=st.integers(64, 32768), sequences=st.integers(1, 1024))
@settings(max_examples=60, deadline=None)
def test_switching_modalities_off_never_raises_the_peak(release: str, items: int, tokens: int, sequences: int) -> None:
    run = EncoderRun("image", items, tokens, items * tokens, tokens)
    with_images = budget(release, VISION, encoder=run, max_num_seqs=sequences, max_num_batched_tokens=8192)
    without = budget(release, VISION, max_num_seqs=sequences, max_num_batched_tokens=8192)
    # With all modalities off torch.compile sees the embedding: while its cache is empty that may take more.
    assert without.activation_peak_bytes - without.compile_bytes <= with_images.activation_peak_bytes
    assert without.kv_cache_warm_bytes >= with_images.kv_cache_bytes


@given(release=releases, of=shapes, ranks=st.sampled_from([1, 2, 4, 8]))
@settings(max_examples=60, deadline=None)
def test_more_ranks_never_raise_the_peak_of_one(release: str, of: ModelFacts, ranks: int) -> None:
    one = budget(release, of, tensor_parallel_size=ranks)
    two = budget(release, of, tensor_parallel_size=ranks * 2)
    assert two.activation_peak_bytes <= one.activation_peak_bytes


def test_bounds_are_wider_for_an_encoder_family_without_published_start_ups() -> None:
    met, other = (
        budget("0.32.0", model(vision=TOWER, traits=FamilyTraits(encoder_measured=measured)), encoder=IMAGE)
        for measured in (True, False)
    )
    assert other.kv_cache_high_bytes - other.kv_cache_bytes > met.kv_cache_high_bytes - met.kv_cache_bytes


def test_expert_parallelism_takes_buffers_and_widens_the_bounds() -> None:
    plain = budget("0.32.0", MIXED, tensor_parallel_size=4)
    parallel = budget("0.32.0", MIXED, tensor_parallel_size=4, enable_expert_parallel=True)
    assert parallel.non_torch_bytes > plain.non_torch_bytes
    assert parallel.kv_cache_high_bytes - parallel.kv_cache_bytes > plain.kv_cache_high_bytes - plain.kv_cache_bytes


def test_an_encoder_of_convolutions_widens_the_bounds_and_says_why() -> None:
    plain, convolutions = (
        budget("0.32.0", model(vision=dataclasses.replace(TOWER, traits=TowerTraits(kind))), encoder=IMAGE)
        for kind in (TowerKind.PLAIN, TowerKind.CONVOLUTIONS)
    )
    encoder = convolutions.activation_peak_bytes
    below = convolutions.kv_cache_bytes - convolutions.kv_cache_low_bytes
    assert below > 0.48 * encoder
    assert plain.kv_cache_bytes - plain.kv_cache_low_bytes < 0.9 * plain.activation_peak_bytes
    assert any("cuDNN" in term.why for term in convolutions.terms)
    assert not any("cuDNN" in term.why for term in plain.terms)
