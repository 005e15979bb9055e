"""A model that does not fit: its quantised variants that do are named, by the planner's own verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vlm_operator.cli import quantised_variants
from vlm_operator.cli.main import main

L4 = ["--gpu", "NVIDIA-L4", "--gpu-count", "1", "--offline"]


def plan(capsys: pytest.CaptureFixture[str], model: str, *options: str) -> tuple[int, Any]:
    with pytest.raises(SystemExit) as ended:
        main(["plan", model, *options, "-o", "json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_a_variant_whose_config_was_read_is_named_as_fitting(capsys: pytest.CaptureFixture[str]) -> None:
    """15.6 GiB of weights are too many for a T4; the AWQ checkpoint's 6.6 GiB are not."""
    options = ["--gpu", "Tesla-T4", "--gpu-count", "1", "--offline", "--dtype", "half"]
    code, answer = plan(capsys, "Qwen/Qwen2.5-VL-7B-Instruct", *options)
    assert (code, answer["verdict"]) == (3, "DoesNotFit")
    (variant,) = answer["variants"]
    assert (variant["model"], variant["origin"]) == ("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", "read")
    assert plan(capsys, variant["model"], *options)[1]["verdict"] == variant["verdict"]
    assert variant["verdict"] in {"Fits", "FitsTight"}


def test_a_variant_whose_config_was_not_read_is_never_called_fitting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as ended:
        main(["plan", "Qwen/Qwen3-VL-30B-A3B-Instruct", *L4])
    said = capsys.readouterr().out
    assert ended.value.code == 3
    assert "hint: QuantTrio/Qwen3-VL-30B-A3B-Instruct-AWQ (awq, weights 16." in said
    assert "should fit, but its own config was not read," in said
    assert "Qwen3-VL-30B-A3B-Instruct-FP8" not in said, "30 GiB of weights do not fit either"


@pytest.mark.parametrize(
    ("model", "options"),
    [
        pytest.param("Qwen/Qwen2.5-VL-7B-Instruct", ["--gpu", "H100"], id="a model that fits"),
        pytest.param("Qwen/Qwen3-VL-30B-A3B-Instruct-FP8", L4, id="a model that is quantised itself"),
        pytest.param("openbmb/MiniCPM-V-4.6", [*L4, "--min-context", "4000000"], id="a context beyond the model's own"),
    ],
)
def test_nothing_is_suggested_where_no_variant_helps(
    model: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "variants" not in plan(capsys, model, *options)[1]


def test_few_variants_are_planned(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[str] = []
    load = quantised_variants.catalogue.load

    def counted(entry: Any) -> Any:
        planned.append(entry.id)
        return load(entry)

    monkeypatch.setattr(quantised_variants.catalogue, "load", counted)
    plan(capsys, "Qwen/Qwen3-VL-30B-A3B-Instruct", *L4)
    assert planned[1:] == ["Qwen/Qwen3-VL-30B-A3B-Instruct-FP8", "QuantTrio/Qwen3-VL-30B-A3B-Instruct-AWQ"]
    assert quantised_variants.MOST_PLANS == 4
