"""What is said of one set of flags: the verdict to the byte, which of several failures is named, and in what words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.capacity.startup import Budget
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT
from vlm_operator.planning.evaluation import Evaluation, evaluate
from vlm_operator.planning.evidence import Experience
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.units import GIB

FLAGS = EngineSettings(max_model_len=8192)
PLAIN = evaluate(qwen3_vl(), gpu("H100"), FLAGS, DEFAULT)
CUP = PLAIN.least_bytes
PINNED = CUP


@dataclass(frozen=True, slots=True)
class Known(Experience):
    """An experience that says what the budget is."""

    budget: Budget | None = None

    def adjust(self, budget: Budget, settings: EngineSettings) -> Budget:
        return self.budget or budget


def budget(**sizes: int) -> Budget:
    """80 GiB, of which 70 are requested, and 71 free (73 at best); 20 for weights and peak, 1 for each of the rest."""
    usual: dict[str, int] = {
        "total_bytes": 80 * GIB,
        "requested_bytes": 70 * GIB,
        "free_at_start_bytes": 71 * GIB,
        "free_at_start_high_bytes": 73 * GIB,
        "weights_bytes": 16 * GIB,
        "activation_peak_bytes": 4 * GIB,
        "non_torch_bytes": GIB,
        "cuda_graph_bytes": GIB,
        "kv_cache_bytes": CUP + 2,
        "kv_cache_low_bytes": CUP,
        "kv_cache_high_bytes": CUP + 4,
    }
    return replace(PLAIN.budget, **usual | sizes)  # type: ignore[arg-type]


def judged(given: Budget, flags: EngineSettings = FLAGS, **more: Any) -> Evaluation:
    return evaluate(qwen3_vl(), gpu("H100"), flags, DEFAULT, Known(budget=given, **more))


@pytest.mark.parametrize(
    ("given", "verdict", "reason"),
    [
        pytest.param(budget(), Verdict.FITS, Reason.FITS, id="the low bound is the cup"),
        pytest.param(budget(kv_cache_low_bytes=CUP - 1), Verdict.FITS_TIGHT, Reason.FITS_TIGHT, id="a byte less"),
        pytest.param(budget(kv_cache_low_bytes=0, kv_cache_bytes=CUP), Verdict.FITS_TIGHT, Reason.FITS_TIGHT,
                     id="the best estimate is the cup"),
        pytest.param(budget(kv_cache_low_bytes=0, kv_cache_bytes=CUP - 1), Verdict.DOES_NOT_FIT,
                     Reason.KV_CACHE_TOO_SMALL, id="and a byte less"),
        pytest.param(budget(kv_cache_low_bytes=-1, kv_cache_bytes=1), Verdict.DOES_NOT_FIT,
                     Reason.KV_CACHE_TOO_SMALL, id="a byte of KV cache"),
        pytest.param(budget(kv_cache_low_bytes=-1, kv_cache_bytes=0), Verdict.DOES_NOT_FIT,
                     Reason.NO_KV_CACHE_MEMORY, id="none"),
        pytest.param(budget(weights_bytes=69 * GIB), Verdict.FITS, Reason.FITS, id="all that may be free is taken"),
        pytest.param(budget(weights_bytes=69 * GIB + 1), Verdict.DOES_NOT_FIT, Reason.OUT_OF_MEMORY,
                     id="a byte more than may be free"),
        pytest.param(budget(requested_bytes=71 * GIB), Verdict.FITS, Reason.FITS, id="all that is free is requested"),
        pytest.param(budget(requested_bytes=71 * GIB + 1), Verdict.FITS_TIGHT, Reason.FREE_MEMORY_UNCERTAIN,
                     id="a byte more than is free for certain"),
        pytest.param(budget(requested_bytes=73 * GIB), Verdict.FITS_TIGHT, Reason.FREE_MEMORY_UNCERTAIN,
                     id="as much as may be free"),
        pytest.param(budget(requested_bytes=73 * GIB + 1), Verdict.DOES_NOT_FIT, Reason.FREE_MEMORY_TOO_LOW,
                     id="a byte more"),
        pytest.param(budget(requested_bytes=72 * GIB, kv_cache_low_bytes=CUP - 1), Verdict.FITS_TIGHT,
                     Reason.FITS_TIGHT, id="tight for two reasons: the cup is named"),
        pytest.param(budget(requested_bytes=72 * GIB, kv_cache_low_bytes=0, kv_cache_bytes=1), Verdict.DOES_NOT_FIT,
                     Reason.KV_CACHE_TOO_SMALL, id="what does not fit does not become tight"),
        pytest.param(budget(requested_bytes=74 * GIB, weights_bytes=74 * GIB), Verdict.DOES_NOT_FIT,
                     Reason.OUT_OF_MEMORY, id="weights that do not fit come first"),
    ],
)  # fmt: skip
def test_the_verdict_is_exact_to_the_byte(given: Budget, verdict: Verdict, reason: Reason) -> None:
    found = judged(given)
    assert (found.verdict, found.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("free", "high", "verdict", "reason"),
    [
        pytest.param(0, 0, Verdict.FITS, Reason.FITS, id="beside it all is free"),
        pytest.param(-1, 0, Verdict.FITS_TIGHT, Reason.FREE_MEMORY_UNCERTAIN, id="a byte is not certain"),
        pytest.param(-2, -1, Verdict.DOES_NOT_FIT, Reason.OUT_OF_MEMORY, id="a byte is missing"),
    ],
)
def test_a_pinned_cache_must_be_free_beside_the_rest(free: int, high: int, verdict: Verdict, reason: Reason) -> None:
    flags = FLAGS.with_(kv_cache_memory_bytes=PINNED)
    sizes = {"kv_cache_low_bytes": CUP, "kv_cache_bytes": CUP, "kv_cache_high_bytes": CUP, "requested_bytes": GIB}
    needed = budget(**sizes).in_use_bytes(PINNED)
    found = judged(
        budget(**sizes, free_at_start_bytes=needed + free, free_at_start_high_bytes=needed + high), flags
    )  # fmt: skip
    assert (found.verdict, found.reason) == (verdict, reason)
    if verdict is not Verdict.FITS:
        assert found.message() == (
            f"weights (16.00 GiB), the start-up peak and a pinned KV cache of {PINNED / GIB:.2f} GiB need "
            f"{needed / GIB:.2f} GiB, and about {(needed + free) / GIB:.2f} GiB is free at start"
        )


def test_flags_that_failed_are_not_said_to_fit_and_others_are() -> None:
    failed = judged(budget(), failed=frozenset({PLAIN.settings}))
    assert (failed.verdict, failed.reason) == (Verdict.DOES_NOT_FIT, Reason.ALREADY_FAILED)
    assert failed.message().startswith("the same flags failed before, although 1.13 GiB should fit the 1.13 GiB")
    other = judged(budget(), failed=frozenset({PLAIN.settings.with_(max_num_seqs=3)}))
    assert other.verdict is Verdict.FITS


def test_flags_that_failed_keep_a_refusal_that_says_more() -> None:
    given = budget(kv_cache_bytes=1, kv_cache_low_bytes=0)
    failed = judged(given, failed=frozenset({PLAIN.settings}))
    assert failed.reason is Reason.KV_CACHE_TOO_SMALL


def test_a_peak_that_ran_out_of_memory_before_is_refused_whatever_the_cup() -> None:
    assert judged(budget(), peak_bounds=(20 * GIB,)).verdict is Verdict.FITS
    over = judged(budget(), peak_bounds=(20 * GIB - 1,))
    assert (over.verdict, over.reason) == (Verdict.DOES_NOT_FIT, Reason.OUT_OF_MEMORY)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(
            budget(kv_cache_low_bytes=3 * GIB, kv_cache_bytes=4 * GIB),
            "8,192 tokens need 1.13 GiB of KV cache; vLLM will find about 4.00 GiB (at least 3.00 GiB)",
            id="fits",
        ),
        pytest.param(
            budget(kv_cache_low_bytes=GIB, kv_cache_bytes=4 * GIB),
            "8,192 tokens need 1.13 GiB of KV cache; vLLM will find about 4.00 GiB, but only 1.00 GiB is certain",
            id="tight",
        ),
        pytest.param(
            budget(kv_cache_low_bytes=-GIB, kv_cache_bytes=GIB // 2),
            "8,192 tokens need 1.13 GiB of KV cache, but vLLM will find only about 0.50 GiB",
            id="too small",
        ),
        pytest.param(
            budget(requested_bytes=74 * GIB),
            "utilisation 0.92 asks for 74.00 GiB, but only about 71.00 GiB is free at start",
            id="not so much is free",
        ),
        pytest.param(
            budget(requested_bytes=72 * GIB, kv_cache_bytes=4 * GIB),
            "8,192 tokens need 1.13 GiB of KV cache and would find 4.00 GiB, but utilisation 0.92 asks for 72.00 GiB "
            "while about 71.00 GiB is free at start",
            id="perhaps not so much is free",
        ),
        pytest.param(
            budget(weights_bytes=80 * GIB),
            "weights (80.00 GiB) and the start-up peak need 85.00 GiB, more than the 71.00 GiB that is free at start",
            id="out of memory",
        ),
        pytest.param(
            budget(weights_bytes=66 * GIB, kv_cache_bytes=-GIB, kv_cache_low_bytes=-2 * GIB),
            "weights (66.00 GiB) and the start-up peak need 71.00 GiB of the 70.00 GiB requested: nothing is left for "
            "KV cache",
            id="nothing left",
        ),
    ],
)
def test_a_verdict_names_its_figures(given: Budget, words: str) -> None:
    assert judged(given).message() == words
