"""A container of exactly the bytes that a context needs is enough; one byte less is not."""

from __future__ import annotations

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.resolution import resolved
from vlm_operator.planning.verdict import Reason, Verdict

LENGTH = 32768


@pytest.mark.parametrize("minor", [28, 29, 32])
@pytest.mark.parametrize(
    ("more", "verdict", "reason"),
    [
        pytest.param(0, Verdict.FITS, Reason.FITS, id="to the byte"),
        pytest.param(-1, Verdict.DOES_NOT_FIT, Reason.KV_CACHE_TOO_SMALL, id="a byte short"),
    ],
)
def test_a_container_that_is_set_is_judged_to_the_byte(minor: int, more: int, verdict: Verdict, reason: Reason) -> None:
    model, card, version = qwen3_vl(), gpu("NVIDIA-H100-80GB-HBM3"), EngineVersion(0, minor)
    flags = EngineSettings(max_model_len=LENGTH)
    least = kv_layout(model, resolved(flags, model, card, version), version).least_bytes_that_start(LENGTH)
    asked = Intent(
        settings=flags.with_(kv_cache_memory_bytes=least + more),
        pinned=frozenset({"max_model_len", "kv_cache_memory_bytes"}),
        version=version,
        gpu_count=1,
        is_prediction=True,
    )
    made = plan(model, card, asked)
    assert (made.verdict, made.reason) == (verdict, reason)
