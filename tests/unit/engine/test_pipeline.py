"""How vLLM divides layers over pipeline stages."""

from __future__ import annotations

import pytest

from vlm_operator.engine.pipeline import stage_bounds, stage_sizes


@pytest.mark.parametrize(
    ("layers", "stages", "sizes"),
    [
        pytest.param(94, 1, (94,), id="no pipeline"),
        pytest.param(94, 2, (47, 47), id="even"),
        pytest.param(61, 2, (31, 30), id="of two, the first takes what is left over"),
        pytest.param(94, 4, (23, 24, 24, 23), id="of more, those in the middle first"),
        pytest.param(95, 4, (24, 24, 24, 23), id="the last never"),
        pytest.param(27, 8, (3, 3, 3, 3, 4, 4, 4, 3), id="eight stages"),
    ],
)
def test_layers_are_shared_as_get_pp_indices_does(layers: int, stages: int, sizes: tuple[int, ...]) -> None:
    """The sizes are what vLLM 0.33's ``get_pp_indices`` returns."""
    assert stage_sizes(layers, stages) == sizes
    bounds = stage_bounds(layers, stages)
    assert [end - first for first, end in bounds] == list(sizes)
    assert bounds[-1][1] == layers


def test_a_partition_holds_for_the_layers_and_stages_that_it_names() -> None:
    assert stage_sizes(94, 2, (48, 46)) == (48, 46)
    assert stage_sizes(36, 2, (48, 46)) == (18, 18)
    assert stage_sizes(94, 3, (48, 46)) == stage_sizes(94, 3)
