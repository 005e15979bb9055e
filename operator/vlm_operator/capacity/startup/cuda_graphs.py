"""vLLM's estimate of CUDA graph memory before the graphs are captured.

vLLM captures the largest two graphs of each mode and extrapolates: the first capture of the larger mode, and what the
second took for every further graph (``v1/worker/gpu_model_runner.py: profile_cudagraph_memory``; V2 runner
``v1/worker/gpu/cudagraph_utils.py``). What a captured graph takes depends on driver and kernels, so the figures are
fitted: a base and an amount for each graph and layer, and more where ranks talk to each other inside the graph.
"""

from __future__ import annotations

from vlm_operator.capacity.startup.coefficients import FITTED


def graph_count(capture_sizes: tuple[int, ...], max_num_seqs: int) -> int:
    """How many graphs are captured.

    Piecewise graphs for every size, full ones for sizes up to ``max_num_seqs`` (``FULL_AND_PIECEWISE``, the default
    since 0.11).
    """
    return len(capture_sizes) + full_graph_count(capture_sizes, max_num_seqs)


def full_graph_count(capture_sizes: tuple[int, ...], max_num_seqs: int) -> int:
    """How many of them are full graphs, of decoding batches."""
    return sum(1 for size in capture_sizes if size <= max_num_seqs)


def graph_estimate_bytes(
    capture_sizes: tuple[int, ...],
    *,
    max_num_seqs: int,
    layers: int,
    tensor_parallel_size: int = 1,
    variants: int = 1,
) -> int:
    """Bytes that vLLM sets aside; 0 without graphs.

    Args:
        layers: those of the rank's pipeline stage.
        variants: graphs of each size (``EngineSettings.graphs_per_size``).
    """
    if not capture_sizes:
        return 0
    graph_layers = graph_count(capture_sizes, max_num_seqs) * layers * variants
    each = FITTED["graphLayer"].size_bytes + (FITTED["graphPeers"].size_bytes if tensor_parallel_size > 1 else 0)
    return FITTED["graphBase"].size_bytes + graph_layers * each // 1000
