"""What torch.compile takes while its cache is empty: the first start finds less than later ones."""

from __future__ import annotations

import pytest
from startup_shapes import IMAGE, TOWER, gpu, model, resolved

from accuracy.cases import Case, cases
from vlm_operator.capacity.startup import Budget, startup_budget
from vlm_operator.capacity.startup.encoder import EncoderRun
from vlm_operator.model.facts import ModelFacts
from vlm_operator.units import GIB

TEXT, VISION = model(), model(vision=TOWER)
PAIR = {case.id: case for case in cases() if case.id.startswith("rtx4090-qwen3-8b-0271")}


def budget(release: str, of: ModelFacts = TEXT, encoder: EncoderRun | None = None, **flags: object) -> Budget:
    chosen, version = resolved(release, of, gpu(), **{"max_num_seqs": 1, "max_num_batched_tokens": 256, **flags})
    return startup_budget(of, gpu(), chosen, version, weights=16 * GIB, encoder=encoder)


def predicted(case: Case) -> Budget:
    return startup_budget(case.model, case.gpu, case.settings, case.version, weights=case.weights_bytes)


def test_both_starts_of_a_published_pair_are_met() -> None:
    cold, warm = PAIR["rtx4090-qwen3-8b-0271-cold"], PAIR["rtx4090-qwen3-8b-0271-warm"]
    found = predicted(cold)
    assert found == predicted(warm)
    assert found.kv_cache_bytes / GIB == pytest.approx(4.92, abs=0.3)
    assert found.kv_cache_warm_bytes / GIB == pytest.approx(5.91, abs=0.3)
    assert found.activation_peak_bytes / GIB == pytest.approx(1.18, abs=0.02)


def test_bounds_reach_from_a_cold_to_a_warm_start() -> None:
    found = predicted(PAIR["rtx4090-qwen3-8b-0271-cold"])
    below = found.kv_cache_bytes - found.kv_cache_low_bytes
    assert found.kv_cache_high_bytes == found.kv_cache_warm_bytes + below


@pytest.mark.parametrize(
    ("release", "compiles"),
    [
        pytest.param("0.11.0", False, id="torch 2.8: no combo kernels"),
        pytest.param("0.11.1", True, id="torch 2.9: vLLM switches them on"),
        pytest.param("0.33.0", True, id="the last release that was read"),
    ],
)
def test_since_which_release(release: str, *, compiles: bool) -> None:
    few = budget(release)
    assert bool(few.compile_bytes) is compiles


def test_the_embedding_and_the_looked_up_rows_are_allocated() -> None:
    found = budget("0.32.0")
    text = TEXT.text
    rows = -(-text.vocab_size // 64) * 64 + 256
    assert found.activation_peak_bytes == rows * text.hidden_size * 2
    (term,) = [term for term in found.terms if term.name == "compilation"]
    assert term.size_bytes == found.activation_peak_bytes


def test_eager_starts_compile_nothing() -> None:
    assert budget("0.32.0", enforce_eager=True).compile_bytes == 0


def test_a_model_that_gets_embeddings_compiles_none() -> None:
    assert budget("0.32.0", VISION, encoder=IMAGE).compile_bytes == 0
    assert budget("0.32.0", VISION, language_model_only=True).compile_bytes


def test_ranks_share_the_embedding() -> None:
    one = budget("0.32.0")
    two = budget("0.32.0", tensor_parallel_size=2)
    assert two.activation_peak_bytes < 0.6 * one.activation_peak_bytes


def test_a_larger_peak_of_the_pass_hides_it() -> None:
    assert budget("0.32.0", max_num_seqs=1024, max_num_batched_tokens=65536).compile_bytes == 0
