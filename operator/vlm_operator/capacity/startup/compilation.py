"""What torch.compile allocates while its cache is empty, which the profiling run charges as activation peak.

vLLM compiles inside the profiled forward pass (``v1/worker/gpu_worker.py: determine_available_memory``), and asks
Inductor for combo kernels that are benchmarked (``config/compilation.py``: ``combo_kernels``,
``benchmark_combo_kernel``, with torch 2.9 and later). For the benchmark Inductor fills every argument of the candidate
kernels with random numbers (torch 2.11 and 2.13: ``_inductor/scheduler.py: speedup_by_combo_kernel``,
``_inductor/codegen/triton_combo_kernel.py: codegen_kernel_benchmark``). The first piece of the graph looks tokens up in
the embedding, so a second embedding is allocated beside the loaded one. It is gone before the pass runs; the peak that
vLLM subtracts keeps it. A start that loads compiled code from the cache never allocates it.

Published (GiB): 1.18 cold and 0.19 warm for Qwen3-8B (its embedding: 1.16), 2.59 and 0.74 for a 27B with an embedding
of 2.37, 0.80 cold for Qwen3-4B (0.72), and tens for a model with an embedding for every layer (vLLM #54122).
"""

from __future__ import annotations

from vlm_operator.engine.budget_rules import benchmarks_while_compiling
from vlm_operator.engine.settings import MODALITIES, EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.weight_rules import VOCABULARY_PADDING
from vlm_operator.model.facts import ModelFacts


def compile_peak_bytes(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> int:
    """Bytes above the weights while torch.compile fills its cache; 0 where it does not compile, or not the embedding.

    Args:
        settings: resolved.
    """
    if not settings.cudagraph_capture_sizes or not benchmarks_while_compiling(version):
        return 0
    if not _looks_tokens_up(model, settings):
        return 0
    text, ranks, element = model.text, settings.tensor_parallel_size, model.dtype.size_bytes
    rows = -(-text.vocab_size // VOCABULARY_PADDING) * VOCABULARY_PADDING // ranks
    looked_up = settings.batch_tokens
    return (rows + looked_up) * text.hidden_size * element


def _looks_tokens_up(model: ModelFacts, settings: EngineSettings) -> bool:
    """Whether the compiled graph begins with the tokens: a multimodal model gets embeddings, unless all limits are 0.

    Source: ``v1/worker/gpu_model_runner.py: _dummy_run``, ``v1/worker/gpu/model_runner.py``
    (``supports_mm_inputs``), ``multimodal/registry.py: supports_multimodal_inputs``, 0.11 to 0.33.
    """
    return not model.encodes or not any(map(settings.enabled, MODALITIES))
