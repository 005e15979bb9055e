"""Each term of the budget to the byte, from its structure and the fitted figures."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from startup_shapes import EXPERTS, TOWER, gpu, model, resolved

from vlm_operator.capacity.startup.coefficients import FITTED
from vlm_operator.capacity.startup.cuda_graphs import full_graph_count, graph_count, graph_estimate_bytes
from vlm_operator.capacity.startup.model import startup_terms
from vlm_operator.capacity.startup.non_torch import non_torch_bytes
from vlm_operator.capacity.startup.regimes import Regime
from vlm_operator.capacity.startup.runner_buffers import runner_buffer_bytes
from vlm_operator.capacity.startup.sampler import program_buffer_bytes, sampler_bytes
from vlm_operator.capacity.startup.text_forward import TextForward, text_forward
from vlm_operator.capacity.startup.uncertainty import (
    DATA_PARALLEL_EXPERTS_BYTES,
    EXPERT_PARALLEL_BYTES,
    PEER_GRAPHS_SHARE,
    RECURRENT_LAYERS_SHARE,
    UNKNOWN_GPU_BYTES,
    UNMET_ENCODER_SHARE,
    WEIGHTS_SHARE,
    half_width_bytes,
    variance,
)
from vlm_operator.engine.budget_rules import Formula, SamplerPath, budget_rules
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts, MemoryKind
from vlm_operator.model.facts import FamilyTraits, LayerRun, ModelFacts, StateCache, StateKind
from vlm_operator.units import GIB

SIZES = (1, 2, 4, 8, 16)
UNIFIED = gpu(memory_kind=MemoryKind.UNIFIED)
GDDR = gpu(memory_kind=MemoryKind.GDDR)


def fitted(*names: str) -> int:
    return sum(FITTED[name].size_bytes for name in names)


@pytest.mark.parametrize(("sequences", "full"), [(0, 0), (1, 1), (3, 2), (4, 3), (16, 5), (999, 5)])
def test_full_graphs_are_those_of_batches_that_can_be_decoded(sequences: int, full: int) -> None:
    assert full_graph_count(SIZES, sequences) == full
    assert graph_count(SIZES, sequences) == 5 + full


@pytest.mark.parametrize(
    ("ranks", "layers", "names"),
    [
        pytest.param(1, 30, ["graphLayer"], id="one GPU"),
        pytest.param(2, 30, ["graphLayer", "graphPeers"], id="peers talk inside the graph"),
        pytest.param(1, 8, ["graphLayer"], id="a stage with fewer layers"),
    ],
)
def test_graphs_take_a_base_and_an_amount_for_each_graph_and_layer(ranks: int, layers: int, names: list[str]) -> None:
    found = graph_estimate_bytes(SIZES, max_num_seqs=4, layers=layers, tensor_parallel_size=ranks)
    assert found == fitted("graphBase") + 8 * layers * fitted(*names) // 1000


@pytest.mark.parametrize(
    ("card", "release", "formula", "ranks", "names"),
    [
        pytest.param(gpu(), "0.16.0", Formula.PEAK, 1, ["nonTorch HBM 0.11"], id="HBM to 0.16"),
        pytest.param(gpu(), "0.17.0", Formula.PEAK, 1, ["nonTorch HBM 0.17"], id="HBM from 0.17"),
        pytest.param(GDDR, "0.16.0", Formula.PEAK, 1, ["nonTorch GDDR 0.11"], id="GDDR to 0.16"),
        pytest.param(GDDR, "0.20.0", Formula.PEAK_AND_GRAPHS, 1, ["nonTorch GDDR 0.17"], id="GDDR from 0.17"),
        pytest.param(gpu(), "0.27.0", Formula.CONSUMED, 1, ["consumed HBM"], id="HBM, what is consumed"),
        pytest.param(GDDR, "0.27.0", Formula.CONSUMED, 2, ["consumed GDDR", "tensorParallel GDDR"], id="GDDR peers"),
        pytest.param(gpu(), "0.20.0", Formula.PEAK, 2, ["nonTorch HBM 0.17", "tensorParallel HBM"], id="HBM peers"),
        pytest.param(UNIFIED, "0.27.0", Formula.CONSUMED, 1, ["unified"], id="unified memory"),
    ],
)
def test_memory_outside_torch_is_the_fitted_figure_of_memory_release_and_peers(
    card: GPUFacts, release: str, formula: Formula, ranks: int, names: list[str]
) -> None:
    assert non_torch_bytes(card, EngineVersion.parse(release), formula, ranks) == fitted(*names)


def forward(of: ModelFacts, tokens: int = 1000, ranks: int = 1, *, whole: bool = False) -> TextForward:
    return text_forward(of, tokens=tokens, tensor_parallel_size=ranks, expert_parallel=whole, chunk_tokens=None)


def test_attention_decides_where_the_mlp_is_narrow() -> None:
    """Two rows, and queries, keys and values twice."""
    narrow = model()
    narrow = dataclasses.replace(narrow, text=dataclasses.replace(narrow.text, intermediate_size=16))
    assert forward(narrow).transient_bytes == 1000 * (2 * 4096 * 2 + 2 * 2 * (32 + 2 * 8) * 128)
    assert forward(narrow, ranks=2).transient_bytes == 1000 * (2 * 4096 * 2 + 2 * 2 * (32 + 2 * 8) * 128 // 2)


@pytest.mark.parametrize(
    ("ranks", "whole", "width"), [(1, False, 768), (8, False, 96), (8, True, 768)], ids=["one", "shared", "whole"]
)
def test_an_expert_layer_keeps_two_workspaces_and_its_shared_expert_beside(ranks: int, whole: bool, width: int) -> None:
    experts = dataclasses.replace(EXPERTS, shared_intermediate_size=512)
    found = forward(model(experts=experts), ranks=ranks, whole=whole)
    assert found.workspace_bytes == 1000 * 8 * 2 * (max(width, 4096) + max(2 * width, 4096))
    assert found.experts_bytes == 1000 * (2 * 4096 * 2 + 3 * (512 // ranks) * 2)
    assert found.hidden_bytes == 1000 * 4096 * 2


def test_wide_experts_make_the_workspace_wider() -> None:
    wide = dataclasses.replace(EXPERTS, intermediate_size=6000)
    assert forward(model(experts=wide)).workspace_bytes == 1000 * 8 * 2 * (6000 + 12000)


def test_a_gated_delta_net_keeps_projections_and_a_state_for_each_chunk_of_64_tokens() -> None:
    state = StateCache(StateKind.GATED_DELTA_NET, 60000, 16, 48, 128, 128, 4)
    of = dataclasses.replace(model(), cache_layers=(LayerRun(48, state),))
    each = 2 * 4096 * 2 + 2 * (16 * 128 + 60000) * 9 + 48 * 128 * 128 * 4 // 64
    assert forward(of).transient_bytes == 1000 * each


@pytest.mark.parametrize(
    ("runner", "tower", "levels", "penalties"),
    [
        pytest.param("V1", None, 1, False, id="V1: a text model too"),
        pytest.param("V1", TOWER, 1, False, id="V1: a vision model"),
        pytest.param("V1", dataclasses.replace(TOWER, deepstack_levels=3), 4, False, id="V1: DeepStack levels"),
        pytest.param("V2", None, 0, True, id="V2: no embeddings of a text model, but penalties"),
        pytest.param("V2", TOWER, 1, True, id="V2: embeddings of a vision model"),
    ],
)
def test_buffers_of_the_runner(runner: str, tower: Any, levels: int, penalties: bool) -> None:
    rules = dataclasses.replace(budget_rules(EngineVersion(0, 32), runner), counts_penalty_buffers=penalties)
    flags = EngineSettings(max_num_batched_tokens=2048, max_num_seqs=8)
    counts = 8 * 128256 * 4 + 8 * 128256 // 8 if penalties else 0
    assert runner_buffer_bytes(model(vision=tower), flags, rules) == levels * 2048 * 4096 * 2 + counts


@pytest.mark.parametrize(
    ("path", "sequences", "multiprocessors", "rows"),
    [
        pytest.param(SamplerPath.TRITON, 1024, 132, 132, id="one row of the vocabulary for each multiprocessor"),
        pytest.param(SamplerPath.TRITON, 100, 132, 128, id="for fewer requests a power of two"),
        pytest.param(SamplerPath.TRITON, 70, 72, 72, id="but no more than multiprocessors"),
        pytest.param(SamplerPath.TRITON, 7, 132, 0, id="a few rows are sorted without the kernel"),
        pytest.param(SamplerPath.SORT, 1024, 132, 0, id="older releases sort"),
        pytest.param(SamplerPath.LOGITS_ONLY, 1024, 132, 0, id="the V2 runner has another kernel"),
    ],
)
def test_the_kernel_for_top_k_and_top_p_keeps_a_buffer(
    path: SamplerPath, sequences: int, multiprocessors: int, rows: int
) -> None:
    size = program_buffer_bytes(
        path,
        max_num_seqs=sequences,
        max_num_batched_tokens=8192,
        vocab_size=1000,
        multiprocessors=multiprocessors,
    )
    assert size == rows * 1000 * 4


def test_the_samplers_rows_are_requests_or_tokens_whichever_are_fewer() -> None:
    for sequences, tokens in ((100, 5000), (5000, 100)):
        size = sampler_bytes(
            SamplerPath.LOGITS_ONLY, max_num_seqs=sequences, max_num_batched_tokens=tokens, vocab_size=7
        )
        assert size == 100 * 7 * 2


REGIME = Regime("Linux", 0.5, 10, 5)
RECURRENT = model(
    cache_layers=(
        LayerRun(
            30,
            StateCache(
                StateKind.GATED_DELTA_NET,
                intermediate_size=1024,
                groups=16,
                heads=16,
                head_size=128,
                state_size=128,
                conv_kernel=4,
            ),
        ),
    )
)
PEERS = EngineSettings(tensor_parallel_size=2)


def doubt(card: GPUFacts | None = None, of: ModelFacts | None = None, **more: Any) -> float:
    given: dict[str, Any] = {
        "settings": EngineSettings(),
        "layers_bytes": 0,
        "encoder_bytes": 0,
        "graph_bytes": 0,
        "weights_bytes": 0,
        "weights_measured": True,
    }
    return variance(card or gpu(), REGIME, model=of or model(), **(given | more))


@pytest.mark.parametrize(
    ("more", "figure"),
    [
        pytest.param({}, 0, id="nothing but the regime"),
        pytest.param({"layers_bytes": 1000}, 0, id="dense layers are in the regime"),
        pytest.param({"layers_bytes": 1000, "of": RECURRENT}, RECURRENT_LAYERS_SHARE * 1000, id="recurrent layers"),
        pytest.param({"graph_bytes": 1000}, 0, id="graphs of one GPU are in the regime"),
        pytest.param({"graph_bytes": 1000, "settings": PEERS}, PEER_GRAPHS_SHARE * 1000, id="graphs with peers"),
        pytest.param({"weights_bytes": 1000, "weights_measured": False}, WEIGHTS_SHARE * 1000, id="weights worked out"),
        pytest.param({"weights_bytes": 1000}, 0, id="weights measured"),
        pytest.param({"settings": PEERS}, 0, id="peers without graphs are in the regime"),
        pytest.param({"card": gpu(known=False)}, UNKNOWN_GPU_BYTES, id="a product that is not known"),
        pytest.param({"encoder_bytes": 1000}, UNMET_ENCODER_SHARE * 1000, id="an encoder that was not met"),
        pytest.param(
            {"encoder_bytes": 1000, "of": model(traits=FamilyTraits(encoder_measured=True))},
            0,
            id="an encoder that was met",
        ),
        pytest.param({"of": model(experts=EXPERTS)}, 0, id="experts are in the regime"),
        pytest.param({"settings": EngineSettings(enable_expert_parallel=True)}, 0, id="no experts to be parallel"),
    ],
)
def test_each_doubt_has_a_figure_of_its_own(more: dict[str, Any], figure: float) -> None:
    assert doubt(**more) == pytest.approx(REGIME.half_width_bytes**2 + figure**2)


def test_experts_over_ranks_and_replicas_are_surer_to_be_off() -> None:
    experts = model(experts=EXPERTS)
    parallel = EngineSettings(enable_expert_parallel=True)
    known = REGIME.half_width_bytes**2 + EXPERT_PARALLEL_BYTES**2
    assert doubt(of=experts, settings=parallel) == pytest.approx(known)
    replicas = parallel.with_(data_parallel_size=2)
    assert doubt(of=experts, settings=replicas) == pytest.approx(known + DATA_PARALLEL_EXPERTS_BYTES**2)


def test_the_width_adds_the_total_in_proportion_to_what_is_asked_for() -> None:
    assert half_width_bytes(9.0, 8, 0.5) == int(math.sqrt(9 + 16)) == 5
    assert half_width_bytes(10**6, 0, 0.9) == 1000


def test_expert_parallelism_adds_three_quarters_of_a_gibibyte_outside_torch() -> None:
    experts = model(experts=EXPERTS)
    alone, parallel = (
        startup_terms(
            experts,
            gpu(),
            resolved("0.32.0", experts, gpu(), tensor_parallel_size=2, enable_expert_parallel=each)[0],
            EngineVersion(0, 32),
            weights=GIB,
        ).non_torch_bytes
        for each in (False, True)
    )
    assert parallel - alone == 3 * GIB // 4
