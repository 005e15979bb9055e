"""One server on one MIG slice: no parallelism over slices is chosen, offered or let pass."""

from __future__ import annotations

import pytest

from builders import gpu
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility import InfeasibleReason, refusals
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model

MODEL = "Qwen/Qwen3-VL-8B-Instruct"
SLICE = "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb"
LARGE_SLICE = "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb"
REASON = InfeasibleReason.MIG_SLICES_NOT_CONNECTED


@pytest.mark.parametrize(
    ("product", "flags", "refused"),
    [
        pytest.param(SLICE, {"tensor_parallel_size": 2}, "tensor_parallel_size", id="tensor parallelism"),
        pytest.param(SLICE, {"pipeline_parallel_size": 2}, "pipeline_parallel_size", id="pipeline parallelism"),
        pytest.param(LARGE_SLICE, {"tensor_parallel_size": 2}, "tensor_parallel_size", id="of larger slices"),
        pytest.param(LARGE_SLICE, {}, None, id="one slice"),
        pytest.param(LARGE_SLICE, {"data_parallel_size": 2}, None, id="replicas need no peer access"),
        pytest.param("H100", {"tensor_parallel_size": 2}, None, id="whole GPUs"),
    ],
)
def test_ranks_over_mig_slices_are_refused(product: str, flags: dict[str, int], refused: str | None) -> None:
    found = refusals(load_model(MODEL, offline=True), EngineSettings(**flags), gpu(product), EngineVersion(0, 32))
    assert [each.flag for each in found if each.reason is REASON] == ([] if refused is None else [refused])


def test_a_model_too_large_for_a_slice_is_refused_whatever_the_number_of_slices() -> None:
    made = plan(load_model(MODEL, offline=True), gpu(SLICE), Intent(gpus_available=7))
    assert (made.verdict, made.gpu_count) == (Verdict.DOES_NOT_FIT, 1)
    assert "more GPUs" not in (made.hint or "")
    assert not [each for each in made.remedies if dict(each.change).get("tensor_parallel_size", 1) > 1]


def test_a_model_that_fits_a_slice_takes_one() -> None:
    made = plan(load_model(MODEL, offline=True), gpu(LARGE_SLICE), Intent(gpus_available=2))
    assert (made.fits, made.gpu_count) == (True, 1)


def test_a_pinned_size_is_unsupported_with_the_flag_to_change() -> None:
    intent = Intent(
        settings=EngineSettings(tensor_parallel_size=2),
        pinned=frozenset({"tensor_parallel_size"}),
        gpus_available=2,
    )
    made = plan(load_model(MODEL, offline=True), gpu(LARGE_SLICE), intent)
    assert (made.verdict, made.reason) == (Verdict.UNSUPPORTED, REASON)
    assert "--tensor-parallel-size 1" in (made.hint or "")
