"""Regimes of start-ups: which one a plan belongs to, and that each half-width is what the published start-ups earn."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from startup_shapes import EXPERTS, gpu, model

from accuracy.regimes import LeftOut, half_width, left_out, of_regime, share_inside, source_of
from project import ROOT
from vlm_operator.capacity.startup.regimes import EARNED, Earned, Place, Regime, has_nvfp4_experts, regime_of
from vlm_operator.engine.budget_rules import Formula
from vlm_operator.gpu.facts import GPUFacts, MemoryKind, Platform
from vlm_operator.model.facts import ModelFacts, Quantization
from vlm_operator.model.weights.quantization import NVFP4

LINUX, WSL2, WINDOWS = (gpu(platform=platform) for platform in (Platform.LINUX, Platform.WSL2, Platform.WINDOWS))
UNIFIED = gpu(memory_kind=MemoryKind.UNIFIED)
DENSE, MIXED = model(), model(experts=EXPERTS)
NVFP4_DENSE, NVFP4_EXPERTS = model(quantization=NVFP4), model(quantization=NVFP4, experts=EXPERTS)
FP8 = Quantization("fp8", 8)
SOME_NVFP4 = model(experts=EXPERTS, quantization=Quantization("modelopt", 8, listed=(("*experts*", NVFP4),)))
MXFP4 = model(experts=EXPERTS, quantization=Quantization("mxfp4", 4, group_size=32, scale_bytes=1))


@functools.lru_cache(maxsize=1)
def published() -> list[LeftOut]:
    return left_out()


@pytest.mark.parametrize(
    ("of", "card", "formula", "name"),
    [
        pytest.param(DENSE, LINUX, Formula.PEAK, "Linux, vLLM 0.11 to 0.26", id="0.11 to 0.19"),
        pytest.param(DENSE, LINUX, Formula.PEAK_AND_GRAPHS, "Linux, vLLM 0.11 to 0.26", id="0.20 to 0.26"),
        pytest.param(DENSE, LINUX, Formula.CONSUMED, "Linux, vLLM 0.27 and later", id="0.27 and later"),
        pytest.param(MIXED, LINUX, Formula.PEAK, "Linux, vLLM 0.11 to 0.26", id="experts in 16 bits"),
        pytest.param(NVFP4_DENSE, LINUX, Formula.PEAK, "Linux, vLLM 0.11 to 0.26", id="NVFP4 without experts"),
        pytest.param(DENSE, WSL2, Formula.PEAK_AND_GRAPHS, "Windows or WSL2, vLLM 0.11 to 0.26", id="WSL2"),
        pytest.param(DENSE, WINDOWS, Formula.PEAK, "Windows or WSL2, vLLM 0.11 to 0.26", id="Windows"),
        pytest.param(NVFP4_EXPERTS, LINUX, Formula.PEAK, "experts in NVFP4, vLLM 0.11 to 0.26", id="NVFP4 experts"),
        pytest.param(NVFP4_EXPERTS, WSL2, Formula.PEAK, "experts in NVFP4, vLLM 0.11 to 0.26", id="the same, WSL2"),
        pytest.param(DENSE, UNIFIED, Formula.PEAK, "unified memory, vLLM 0.11 to 0.26", id="unified memory"),
        pytest.param(NVFP4_EXPERTS, UNIFIED, Formula.PEAK, "unified memory, vLLM 0.11 to 0.26", id="the same, NVFP4"),
        pytest.param(DENSE, UNIFIED, Formula.CONSUMED, "unified memory, vLLM 0.27 and later", id="the same, 0.27"),
        pytest.param(None, LINUX, Formula.PEAK, "Linux, vLLM 0.11 to 0.26", id="a model that is not known"),
    ],
)
def test_a_start_up_belongs_to_one_regime(of: ModelFacts | None, card: GPUFacts, formula: Formula, name: str) -> None:
    found = regime_of(of, card, formula)
    assert (found.name, found.seen) == (name, True)


@pytest.mark.parametrize(
    ("of", "card", "related"),
    [
        pytest.param(
            DENSE,
            WSL2,
            ["Windows or WSL2, vLLM 0.11 to 0.26", "Linux, vLLM 0.27 and later"],
            id="WSL2 from 0.27 on: as wide as older ones, and as Linux",
        ),
        pytest.param(
            NVFP4_EXPERTS,
            LINUX,
            ["experts in NVFP4, vLLM 0.11 to 0.26", "Linux, vLLM 0.27 and later"],
            id="NVFP4 experts from 0.27 on",
        ),
    ],
)
def test_a_kind_that_nobody_published_gets_the_widest_of_related_ones(
    of: ModelFacts, card: GPUFacts, related: list[str]
) -> None:
    found = regime_of(of, card, Formula.CONSUMED)
    widths = {earned.regime.name: earned.regime.half_width for earned in EARNED}
    assert not found.seen
    assert found.half_width == max(widths[name] for name in related)


@pytest.mark.parametrize("formula", list(Formula))
@pytest.mark.parametrize("card", [LINUX, WSL2, UNIFIED], ids=["linux", "wsl2", "unified"])
@pytest.mark.parametrize("of", [DENSE, NVFP4_EXPERTS], ids=["dense", "nvfp4 experts"])
def test_every_start_up_has_a_regime_and_no_two(of: ModelFacts, card: GPUFacts, formula: Formula) -> None:
    place = Place.UNIFIED if card is UNIFIED else Place.WINDOWS if card is WSL2 else Place.LINUX
    assert sum(earned.holds(formula, place, has_nvfp4_experts(of)) for earned in EARNED) <= 1
    assert regime_of(of, card, formula).half_width > 0


@pytest.mark.parametrize(
    ("of", "nvfp4"),
    [
        pytest.param(NVFP4_EXPERTS, True, id="all in NVFP4"),
        pytest.param(SOME_NVFP4, True, id="only experts in NVFP4"),
        pytest.param(NVFP4_DENSE, False, id="no experts"),
        pytest.param(MIXED, False, id="16 bits"),
        pytest.param(model(experts=EXPERTS, quantization=FP8), False, id="FP8"),
        pytest.param(MXFP4, False, id="MXFP4"),
    ],
)
def test_experts_in_nvfp4_are_told_from_others(of: ModelFacts, nvfp4: bool) -> None:
    assert has_nvfp4_experts(of) is nvfp4


@pytest.mark.parametrize("earned", EARNED, ids=lambda earned: earned.regime.name)
def test_a_half_width_is_what_the_published_start_ups_earn(earned: Earned) -> None:
    some = of_regime(published(), earned)
    assert (earned.regime.start_ups, earned.regime.sources) == (len(some), len({each.source for each in some}))
    assert earned.regime.half_width == pytest.approx(half_width(some))
    assert share_inside(some, earned.regime.half_width) >= 0.9
    assert share_inside(some, earned.regime.half_width - 0.01) < 0.9


def start_up(source: str, error: float, own_doubt: float = 0.0) -> LeftOut:
    unused: Any = None
    return LeftOut(unused, source, Regime("Linux", 0, 0, 0), error, own_doubt)


@pytest.mark.parametrize(
    ("some", "width"),
    [
        pytest.param([start_up("a", 0.2), start_up("b", -0.301)], 0.31, id="two sources: both, rounded up"),
        pytest.param([*(start_up(str(each), 0.1) for each in range(9)), start_up("off", 2.0)], 0.1, id="nine of ten"),
        pytest.param([*(start_up("a", 0.1) for _ in range(99)), start_up("b", 2.0)], 2.0, id="a source counts once"),
        pytest.param([start_up("a", 0.5, own_doubt=0.3)], 0.4, id="less where a start-up has a doubt of its own"),
        pytest.param([start_up("a", 0.2, own_doubt=0.3)], 0.0, id="nothing where that holds it"),
    ],
)
def test_a_half_width_holds_nine_of_ten_each_source_counting_once(some: list[LeftOut], width: float) -> None:
    assert half_width(some) == pytest.approx(width)


@pytest.mark.parametrize(
    ("row", "source"),
    [
        pytest.param({"source": "https://github.com/a/b/blob/main/x.log"}, "github.com/a/b", id="a repository"),
        pytest.param(
            {"source": "https://github.com/vllm-project/vllm/issues/36973"},
            "github.com/vllm-project/vllm/issues/36973",
            id="an issue of vLLM's",
        ),
        pytest.param({"source": "https://example.org/x/y"}, "example.org", id="a site"),
        pytest.param({"source": None, "gpu": "L4", "vllm": "0.21.0"}, "L4 0.21", id="no address"),
    ],
)
def test_sources_are_told_apart(row: dict[str, Any], source: str) -> None:
    assert source_of(row) == source


def test_the_page_of_limits_claims_the_bounds_that_were_earned() -> None:
    page = (ROOT / "docs/limits.md").read_text()
    widths = [f"±{earned.regime.half_width:.2f}" for earned in EARNED]
    assert [width for width in widths[:-1] if width not in page] == []
    assert f"rest on {sum(earned.regime.start_ups for earned in EARNED)} published start-ups" in page


def test_the_start_ups_of_a_regime_are_those_of_the_accuracy_page() -> None:
    """The page is written from the published start-ups (``hack/accuracy``)."""
    lines = [line.strip("| ") for line in (ROOT / "docs/accuracy.md").read_text().splitlines() if "| ±" in line]
    rows = [line.split(" | ") for line in lines if " of " in line and not line.startswith("&emsp;")]
    told = {row[0]: (int(row[1]), int(row[2]), float(row[5].strip("±"))) for row in rows}
    known = {each.regime.name: (each.regime.start_ups, each.regime.sources, each.regime.half_width) for each in EARNED}
    assert known == told
    assert all(each.regime.seen for each in EARNED)
