"""What sparse attention adds to the start-up: an indexer's work space and scores, a buffer of selected tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from startup_shapes import gpu, model, resolved

from vlm_operator.capacity.startup.activation import activation
from vlm_operator.capacity.startup.loaded_buffers import loaded_buffer_bytes
from vlm_operator.engine.budget_rules import budget_rules
from vlm_operator.model.facts import (
    Component,
    IndexerCache,
    LatentCache,
    LayerRun,
    Linear,
    ModelFacts,
    Placement,
    Quantization,
    Sharding,
)
from vlm_operator.units import MIB

LATENT = LatentCache(512, 64)
SPARSE = LatentCache(512, 64, selected=2048)


def kept_bytes(of: ModelFacts, release: str, **flags: object) -> int:
    settings, version = resolved(release, of, gpu(), **flags)
    found = activation(of, gpu(), settings, version, rules=budget_rules(version, "V1"), run=None)
    return found.moments.kept_bytes


def built(cache: LatentCache, *also: IndexerCache) -> ModelFacts:
    return model(cache_layers=(LayerRun(32, cache, also),))


@pytest.mark.parametrize(
    ("release", "flags", "more"),
    [
        pytest.param("0.33.0", {}, 40 * 32768 * 132, id="forty-keys-a-token"),
        pytest.param("0.12.0", {}, 2 * 32768 * 132, id="two-before-0.13"),
        pytest.param("0.33.0", {"kv_cache_dtype": "fp8"}, 5 * 32768 * 1152, id="vectors-taken-out-of-fp8"),
    ],
)
def test_a_work_space_stays_allocated(release: str, flags: dict[str, object], more: int) -> None:
    flags = {"max_model_len": 32768, **flags}
    sparse, dense = (kept_bytes(each, release, **flags) for each in (built(SPARSE, IndexerCache(128)), built(LATENT)))
    assert sparse - dense == more


def test_scores_are_reserved_while_layers_run() -> None:
    of = built(SPARSE, IndexerCache(128))
    settings, version = resolved("0.33.0", of, gpu(), max_model_len=1024, max_num_batched_tokens=2048)
    found = activation(of, gpu(), settings, version, rules=budget_rules(version, "V1"), run=None)
    text = next(term for term in found.terms if term.name == "text pass")
    assert text.size_bytes == 512 * MIB + 2 * 4096 * 2 * 2048


def test_the_buffer_of_selected_tokens_is_loaded_with_the_weights() -> None:
    of = built(SPARSE)
    settings, version = resolved("0.33.0", of, gpu(), max_num_batched_tokens=8192)
    assert loaded_buffer_bytes(of, settings, version) == 4 * 2048 * 8192
    assert loaded_buffer_bytes(built(LATENT), settings, version) == 0


@pytest.mark.parametrize(
    ("quantization", "flags", "copies"),
    [
        pytest.param(Quantization("fp8", 8, block_shape=(128, 128)), {}, 4 * 4096 * 512 * 2, id="fp8"),
        pytest.param(
            Quantization("fp8", 8, block_shape=(128, 128)),
            {"tensor_parallel_size": 2},
            4 * 2048 * 512 * 2,
            id="its-heads-are-divided",
        ),
        pytest.param(
            Quantization("fp8", 8, ignored=("model.layers.0.self_attn.kv_b_proj",)),
            {},
            3 * 4096 * 512 * 2,
            id="one-stays-unquantised",
        ),
        pytest.param(Quantization("mxfp4", 4, 32, experts_only=True), {}, 0, id="experts-alone-are-quantised"),
        pytest.param(None, {}, 0, id="views-of-what-is-not-quantised"),
    ],
)
def test_quantised_up_projections_are_kept_a_second_time_in_16_bit(
    quantization: Quantization | None, flags: dict[str, int], copies: int
) -> None:
    up = Linear(
        Component.LANGUAGE_LAYERS,
        "model.layers.{}.self_attn.kv_b_proj",
        4,
        4096,
        512,
        Sharding.OUTPUT,
        placement=Placement(layers=(0, 1, 2, 3)),
    )
    of = replace(built(LATENT), weights=(up,), quantization=quantization)
    settings, version = resolved("0.33.0", of, gpu(), **flags)
    assert loaded_buffer_bytes(of, settings, version) == copies
