"""What each release subtracts from the requested memory, and what its profiling run does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vlm_operator.engine.budget_rules import Formula, SamplerPath, budget_rules, expert_chunk_tokens
from vlm_operator.engine.encoder_rules import EncoderRules, encoder_rules, pixel_bytes, reckoned_tokens_per_encoded
from vlm_operator.engine.tower_traits import Activation, Pixels, PositionsKept, Rotation, TowerKind, TowerTraits
from vlm_operator.engine.version import EngineVersion


@pytest.mark.parametrize(
    ("release", "runner", "formula", "sampler", "graphs", "encoder"),
    [
        ("0.11.0", "V1", Formula.PEAK, SamplerPath.SORT, False, True),
        ("0.16.0", "V1", Formula.PEAK, SamplerPath.SORT, False, True),
        ("0.17.1", "V1", Formula.PEAK, SamplerPath.TRITON, False, True),
        ("0.19.1", "V1", Formula.PEAK, SamplerPath.TRITON, False, True),
        ("0.20.2", "V1", Formula.PEAK_AND_GRAPHS, SamplerPath.TRITON, True, True),
        ("0.22.1", "V2", Formula.PEAK_AND_GRAPHS, SamplerPath.FLOAT32_COPY, False, False),
        ("0.25.1", "V2", Formula.PEAK_AND_GRAPHS, SamplerPath.FLOAT32_COPY, False, False),
        ("0.26.0", "V2", Formula.PEAK_AND_GRAPHS, SamplerPath.LOGITS_ONLY, False, False),
        ("0.26.0", "V1", Formula.PEAK_AND_GRAPHS, SamplerPath.TRITON, True, True),
        ("0.27.1", "V2", Formula.CONSUMED, SamplerPath.LOGITS_ONLY, False, True),
        ("0.28.0", "V2", Formula.CONSUMED, SamplerPath.LOGITS_ONLY, False, True),
        ("0.29.0", "V2", Formula.CONSUMED, SamplerPath.LOGITS_ONLY, True, True),
        ("0.32.0", "V2", Formula.CONSUMED, SamplerPath.LOGITS_ONLY, True, True),
        ("0.33.0", "V2", Formula.CONSUMED, SamplerPath.FULL_PASS, True, True),
    ],
)
def test_rules_by_release_and_runner(
    *, release: str, runner: str, formula: Formula, sampler: SamplerPath, graphs: bool, encoder: bool
) -> None:
    rules = budget_rules(EngineVersion.parse(release), runner)
    assert (rules.formula, rules.sampler) == (formula, sampler)
    assert (rules.subtracts_graph_estimate, rules.profiles_encoder) == (graphs, encoder)


@pytest.mark.parametrize(
    ("release", "pads", "keeps"), [("0.12.0", True, False), ("0.13.0", False, False), ("0.14.1", False, True)]
)
def test_0_13_stopped_padding_outputs_and_0_14_started_keeping_the_expert_workspace(
    release: str, pads: bool, keeps: bool
) -> None:
    rules = budget_rules(EngineVersion.parse(release), "V1")
    assert (rules.pads_encoder_outputs, rules.persistent_expert_workspace) == (pads, keeps)


def test_only_consumed_memory_counts_the_penalty_buffers_of_the_v2_runner() -> None:
    counted = {
        (release, runner): budget_rules(EngineVersion.parse(release), runner).counts_penalty_buffers
        for release in ("0.26.0", "0.32.0")
        for runner in ("V1", "V2")
    }
    assert [key for key, value in counted.items() if value] == [("0.32.0", "V2")]


@pytest.mark.parametrize(("release", "tokens"), [("0.11.0", 16384), ("0.17.1", 16384), ("0.18.1", None)])
def test_expert_layers_worked_in_chunks_through_0_17(release: str, tokens: int | None) -> None:
    assert expert_chunk_tokens(EngineVersion.parse(release)) == tokens


def towers(traits: TowerTraits, *releases: str) -> list[EncoderRules]:
    return [encoder_rules(traits, EngineVersion.parse(release)) for release in releases]


WIDTH, INNER = 1024, 4096
QUICK_GELU = TowerTraits(activation=Activation.QUICK_GELU)
GELU_AND_MUL = TowerTraits(gated=True, activation=Activation.GELU_AND_MUL)
SILU_AND_MUL = TowerTraits(gated=True, activation=Activation.SILU_AND_MUL)
FUSED = replace(SILU_AND_MUL, fused_norms=True, projections_kept=True)


def peak(traits: TowerTraits, release: str, *, compiled: bool = True, ranks: int = 1, inner: int = 0) -> float:
    """Tensors of the tower's width that are there at once for each patch, at the largest moment of a block."""
    rules = encoder_rules(traits, EngineVersion.parse(release), compiled=compiled)
    return max(moment.bytes_per_patch(WIDTH, inner, ranks) for moment in rules.moments) / (2 * WIDTH)


@pytest.mark.parametrize(
    ("rotation", "release", "tensors"),
    [
        pytest.param(Rotation.SHARED, "0.11.2", 15, id="in float32 through 0.11, of a view"),
        pytest.param(Rotation.SHARED, "0.14.1", 9, id="of a view through 0.14"),
        pytest.param(Rotation.SHARED, "0.15.1", 11, id="of a copy since 0.15"),
        pytest.param(Rotation.SHARED_JOINED, "0.11.2", 17, id="in float32, joined first"),
        pytest.param(Rotation.SHARED_JOINED, "0.12.0", 11, id="joined in every release"),
        pytest.param(Rotation.SHARED_SEPARATE, "0.32.0", 12, id="copied one by one, then joined"),
        pytest.param(Rotation.COMPLEX_IN_TIME, "0.28.0", 15, id="as complex numbers of float32"),
        pytest.param(Rotation.COMPLEX_IN_TIME, "0.29.0", 11, id="with ApplyRotaryEmb since 0.29"),
        pytest.param(Rotation.COMPLEX, "0.32.0", 15, id="the older tower still does"),
        pytest.param(Rotation.FLOAT32_STACKED, "0.33.0", 17, id="stacked, copied to float32, rotated, copied back"),
        pytest.param(Rotation.NONE, "0.32.0", 7, id="no rotation"),
    ],
)
def test_attention_keeps_what_its_rotation_makes(rotation: Rotation, release: str, tensors: int) -> None:
    assert peak(TowerTraits(rotation=rotation), release) == tensors


@pytest.mark.parametrize(
    ("traits", "release", "compiled", "tensors"),
    [
        pytest.param(TowerTraits(), "0.32.0", True, 3 + 2 * 4, id="before and after one kernel"),
        pytest.param(TowerTraits(gated=True), "0.32.0", True, 3 + 3 * 4, id="two projections up and their product"),
        pytest.param(QUICK_GELU, "0.32.0", True, 3 + 3 * 4, id="QuickGELU in PyTorch where vLLM compiles"),
        pytest.param(QUICK_GELU, "0.32.0", False, 3 + 2 * 4, id="QuickGELU in a kernel without"),
        pytest.param(GELU_AND_MUL, "0.11.2", True, 3 + 4 * 4, id="GeluAndMul in PyTorch"),
        pytest.param(GELU_AND_MUL, "0.32.0", True, 3 + 4 * 4, id="which is never compiled on its own"),
        pytest.param(GELU_AND_MUL, "0.32.0", False, 3 + 3 * 4, id="GeluAndMul in a kernel"),
        pytest.param(SILU_AND_MUL, "0.14.1", True, 3 + 4 * 4, id="SiluAndMul in PyTorch"),
        pytest.param(SILU_AND_MUL, "0.15.1", True, 3 + 3 * 4, id="compiled on its own since 0.15"),
        pytest.param(FUSED, "0.32.0", True, 4 + 3 * 4 + 1, id="a fused norm writes to a tensor of its own"),
        pytest.param(FUSED, "0.32.0", False, 3 + 3 * 4 + 1, id="or in place in a kernel"),
    ],
)
def test_mlps_keep_what_their_activation_makes(traits: TowerTraits, release: str, compiled: bool, tensors: int) -> None:
    plain = replace(traits, rotation=Rotation.NONE)
    assert peak(plain, release, compiled=compiled, inner=INNER) == tensors


def test_what_forward_holds_is_there_at_every_moment() -> None:
    bare, kept = TowerTraits(rotation=Rotation.NONE), TowerTraits(rotation=Rotation.NONE, embeddings_kept=2)
    for inner in (0, INNER):
        assert peak(kept, "0.32.0", inner=inner) == peak(bare, "0.32.0", inner=inner) + 2


@pytest.mark.parametrize(
    ("kept", "release", "more"),
    [
        (PositionsKept.NEVER, "0.32.0", 0),
        (PositionsKept.ALWAYS, "0.11.0", 1),
        (PositionsKept.LATER, "0.23.0", 0),
        (PositionsKept.LATER, "0.24.0", 1),
    ],
)
def test_interpolated_positions_stay_through_all_blocks(kept: PositionsKept, release: str, more: int) -> None:
    traits = TowerTraits(rotation=Rotation.NONE)
    assert peak(replace(traits, positions_kept=kept), release) - peak(traits, release) == more


def test_the_sum_over_ranks_lies_beside_what_was_summed() -> None:
    traits = TowerTraits(rotation=Rotation.NONE)
    assert peak(traits, "0.32.0", ranks=1) == 3 + 4
    assert peak(traits, "0.32.0", ranks=2) == 3 + 4 / 2 + 1


def test_ranks_that_gather_queries_keys_and_values_hold_them_all() -> None:
    traits = TowerTraits(rotation=Rotation.SHARED_JOINED)
    assert peak(traits, "0.32.0", ranks=1) == 3 + 8
    assert peak(traits, "0.12.0", ranks=2) == 3 + 8 / 2 + 1
    assert peak(traits, "0.13.0", ranks=2) == 3 + 8 / 2 + 1 + 3


@pytest.mark.parametrize(
    ("pixels", "release", "encoding", "kept"),
    [
        (Pixels.PREPARED, "0.32.0", 2, 2),
        (Pixels.RAW, "0.31.0", 2, 2),
        (Pixels.RAW, "0.32.0", 1, 1),
        (Pixels.RAW_EARLY, "0.27.1", 2, 2),
        (Pixels.RAW_EARLY, "0.28.0", 3, 1),
        (Pixels.RAW_EARLY, "0.30.0", 1, 1),
    ],
)
def test_pixels_reach_the_gpu_as_bytes_in_later_releases(
    pixels: Pixels, release: str, encoding: int, kept: int
) -> None:
    assert pixel_bytes(pixels, EngineVersion.parse(release), 2) == (encoding, kept)


def test_the_bias_of_windowed_attention_is_in_the_kernel_since_0_32() -> None:
    before, after = towers(TowerTraits(TowerKind.WINDOWS), "0.31.0", "0.32.0")
    assert before.bytes_per_patch > 1.9 * after.bytes_per_patch
    assert before.one_item_at_once


@pytest.mark.parametrize(
    ("timestamps", "modality", "release", "factor"),
    [
        (True, "video", "0.12.0", 12.5),
        (True, "video", "0.13.0", 1.0),
        (True, "image", "0.12.0", 1.0),
        (False, "video", "0.12.0", 1.0),
    ],
)
def test_videos_with_timestamps_reckoned_more_before_0_13(
    timestamps: bool, modality: str, release: str, factor: float
) -> None:
    version = EngineVersion.parse(release)
    assert reckoned_tokens_per_encoded(timestamps=timestamps, modality=modality, version=version) == factor
