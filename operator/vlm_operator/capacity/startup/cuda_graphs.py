"""What does vLLM estimate for CUDA graphs before it captures them?

vLLM captures the largest two graphs of each mode and extrapolates (``profile_cudagraph_memory``). What a captured
graph takes depends on driver and kernels, so the figure is fitted: a base and an amount for each graph and layer.
"""

from __future__ import annotations

from vlm_operator.capacity.startup.coefficients import FITTED


def graph_estimate_bytes(
    capture_sizes: tuple[int, ...],
    *,
    max_num_seqs: int,
    layers: int,
    state_layers: bool,
    pipeline_parallel_size: int = 1,
) -> int:
    """Bytes that vLLM sets aside; 0 without graphs.

    Piecewise graphs are captured for every size, full ones for sizes up to ``max_num_seqs``
    (``FULL_AND_PIECEWISE``, the default since 0.11).
    """
    if not capture_sizes:
        return 0
    graphs = len(capture_sizes) + sum(1 for size in capture_sizes if size <= max_num_seqs)
    own_layers = -(-layers // pipeline_parallel_size)
    kind = "state" if state_layers else "plain"
    each = FITTED[f"graphLayer {kind}"].size_bytes
    return FITTED[f"graphBase {kind}"].size_bytes + graphs * own_layers * each // 1000
