"""What of a plan holds on GPUs of any vendor: weights, one request's KV cache, and the room beside them.

The start-up memory model (peak of the profiling run, memory outside torch, graphs) was measured on NVIDIA GPUs. Bytes
of weights and of KV cache follow from the model and vLLM's flags alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.capacity.kv import kv_layout
from vlm_operator.capacity.startup.first_check import requested_bytes
from vlm_operator.capacity.startup.loaded_buffers import loaded_buffer_bytes
from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.evaluation import Cup
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.resolution import resolved
from vlm_operator.planning.workload import wanted_context
from vlm_operator.units import format_gib


@dataclass(frozen=True, slots=True)
class VendorFree:
    """The known terms of one GPU's budget, bytes per GPU.

    Attributes:
        settings: the flags, resolved as vLLM would.
        requested_bytes: what vLLM may use: total x utilisation.
        cup: one request of the context length.
    """

    gpu: GPUFacts
    settings: EngineSettings
    requested_bytes: int
    weights_bytes: int
    cup: Cup

    @property
    def room_bytes(self) -> int:
        """What weights and the cup leave for the start-up peak, graphs and further KV cache; negative if too little."""
        return self.requested_bytes - self.weights_bytes - self.cup.needed_bytes

    @property
    def message(self) -> str:
        """The terms in one sentence."""
        known = (
            f"of {format_gib(self.requested_bytes)} (utilisation {self.settings.gpu_memory_utilization}) weights take "
            f"{format_gib(self.weights_bytes)}, one request of {self.cup.max_model_len:,} tokens takes "
            f"{format_gib(self.cup.needed_bytes)} of KV cache"
        )
        if self.room_bytes < 0:
            return f"{known}: {format_gib(-self.room_bytes)} too much, whatever the start-up takes"
        return (
            f"gpu: what vLLM takes at start-up on {self.gpu.product} is not known; {known}, and "
            f"{format_gib(self.room_bytes)} is left for the start-up peak, graphs and further KV cache"
        )

    @property
    def hint(self) -> str:
        """The next step."""
        if self.room_bytes < 0:
            return "use more GPUs, a shorter context, or a smaller model or checkpoint"
        return (
            f"start it once: it serves if vLLM logs at least {format_gib(self.cup.needed_bytes)} as "
            "'Available KV cache memory'"
        )


def vendor_free(model: ModelFacts, gpu: GPUFacts, intent: Intent, tensor_parallel_size: int) -> VendorFree:
    """The known terms of ``model`` on ``tensor_parallel_size`` GPUs like ``gpu``.

    Raises:
        InputError: the workload or a pinned flag contradicts the model.
        UnknownFact: weights or layout are not known for certain.
    """
    context = wanted_context(model, intent, intent.settings)
    settings = intent.settings.with_(
        tensor_parallel_size=tensor_parallel_size, max_model_len=intent.settings.max_model_len or context.wanted
    )
    settings = resolved(settings, model, gpu, intent.version)
    length = settings.context_tokens
    layout = kv_layout(model, settings, intent.version, gpu.compute_capability)
    return VendorFree(
        gpu=gpu,
        settings=settings,
        requested_bytes=requested_bytes(gpu.total_bytes, settings.gpu_memory_utilization or 0.0, intent.version),
        weights_bytes=weight_bytes(model, settings, intent.version, gpu.compute_capability).total
        + loaded_buffer_bytes(model, settings, intent.version),
        cup=Cup(length, layout.least_bytes_that_start(length)),
    )
