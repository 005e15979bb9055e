"""Each term of the budget on its own: graphs, memory outside torch, layers, buffers."""

from __future__ import annotations

import dataclasses

import pytest
from startup_shapes import EXPERTS, TOWER, gpu, model, resolved

from vlm_operator.capacity.startup.cuda_graphs import graph_estimate_bytes
from vlm_operator.capacity.startup.loaded_buffers import loaded_buffer_bytes
from vlm_operator.capacity.startup.non_torch import non_torch_bytes
from vlm_operator.capacity.startup.text_forward import text_forward
from vlm_operator.engine.budget_rules import Formula
from vlm_operator.engine.loading_rules import RotaryRows
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import MemoryKind
from vlm_operator.model.facts import Component, FamilyTraits, LayerRun, StateCache, StateKind, Tensors
from vlm_operator.units import GIB, MIB

SIZES = (1, 2, 4, 8, 16)


def test_no_graphs_take_nothing() -> None:
    assert graph_estimate_bytes((), max_num_seqs=256, layers=64) == 0


def test_graphs_grow_with_sizes_layers_and_peers() -> None:
    def estimate(sizes: tuple[int, ...] = SIZES, layers: int = 32, ranks: int = 1) -> int:
        return graph_estimate_bytes(sizes, max_num_seqs=256, layers=layers, tensor_parallel_size=ranks)

    assert estimate() < estimate((*SIZES, 24)) < estimate((*SIZES, 24), layers=64)
    assert estimate() < estimate(ranks=2)


def test_full_graphs_stop_at_the_number_of_requests() -> None:
    few, many = (graph_estimate_bytes(SIZES, max_num_seqs=sequences, layers=32) for sequences in (2, 16))
    assert few < many


@pytest.mark.parametrize("formula", list(Formula))
@pytest.mark.parametrize("release", ["0.11.0", "0.32.0"])
def test_peers_take_memory_outside_torch(formula: Formula, release: str) -> None:
    version = EngineVersion.parse(release)
    assert non_torch_bytes(gpu(), version, formula, 2) > non_torch_bytes(gpu(), version, formula, 1)


def test_unified_memory_loses_gibibytes_to_the_host() -> None:
    shared = gpu(memory_kind=MemoryKind.UNIFIED)
    assert non_torch_bytes(shared, EngineVersion(0, 25), Formula.PEAK, 1) > GIB


def test_a_dense_layer_keeps_three_rows_and_three_projections_of_its_mlp() -> None:
    forward = text_forward(model(), tokens=1000, tensor_parallel_size=1, expert_parallel=False, chunk_tokens=None)
    assert forward.transient_bytes == 1000 * 2 * (3 * 4096 + 3 * 14336)
    assert forward.hidden_bytes == 1000 * 4096 * 2
    assert forward.workspace_bytes == 0


def test_the_attention_result_stays_where_the_mlp_stands_beside_it() -> None:
    plain = model()
    beside = dataclasses.replace(plain, text=dataclasses.replace(plain.text, parallel_blocks=True))
    one, other = (
        text_forward(of, tokens=1000, tensor_parallel_size=1, expert_parallel=False, chunk_tokens=None).transient_bytes
        for of in (plain, beside)
    )
    assert other - one == 1000 * plain.text.hidden_size * 2


def test_two_ranks_share_the_mlp_but_not_the_rows() -> None:
    forward = text_forward(model(), tokens=1000, tensor_parallel_size=2, expert_parallel=False, chunk_tokens=None)
    assert forward.transient_bytes == 1000 * 2 * (3 * 4096 + 3 * 7168)


def test_experts_ask_for_two_workspaces_of_token_and_expert_pairs() -> None:
    forward = text_forward(
        model(experts=EXPERTS), tokens=8192, tensor_parallel_size=1, expert_parallel=False, chunk_tokens=None
    )
    pairs = 8192 * 8
    assert forward.workspace_bytes == pairs * 2 * (4096 + 4096)


def test_a_chunk_bounds_the_workspace() -> None:
    whole, chunked = (
        text_forward(
            model(experts=EXPERTS), tokens=32768, tensor_parallel_size=1, expert_parallel=False, chunk_tokens=chunk
        ).workspace_bytes
        for chunk in (None, 16384)
    )
    assert chunked == whole // 2


def test_expert_parallel_ranks_keep_whole_experts() -> None:
    wide = dataclasses.replace(EXPERTS, intermediate_size=8192)
    shared, whole = (
        text_forward(
            model(experts=wide), tokens=1024, tensor_parallel_size=8, expert_parallel=parallel, chunk_tokens=None
        ).workspace_bytes
        for parallel in (False, True)
    )
    assert whole > shared


def test_linear_attention_keeps_projections_and_states() -> None:
    state = StateCache(StateKind.GATED_DELTA_NET, 6144, 16, 48, 128, 128, 4)
    hybrid = dataclasses.replace(model(), cache_layers=(LayerRun(48, state),))
    plain, mixed = (
        text_forward(of, tokens=8192, tensor_parallel_size=1, expert_parallel=False, chunk_tokens=None).transient_bytes
        for of in (model(), hybrid)
    )
    assert mixed > plain


def test_deepstack_levels_are_buffered_for_a_whole_batch() -> None:
    tower = dataclasses.replace(TOWER, deepstack_levels=3)
    stacked = model(vision=tower, model_type="qwen3_vl")
    settings, version = resolved("0.32.0", stacked, gpu(), max_num_batched_tokens=8192)
    assert loaded_buffer_bytes(stacked, settings, version) == 3 * 8192 * 4096 * 2
    assert loaded_buffer_bytes(stacked, settings.with_(language_model_only=True), version) == 0


@pytest.mark.parametrize(("release", "rows"), [("0.12.0", 3), ("0.29.0", 3), ("0.32.0", 0)])
def test_the_multimodal_rotary_table_had_four_rows_a_position(release: str, rows: int) -> None:
    table = Tensors(Component.LANGUAGE_LAYERS, "language_model.model.rotary_emb.cos_sin_cache", 1, 32 * MIB)
    rotary = dataclasses.replace(model(traits=FamilyTraits(rotary_rows=RotaryRows.ONE_LATER)), weights=(table,))
    settings, version = resolved(release, rotary, gpu())
    assert loaded_buffer_bytes(rotary, settings, version) == rows * 64 * MIB
