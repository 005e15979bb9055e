"""Stages of a pipeline: what each holds, and what its profiling run does."""

from __future__ import annotations

from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.capacity.kv import kv_layout, stage_layouts
from vlm_operator.capacity.startup.model import StartupTerms, stage_terms, startup_terms
from vlm_operator.capacity.weights import stage_weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import Component
from vlm_operator.planning.resolution import resolved

CARD = gpu("L40S")
ROW = 4096 * 2
"""Bytes of a token's hidden state."""


def terms(release: str, **flags: Any) -> tuple[StartupTerms, ...]:
    version = EngineVersion.parse(release)
    wanted = EngineSettings(**{"max_model_len": 32768, "max_num_seqs": 256, "max_num_batched_tokens": 8192, **flags})
    return stage_terms(qwen3_vl(), CARD, resolved(wanted, qwen3_vl(), CARD, version), version)


def named(stage: StartupTerms) -> set[str]:
    return {term.name for term in stage.activation.terms}


def test_without_a_pipeline_there_is_one_stage_with_all_layers() -> None:
    (only,) = terms("0.32.0")
    assert (only.stage.is_first, only.stage.is_last, only.stage.layers) == (True, True, 36)
    assert only.stage.received_bytes(qwen3_vl(), EngineSettings(max_num_batched_tokens=8192)) == 0


def test_logits_are_computed_on_the_last_stage_alone() -> None:
    first, middle, last = terms("0.32.0", pipeline_parallel_size=3)
    assert "sampler" in named(last)
    assert not {"sampler"} & (named(first) | named(middle))
    assert middle.activation.moments.sampler_bytes < last.activation.moments.sampler_bytes


@pytest.mark.parametrize(
    ("release", "profiled"),
    [
        pytest.param("0.21.0", [True, True, True], id="the V1 runner on every stage"),
        pytest.param("0.32.0", [True, False, False], id="the V2 runner on the first"),
    ],
)
def test_the_encoder_is_profiled_where_the_runner_does_so(release: str, profiled: list[bool]) -> None:
    found = terms(release, pipeline_parallel_size=3)
    assert [stage.activation.modality is not None for stage in found] == profiled
    assert ["encoder" in named(stage) for stage in found] == profiled


def test_every_stage_but_the_first_keeps_hidden_states_and_residuals_of_a_batch() -> None:
    first, last = terms("0.32.0", pipeline_parallel_size=2)
    kept = {term.name: term.size_bytes for term in last.activation.terms}
    assert kept["received hidden states"] == 2 * 8192 * ROW
    assert "received hidden states" not in named(first)


def test_the_penalty_counts_stand_where_tokens_are_sampled() -> None:
    first, last = terms("0.32.0", pipeline_parallel_size=2)
    assert last.non_torch_bytes - first.non_torch_bytes == 256 * 151936 * 4 + 256 * 151936 // 8


def test_weights_are_those_of_the_stage() -> None:
    model, version = qwen3_vl(), EngineVersion(0, 32)
    first, last = stage_weight_bytes(model, EngineSettings(pipeline_parallel_size=2), version)
    whole = stage_weight_bytes(model, EngineSettings(), version)[0]
    tower = {name: whole.by_component[name] for name in (Component.VISION_TOWER, Component.PROJECTOR)}
    for stage in (first, last):
        assert {name: stage.by_component[name] for name in tower} == tower, "vLLM builds the tower on every stage"
    layers = whole.by_component[Component.LANGUAGE_LAYERS]
    assert abs(2 * first.by_component[Component.LANGUAGE_LAYERS] - layers) < layers // 100
    assert Component.HEAD not in first.by_component
    assert Component.EMBEDDING not in last.by_component
    uneven = stage_weight_bytes(model, EngineSettings(pipeline_parallel_size=2, pp_layer_partition=(20, 16)), version)
    assert uneven[0].total > first.total
    assert uneven[0].total + uneven[1].total == first.total + last.total


def test_graphs_are_estimated_for_the_layers_of_the_stage() -> None:
    even = terms("0.32.0", pipeline_parallel_size=2)
    uneven = terms("0.32.0", pipeline_parallel_size=2, pp_layer_partition=(30, 6))
    assert even[0].cuda_graph_bytes == even[1].cuda_graph_bytes
    assert uneven[0].cuda_graph_bytes > even[0].cuda_graph_bytes > uneven[1].cuda_graph_bytes


def test_the_terms_of_a_whole_pipeline_are_those_of_the_stage_that_takes_most() -> None:
    version = EngineVersion(0, 32)
    settings = resolved(EngineSettings(pipeline_parallel_size=2, max_model_len=8192), qwen3_vl(), CARD, version)
    stages = stage_terms(qwen3_vl(), CARD, settings, version)
    assert startup_terms(qwen3_vl(), CARD, settings, version).fixed_bytes == max(each.fixed_bytes for each in stages)


@pytest.mark.parametrize("release", ["0.13.0", "0.15.0", "0.18.0", "0.32.0"])
def test_each_stage_caches_its_own_layers(release: str) -> None:
    version = EngineVersion.parse(release)
    settings = EngineSettings(pipeline_parallel_size=2, pp_layer_partition=(20, 16))
    first, last = stage_layouts(qwen3_vl(), settings, version)
    page = 2 * 16 * 8 * 128 * 2
    assert (first.bytes_per_block, last.bytes_per_block) == (20 * page, 16 * page)
    assert kv_layout(qwen3_vl(), settings, version).bytes_per_block == 20 * page
    needed = first.needed_bytes(32768), last.needed_bytes(32768)
    if release == "0.15.0":  # the check compares the whole model's bytes with one stage's memory
        assert needed[0] == needed[1] == 2048 * 36 * page
    else:
        assert needed == (2048 * 20 * page, 2048 * 16 * page)
