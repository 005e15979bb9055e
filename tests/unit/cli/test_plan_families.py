"""Plans of real models end to end, where a fact of their family decides."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from vlm_operator.cli.plan import command


def test_glm_4_1v_fits_a_24_gib_card_with_images_and_a_video() -> None:
    """Refused while the start-up peak took the merger's width for that of the tower's blocks."""
    arguments = ["zai-org/GLM-4.1V-9B-Thinking", "--gpu", "RTX-4090", "--gpu-count", "1"]
    result = CliRunner().invoke(command, [*arguments, "--images", "2@1920x1080", "--videos", "1@60s", "-o", "json"])
    assert json.loads(result.stdout)["verdict"] == "Fits"


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        pytest.param("google/gemma-4-E4B-it", 2048, id="attends causally: the default batch"),
        pytest.param("google/gemma-4-31B-it", 2496, id="items attend both ways: one batch holds the largest"),
    ],
)
def test_a_batch_grows_only_where_items_attend_both_ways(model: str, tokens: int) -> None:
    flags = ["--gpu", "A100-80GB", "--max-model-len", "8192", "--enforce-eager"]
    result = CliRunner().invoke(command, [model, *flags, "-o", "json"])
    assert json.loads(result.stdout)["flags"]["max_num_batched_tokens"] == tokens
