"""The work space of Kimi K3's prefill kernel stays allocated: states of every sequence, by ranks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from startup_shapes import gpu, model, resolved

from vlm_operator.capacity.startup.delta_attention import delta_workspace_bytes
from vlm_operator.model.facts import LayerRun, StateCache, StateDType, StateKind

STATE = StateCache(StateKind.KIMI_DELTA_ATTENTION, 96 * 128, 96, 96, 128, 128, 4, dtype_source=StateDType.FLOAT32)


@pytest.mark.parametrize(
    ("state", "flags", "found"),
    [
        pytest.param(STATE, {"tensor_parallel_size": 8}, 8192 * 12 * 256 + 2 * 256 * 12 * 65536, id="eight-ranks"),
        pytest.param(STATE, {"max_num_seqs": 64}, 8192 * 96 * 256 + 2 * 64 * 96 * 65536, id="fewer-sequences"),
        pytest.param(replace(STATE, exports_checkpoints=False), {}, 0, id="kimi-linear-has-another-kernel"),
        pytest.param(replace(STATE, kind=StateKind.GATED_DELTA_NET), {}, 0, id="gated-delta-net"),
    ],
)
def test_output_and_states_are_kept(state: StateCache, flags: dict[str, int], found: int) -> None:
    of = model(cache_layers=(LayerRun(32, state),))
    settings, _ = resolved("0.33.0", of, gpu(), **{"max_num_batched_tokens": 8192, "max_num_seqs": 256, **flags})
    assert delta_workspace_bytes(of, settings) == found
