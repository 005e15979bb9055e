"""``vlmctl plan --gpu local`` plans on the cards that are there, never on more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.agent import nvml
from vlm_operator.cli.main import main
from vlm_operator.gpu.measured import MeasuredGPU
from vlm_operator.units import GIB

Cards = Callable[..., None]


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Cards:
    """Stands in for the driver: the cards of this machine, by name, all idle."""

    def there_are(*names: str) -> None:
        found = tuple(
            nvml.LocalGPU(MeasuredGPU(index, f"GPU-{index}", name, 80 * GIB, 80 * GIB, (9, 0)), "580.95")
            for index, name in enumerate(names)
        )
        monkeypatch.setattr(nvml, "local_gpus", lambda platform=None: found)

    return there_are


def planned(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """(exit code, JSON of the plan or None)."""
    with pytest.raises(SystemExit) as ended:
        main(["plan", *arguments, "--gpu", "local", "--offline", "-o", "json"])
    printed = capsys.readouterr().out
    return int(ended.value.code or 0), json.loads(printed) if printed else None


H100 = "NVIDIA H100 80GB HBM3"
TOO_LARGE_FOR_ONE = "Qwen/Qwen3-VL-32B-Instruct"


@pytest.mark.parametrize(
    ("names", "verdict", "count"),
    [
        pytest.param((H100,), "DoesNotFit", 1, id="one card"),
        pytest.param((H100, H100), "Fits", 2, id="two cards"),
        pytest.param((H100, "NVIDIA L4"), "DoesNotFit", 1, id="another card beside it does not count"),
    ],
)
def test_no_more_cards_are_planned_than_there_are(
    cards: Cards, capsys: pytest.CaptureFixture[str], names: tuple[str, ...], verdict: str, count: int
) -> None:
    cards(*names)
    _, found = planned(capsys, TOO_LARGE_FOR_ONE, "--min-context", "200000", "--no-fp8-kv-cache")
    assert (found["verdict"], found["gpu"]["count"]) == (verdict, count)


@pytest.mark.parametrize("flag", ["--gpu-count", "--tensor-parallel-size"])
def test_more_cards_than_there_are_is_an_error_that_names_both(
    cards: Cards, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    cards(H100, H100)
    with pytest.raises(SystemExit) as ended:
        main(["plan", "Qwen/Qwen3-VL-8B-Instruct", "--gpu", "local", "--offline", flag, "4"])
    assert ended.value.code == 2
    assert "4 GPUs are needed, this machine has 2 x NVIDIA-H100-80GB-HBM3" in capsys.readouterr().err


DEPLOYMENT = """
apiVersion: vlm-operator.dev/v1alpha1
kind: VLMDeployment
metadata: {name: large}
spec:
  model: {id: Qwen/Qwen3-VL-32B-Instruct}
  gpu: {product: NVIDIA-L4}
  goal: Throughput
  context: {minimum: 131072}
"""


@pytest.mark.parametrize(
    ("names", "count"),
    [pytest.param((H100, H100), 2, id="two cards"), pytest.param((H100, H100, H100, H100), 2, id="the fewest of four")],
)
def test_a_file_is_planned_on_the_cards_of_this_machine(
    cards: Cards, capsys: pytest.CaptureFixture[str], tmp_path: Path, names: tuple[str, ...], count: int
) -> None:
    cards(*names)
    file = tmp_path / "large.yaml"
    file.write_text(DEPLOYMENT)
    _, found = planned(capsys, "-f", str(file))
    assert (found["gpu"]["product"], found["gpu"]["count"]) == ("NVIDIA-H100-80GB-HBM3", count)
    assert found["verdict"] == "Fits"


def test_a_file_that_asks_for_more_cards_than_there_are_is_an_error_that_names_both(
    cards: Cards, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cards(H100)
    file = tmp_path / "large.yaml"
    file.write_text(DEPLOYMENT.replace("{product: NVIDIA-L4}", "{product: NVIDIA-L4, count: 2}"))
    with pytest.raises(SystemExit) as ended:
        main(["plan", "-f", str(file), "--gpu", "local", "--offline"])
    assert ended.value.code == 2
    assert "2 GPUs are needed, this machine has 1 x NVIDIA-H100-80GB-HBM3" in capsys.readouterr().err
