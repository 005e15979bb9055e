"""What each release subtracts from the requested memory, and what its profiling run does."""

from __future__ import annotations

import pytest

from vlm_operator.engine.budget_rules import Formula, SamplerPath, budget_rules, expert_chunk_tokens
from vlm_operator.engine.encoder_rules import EncoderRules, encoder_rules, reckoned_tokens_per_encoded
from vlm_operator.engine.tower_traits import PLAIN_TOWER, Rotation, TowerKind, TowerTraits
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
        ("0.26.0", "V2", Formula.PEAK_AND_GRAPHS, SamplerPath.FLOAT32_COPY, False, False),
        ("0.26.0", "V1", Formula.PEAK_AND_GRAPHS, SamplerPath.TRITON, True, True),
        ("0.27.1", "V2", Formula.CONSUMED, SamplerPath.FLOAT32_COPY, False, True),
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


def test_the_shared_rotation_was_in_float32_before_0_12() -> None:
    before, after = towers(TowerTraits(rotation=Rotation.SHARED), "0.11.0", "0.12.0")
    assert before.attention_divided > after.attention_divided
    assert before.attention_whole == after.attention_whole


def test_a_gated_tower_keeps_more_of_its_mlp() -> None:
    (gated,), (plain,) = towers(TowerTraits(gated=True), "0.32.0"), towers(PLAIN_TOWER, "0.32.0")
    assert gated.mlp_divided > plain.mlp_divided


@pytest.mark.parametrize(
    ("rotation", "release", "divided"),
    [
        pytest.param(Rotation.COMPLEX_IN_TIME, "0.28.0", 26, id="as complex numbers of float32"),
        pytest.param(Rotation.COMPLEX_IN_TIME, "0.29.0", 18, id="with ApplyRotaryEmb since 0.29"),
        pytest.param(Rotation.COMPLEX, "0.32.0", 26, id="the older tower still does"),
        pytest.param(Rotation.IN_TYPE, "0.27.1", 18, id="no rotation"),
    ],
)
def test_towers_rotate_complex_numbers_until_they_do_not(rotation: Rotation, release: str, divided: int) -> None:
    assert towers(TowerTraits(rotation=rotation), release)[0].attention_divided == divided


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
