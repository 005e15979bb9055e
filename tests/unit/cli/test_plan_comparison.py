"""An upgrade breaks a plan only where it is known not to start."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from builders import gpu, qwen3
from vlm_operator.cli.plan import command
from vlm_operator.cli.plan_comparison import compared
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.verdict import Verdict

PINNED = frozenset({"max_model_len"})
PLAN = ("Qwen/Qwen3-VL-8B-Instruct", "--gpu", "L40S", "--gpu-count", "1", "--offline", "-o", "json")


@pytest.mark.parametrize(
    ("more", "breaks", "unknown"),
    [
        pytest.param(("--compare", "0.31.0"), False, False, id="both fit"),
        pytest.param(("--compare", "0.99.0"), False, True, id="a release that nobody read"),
        pytest.param(
            ("--vllm-version", "0.27.0", "--quantization", "bitsandbytes", "--compare", "0.28.0"),
            False,
            True,
            id="a quantisation whose fate is not known",
        ),
    ],
)
def test_unknown_is_not_broken(more: tuple[str, ...], breaks: bool, unknown: bool) -> None:
    done = CliRunner().invoke(command, [*PLAN, *more], catch_exceptions=False)
    answer = json.loads(done.stdout)
    assert answer["verdict"][0] == "Fits"
    assert (answer["breaks"], answer["unknown"]) == (breaks, unknown)


def test_a_release_on_which_the_plan_does_not_fit_breaks_it() -> None:
    fits, fails = (
        plan(qwen3(), gpu(product), Intent(settings=EngineSettings(max_model_len=8192), pinned=PINNED, gpu_count=1))
        for product in ("L4", "T4")
    )
    assert (fits.verdict, fails.verdict) == (Verdict.FITS, Verdict.DOES_NOT_FIT)
    assert compared(fits, fails)["breaks"] is True
    assert compared(fails, fits)["breaks"] is False
    assert compared(fits, fails)["unknown"] is False


def test_words_for_people_say_not_known() -> None:
    done = CliRunner().invoke(command, [*PLAN[:-2], "--compare", "0.99.0"], catch_exceptions=False)
    assert "breaks" not in done.stdout
    assert "vLLM 0.99.0: not known: " in done.stdout
