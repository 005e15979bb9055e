"""A plan for a model that our own code does not know, from what vLLM said of it: only for the flags it was asked.

Weights, start-up peak and KV cache are vLLM's; memory outside torch and CUDA graphs are our terms. Nothing is chosen:
the verdict is about the flags of the dry run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from vlm_operator.capacity.startup.coefficients import SMALL_BUFFERS_BYTES
from vlm_operator.capacity.startup.cuda_graphs import graph_estimate_bytes
from vlm_operator.capacity.startup.first_check import requested_bytes
from vlm_operator.capacity.startup.non_torch import non_torch_bytes
from vlm_operator.capacity.startup.regimes import Regime, regime_of
from vlm_operator.capacity.startup.uncertainty import PEER_GRAPHS_SHARE, UNMET_ENCODER_SHARE
from vlm_operator.engine.budget_rules import Formula, budget_rules
from vlm_operator.engine.defaults import capture_sizes, default_gpu_memory_utilization
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion, is_known
from vlm_operator.engine_facts.document import EngineFacts
from vlm_operator.engine_facts.report import DryRunReport, Moments
from vlm_operator.errors import UnknownFact
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.units import GIB, format_gib


@dataclass(frozen=True, slots=True)
class FactsPlan:
    """The budget of one GPU with the flags of a dry run, bytes.

    Attributes:
        needed_bytes: what one request of ``max_model_len`` needs.
        longest_context: the longest length that was asked and that the best estimate holds, 0 if none.
    """

    verdict: Verdict
    reason: Reason
    requested_bytes: int
    weights_bytes: int
    activation_peak_bytes: int
    non_torch_bytes: int
    cuda_graph_bytes: int
    kv_cache_bytes: int
    kv_cache_low_bytes: int
    kv_cache_high_bytes: int
    max_model_len: int
    needed_bytes: int
    bytes_per_block: int
    longest_context: int

    @property
    def message(self) -> str:
        """The verdict in one sentence, with its numbers."""
        return (
            f"one request of {self.max_model_len:,} tokens needs {format_gib(self.needed_bytes)} of KV cache; "
            f"{format_gib(self.kv_cache_bytes)} are left ({format_gib(self.kv_cache_low_bytes)} to "
            f"{format_gib(self.kv_cache_high_bytes)}), by vLLM's own weights and start-up peak"
        )


def facts_plan(
    facts: EngineFacts,
    gpu: GPUFacts,
    version: EngineVersion,
    *,
    max_model_len: int | None = None,
    measured_bytes: int | None = None,
) -> FactsPlan:
    """The plan of the facts' own flags.

    Args:
        max_model_len: one of the lengths asked, in place of the one that was served: the start-up peak is then an upper
            bound, because items of a shorter context are not larger.
        measured_bytes: KV cache that a start-up of these flags found, in place of the estimate.

    Raises:
        UnknownFact: the dry run did not get to the end of the profiling run.
    """
    report, settings = facts.report, facts.settings
    moments, weights, block = report.moments, report.weights_bytes, report.bytes_per_block
    if moments is None or weights is None or block is None or not report.needs:
        raise UnknownFact("facts: the dry run did not end, so that no budget can be made of it", field="facts")
    peak = moments.peak_bytes + SMALL_BUFFERS_BYTES
    runner = str(report.document.get("runner") or "V1")
    rules = budget_rules(version, runner)
    outside = non_torch_bytes(gpu, version, rules.formula, settings.tensor_parallel_size)
    if rules.formula is Formula.CONSUMED:
        outside += int(report.document.get("runnerBufferBytes") or 0)
    graphs = _graph_bytes(report, settings, gpu, version) if rules.subtracts_graph_estimate else 0
    utilization = settings.gpu_memory_utilization or default_gpu_memory_utilization(version)
    requested = requested_bytes(gpu.total_bytes, utilization, version)
    best = requested - weights - peak - outside - graphs
    regime = regime_of(None, gpu, rules.formula)
    width = _half_width_bytes(moments, regime, graphs, settings, bool(report.unmodelled))
    if not is_known(version):
        width *= 2  # rules of the newest release that was read
    if measured_bytes is not None:
        best, width = measured_bytes, 0
    served = max_model_len or report.settings.get("max_model_len", report.needs[-1].max_model_len)
    needed = next(need.needed_bytes for need in report.needs if need.max_model_len == served) + block
    verdict, reason = _verdict(best, best - width, needed)
    fitting = [need.max_model_len for need in report.needs if need.needed_bytes + block <= best]
    return FactsPlan(
        verdict, reason, requested, weights, peak, outside, graphs, best, best - width, best + width,
        served, needed, block, max(fitting, default=0),
    )  # fmt: skip


def _verdict(best: int, low: int, needed: int) -> tuple[Verdict, Reason]:
    if best <= 0:
        return Verdict.DOES_NOT_FIT, Reason.NO_KV_CACHE_MEMORY
    if needed > best:
        return Verdict.DOES_NOT_FIT, Reason.KV_CACHE_TOO_SMALL
    return (Verdict.FITS, Reason.FITS) if needed <= low else (Verdict.FITS_TIGHT, Reason.FITS_TIGHT)


def _graph_bytes(report: DryRunReport, settings: EngineSettings, gpu: GPUFacts, version: EngineVersion) -> int:
    """vLLM's estimate of CUDA graphs for the batch sizes that the resolved flags capture."""
    if settings.enforce_eager:
        return 0
    sequences = report.settings.get("max_num_seqs", 1)
    sizes = capture_sizes(
        version,
        max_num_seqs=sequences,
        max_num_batched_tokens=report.settings.get("max_num_batched_tokens", sequences),
        compute_capability=gpu.compute_capability,
        largest=settings.max_cudagraph_capture_size,
    )
    return graph_estimate_bytes(
        sizes,
        max_num_seqs=sequences,
        layers=sum(group.layers for group in report.groups),
        tensor_parallel_size=settings.tensor_parallel_size,
        variants=settings.graphs_per_size,
    )


def _half_width_bytes(moments: Moments, regime: Regime, graphs: int, settings: EngineSettings, unmodelled: bool) -> int:
    """Half-width of the bounds: as for a family of which no start-up was met, more for operators not modelled."""
    return int(
        math.hypot(
            regime.half_width_bytes,
            _UNMET_TEXT_SHARE * (moments.text_bytes or 0),
            UNMET_ENCODER_SHARE * (moments.encoder_bytes or 0),
            PEER_GRAPHS_SHARE * graphs if settings.tensor_parallel_size > 1 else 0,
            _UNMODELLED_BYTES if unmodelled else 0,
        )
    )


_UNMET_TEXT_SHARE: Final = 0.15
"""Of the text pass of a family of which nobody published a start-up."""
_UNMODELLED_BYTES: Final = int(0.22 * GIB)
"""Where operators ran whose workspaces are not simulated."""
