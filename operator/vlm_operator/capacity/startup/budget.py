"""Split the GPU's memory after start-up into its terms, and compute what is left for the KV cache.

``requested = total x utilisation``; from it go weights, the activation peak of the profiling run, memory outside
torch, and from 0.20 an estimate of CUDA graphs. Formulas and their sources: ``engine.budget_rules``.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.capacity.startup.regimes import Regime
from vlm_operator.engine.budget_rules import Formula


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the budget, for people.

    Attributes:
        name: what it is.
        size_bytes: how much.
        why: the formula with its numbers.
    """

    name: str
    size_bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Moments:
    """The peak of each moment of the profiling run above the weights, bytes per GPU, small buffers included.

    Attributes:
        encoder_bytes: while the encoder runs; 0 where none is profiled.
        text_bytes: while the text layers run, beside the encoder's outputs.
        sampler_bytes: while the sampler runs, beside the same.
        kept_bytes: what stays allocated afterwards: workspaces of expert layers, of cuBLAS and of the sampler.
        compilation_bytes: while torch.compile fills an empty cache; 0 where that allocates nothing.
    """

    encoder_bytes: int
    text_bytes: int
    sampler_bytes: int
    kept_bytes: int
    compilation_bytes: int = 0

    @property
    def peak_bytes(self) -> int:
        """The largest of them, at a start whose compile cache is empty."""
        return max(self.encoder_bytes, self.text_bytes, self.sampler_bytes, self.compilation_bytes)


@dataclass(frozen=True, slots=True)
class Budget:
    """Memory of one GPU (the tightest rank), bytes.

    Attributes:
        total_bytes: what CUDA reports as total.
        requested_bytes: what vLLM may use: total x utilisation.
        free_at_start_bytes: what will be free when vLLM looks first.
        free_at_start_high_bytes: the most that may be free: asking for more is refused for certain.
        weights_bytes: "Model loading took".
        activation_peak_bytes: peak of the profiling run above the weights: text, sampler, encoder and workspaces, or
            torch.compile where its cache is empty.
        non_torch_bytes: memory outside torch's allocator, and from 0.27 buffers and fragmentation.
        cuda_graph_bytes: what vLLM sets aside for CUDA graphs, 0 where the release does not.
        kv_cache_bytes: best estimate of "Available KV cache memory" at the first start, whose compile cache is empty;
            negative where the rest exceeds the request.
        kv_cache_low_bytes, kv_cache_high_bytes: bounds that hold 90 % of start-ups: the low one of first starts, the
            high one of later ones.
        encoder_peak_bytes: the part of the activation peak that disabling all modalities would save.
        profiled_modality: what the encoder is profiled with, None where it is not profiled.
        formula: how this release computes it.
        terms: what makes up the activation peak and the rest, for the plan's explanation.
        moments: the peaks that ``activation_peak_bytes`` is the largest of; None where a plan was made otherwise.
        beside: what of the weights is loaded beside the model: LoRA adapters, a drafter; each with its source.
        compile_bytes: by how much less the first start finds than later ones, which find the compile cache filled.
        regime: the published start-ups that the bounds rest on; None where nothing was predicted: on a CPU, or with a
            size of the KV cache that is given.
    """

    total_bytes: int
    requested_bytes: int
    free_at_start_bytes: int
    weights_bytes: int
    activation_peak_bytes: int
    non_torch_bytes: int
    cuda_graph_bytes: int
    kv_cache_bytes: int
    kv_cache_low_bytes: int
    kv_cache_high_bytes: int
    encoder_peak_bytes: int
    profiled_modality: str | None
    formula: Formula
    terms: tuple[Term, ...]
    free_at_start_high_bytes: int = 0
    moments: Moments | None = None
    compile_bytes: int = 0
    beside: tuple[Term, ...] = ()
    regime: Regime | None = None

    @property
    def kv_cache_warm_bytes(self) -> int:
        """Best estimate of "Available KV cache memory" at a start that finds the compile cache filled."""
        return self.kv_cache_bytes + self.compile_bytes

    def in_use_bytes(self, pinned_kv_bytes: int | None) -> int:
        """What must be free at start: weights and peak; all terms beside a KV cache whose size is pinned.

        vLLM does not compare a pinned size with what is free (0.32: ``gpu_worker.py: determine_available_memory``).
        """
        if pinned_kv_bytes is None:
            return self.weights_bytes + self.activation_peak_bytes
        return self.fixed_bytes + pinned_kv_bytes

    @property
    def fixed_bytes(self) -> int:
        """Everything but KV cache; it does not depend on the utilisation."""
        return self.weights_bytes + self.activation_peak_bytes + self.non_torch_bytes + self.cuda_graph_bytes
