"""Figures that vLLM printed in the newest start of a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from vlm_operator.engine.log_wordings import Figure
from vlm_operator.engine.log_wordings.compile_cache import compile_cache_of, is_saved_only
from vlm_operator.engine.log_wordings.progress import TENSOR_PARALLEL_RANK
from vlm_operator.units import GIB


@dataclass(frozen=True, slots=True)
class Observation:
    """Figures as printed; None where the log does not hold one. ``…_gib`` are GiB, ``…_bytes()`` the same in bytes.

    Where several workers print one, the tightest counts: the largest consumption, the smallest KV cache.

    Attributes:
        weights_gib: weights per GPU.
        kv_gib: memory for the KV cache per GPU; below zero where nothing is left.
        kv_tokens: tokens that the KV cache holds.
        concurrency: requests of ``max_model_len`` that it holds at once.
        graph_gib: CUDA graphs, measured.
        graph_est_gib: CUDA graphs, estimated before the KV cache was sized.
        free_gib: free at the start.
        total_gib: total of the device.
        requested_gib: total x utilisation.
        activation_gib: peak of the profiling run; holds the graph estimate from 0.27 on.
        non_torch_gib: CUDA context, NCCL and others outside PyTorch's allocator.
        max_model_len: context length that is served or was tried.
        consumed_gib: weights and non-torch together, as 0.27 and later print them.
        utilization: ``--gpu-memory-utilization`` as printed with the budget.
        encoder_budget: tokens of the encoder cache; ``items`` of ``modality`` were profiled.
        gpu_blocks, cpu_blocks: block counts of the V0 engine.
        kv_bytes_requested, kv_bytes_gpu: ``--kv-cache-memory-bytes`` that would fit the requested, the whole memory.
        auto_fit_from, auto_fit_to, auto_fit_full: what ``--max-model-len auto`` found.
        secs: seconds of graph capture. seconds: seconds of engine initialisation.
        max_num_batched_tokens, block_size, architecture, runner, device: as printed.
        tensor_parallel_size: as the engine's configuration prints it.
        workers_seen: ranks of tensor parallelism that printed something: the size is that or more.
        compile_cache: ``cold`` where torch.compile compiled a graph, ``warm`` where it loaded all, None where the log
            does not say; a cold start measures a higher activation peak.
        platform: ``WSL`` where vLLM noticed it: the device's total is another than under Linux.
        pinned_kv_gib: KV cache that ``--kv-cache-memory-bytes`` asked for.
        flags: flags that were set, as vLLM prints its non-default arguments.
    """

    weights_gib: float | None = None
    kv_gib: float | None = None
    kv_tokens: int | None = None
    concurrency: float | None = None
    graph_gib: float | None = None
    graph_est_gib: float | None = None
    free_gib: float | None = None
    total_gib: float | None = None
    requested_gib: float | None = None
    activation_gib: float | None = None
    non_torch_gib: float | None = None
    max_model_len: int | None = None
    compile_cache: str | None = None
    consumed_gib: float | None = None
    utilization: float | None = None
    encoder_budget: int | None = None
    items: int | None = None
    modality: str | None = None
    gpu_blocks: int | None = None
    cpu_blocks: int | None = None
    kv_bytes_requested: int | None = None
    kv_bytes_gpu: int | None = None
    auto_fit_from: int | None = None
    auto_fit_to: int | None = None
    auto_fit_full: int | None = None
    secs: int | None = None
    seconds: float | None = None
    max_num_batched_tokens: int | None = None
    block_size: int | None = None
    architecture: str | None = None
    runner: str | None = None
    device: str | None = None
    tensor_parallel_size: int | None = None
    workers_seen: int | None = None
    platform: str | None = None
    pinned_kv_gib: float | None = None
    flags: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def bytes_of(self, name: str) -> int | None:
        """The figure ``name`` (``weights``, ``kv``, ``free``, …) in bytes, or None.

        >>> Observation(kv_gib=1.5).bytes_of("kv")
        1610612736
        """
        value: float | None = getattr(self, f"{name}_gib")
        return None if value is None else round(value * GIB)


_SMALLEST: Final = frozenset(
    {"kv_gib", "kv_tokens", "concurrency", "free_gib", "gpu_blocks", "kv_bytes_requested", "kv_bytes_gpu"}
)
_LARGEST: Final = frozenset(
    {
        "weights_gib", "graph_gib", "graph_est_gib", "activation_gib", "non_torch_gib", "consumed_gib",
        "encoder_budget", "secs", "seconds", "workers_seen",
    }
)  # fmt: skip
_NEWEST: Final = frozenset({"runner", "auto_fit_from", "auto_fit_to", "auto_fit_full"})
_NAMES: Final = frozenset(each.name for each in fields(Observation)) - {"flags"}


_OF_FAILURES: Final[Mapping[str, str]] = {
    "free_gib": "free_gib",
    "total_gib": "total_gib",
    "requested_gib": "requested_gib",
    "utilization": "utilization",
    "available_gib": "kv_gib",
    "kv_cache_tokens": "kv_tokens",
    "max_model_len": "max_model_len",
}
"""Figure of a failure to the figure of an observation that it is."""


def _rounds_to(precise: float, value: float) -> bool:
    """Whether ``value`` is ``precise`` with fewer decimals: the same figure, printed again."""
    decimals = len(repr(value).partition(".")[2])
    return len(repr(precise).partition(".")[2]) > decimals and round(precise, decimals) == value


class ObservationCollector:
    """Gathers figures while a log is read. Its size does not depend on the log."""

    def __init__(self) -> None:
        self._figures: dict[str, Figure] = {}
        self._flags: dict[str, Any] = {}
        self._length_is_final = False

    def add(self, figures: Mapping[str, Figure]) -> None:
        """Take in the figures of one sentence."""
        for name, value in figures.items():
            if name in _NAMES and name != "max_model_len":
                self._keep(name, value)
        length = figures.get("max_model_len", figures.get("auto_fit_to", figures.get("auto_fit_full")))
        if isinstance(length, int) and not self._length_is_final:
            # The concurrency line and auto-fit tell what is served; "Using max model len" repeats for a draft model.
            self._length_is_final = len(figures) > 1 or "max_model_len" not in figures
            if self._length_is_final or "max_model_len" not in self._figures:
                self._figures["max_model_len"] = length

    def add_from_failure(self, numbers: Mapping[str, Figure]) -> None:
        """Take in what a failure says about the budget, where no measured line said it."""
        for name, figure in _OF_FAILURES.items():
            value = numbers.get(name)
            if value is not None and figure not in self._figures:
                self._figures[figure] = value
        if "total" in numbers and numbers.get("total_unit") == "GiB":
            self._figures.setdefault("total_gib", numbers["total"])

    def _keep(self, name: str, value: Figure) -> None:
        old = self._figures.get(name)
        if old is None or name in _NEWEST:
            self._figures[name] = value
        elif isinstance(old, int | float) and isinstance(value, int | float):
            if name in _SMALLEST:
                self._figures[name] = min(old, value)
            elif name in _LARGEST and not _rounds_to(old, value):
                self._figures[name] = max(old, value)

    def see_compilation(self, text: str) -> bool:
        """Take in what ``text`` says of torch.compile's cache, and tell whether it does: one compiled graph is cold."""
        state = compile_cache_of(text)
        if state is None:
            return False
        present = self._figures.get("compile_cache")
        if present is None or (state == "cold" and not is_saved_only(text)):
            self._figures["compile_cache"] = state
        return True

    def see_worker(self, process: str) -> None:
        """Take in the rank that stands in the name of a worker process."""
        rank = TENSOR_PARALLEL_RANK.search(process)
        if rank is not None:
            self._keep("workers_seen", int(rank["rank"]) + 1)

    def set_flags(self, flags: Mapping[str, Any]) -> None:
        """Take in the flags that vLLM printed as non-default."""
        self._flags = dict(flags)

    def observation(self) -> Observation:
        """What was gathered."""
        figures: dict[str, Any] = dict(self._figures)
        return Observation(**figures, flags=dict(self._flags))
