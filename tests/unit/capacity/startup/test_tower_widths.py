"""The encoder's peak is that of the tower whose weights are built, end to end."""

from __future__ import annotations

import pytest

from vlm_operator.capacity.startup import startup_budget
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.planning.resolution import resolved
from vlm_operator.sources import load_model
from vlm_operator.units import GIB


@pytest.mark.parametrize("name", ["zai-org/GLM-4.1V-9B-Thinking", "zai-org/GLM-4.6V-Flash"])
def test_glm_4v_peaks_by_the_width_of_its_blocks_not_of_its_merger(name: str) -> None:
    """vLLM's profiling run peaks at 4.93 GiB on a simulated GPU; by the merger's width it would be 9.96."""
    model, gpu, version = load_model(name, offline=True), find_gpu("L40S"), EngineVersion.parse("0.32.0")
    settings = resolved(EngineSettings(max_model_len=65536), model, gpu, version)
    peak = startup_budget(model, gpu, settings, version).activation_peak_bytes / GIB
    assert peak == pytest.approx(4.98, abs=0.2)
