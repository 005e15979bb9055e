"""The start-up budget: terms of one model, one GPU and one set of resolved flags, put together.

Everything but the requested memory is independent of ``gpu_memory_utilization``, so it is worked out once per
combination of the other flags; ``StartupTerms.at`` then gives the budget of any utilisation by subtraction. The context
matters only to what the profiling run encodes: another context with the same items has the same terms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from vlm_operator.capacity.as_served import as_served
from vlm_operator.capacity.startup.activation import Activation, activation
from vlm_operator.capacity.startup.beside import loaded_beside
from vlm_operator.capacity.startup.budget import Budget, Term
from vlm_operator.capacity.startup.compilation import compile_peak_bytes
from vlm_operator.capacity.startup.cuda_graphs import graph_estimate_bytes
from vlm_operator.capacity.startup.drafter import drafts_with_module
from vlm_operator.capacity.startup.encoder import EncoderRun
from vlm_operator.capacity.startup.first_check import free_at_start_bytes, free_at_start_high_bytes, requested_bytes
from vlm_operator.capacity.startup.loaded_buffers import loaded_buffer_bytes
from vlm_operator.capacity.startup.non_torch import EXPERT_PARALLEL_BYTES, non_torch_bytes
from vlm_operator.capacity.startup.profiled_encoder import profiled_encoder
from vlm_operator.capacity.startup.regimes import Regime, regime_of
from vlm_operator.capacity.startup.runner_buffers import runner_buffer_bytes
from vlm_operator.capacity.startup.sparse_attention import selected_tokens
from vlm_operator.capacity.startup.stage import PipelineStage, pipeline_stages
from vlm_operator.capacity.startup.uncertainty import half_width_bytes, variance
from vlm_operator.capacity.weights import stage_weight_bytes
from vlm_operator.engine.budget_rules import Formula, budget_rules
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.speculation import drafted_tokens
from vlm_operator.engine.version import EngineVersion, require_known
from vlm_operator.engine.weight_rules import mxfp4_kernel, mxfp4_kernel_elsewhere
from vlm_operator.errors import UnknownFact
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import Component, ModelFacts


@dataclass(frozen=True, slots=True)
class StartupTerms:
    """The budget of one pipeline stage without its utilisation, bytes per GPU.

    Attributes:
        stage: its place in the pipeline; the only one where there is none.
        compile_bytes: the part of the activation peak that a start with a filled compile cache does not have.
        fixed_bytes: what is subtracted from the requested memory.
        regime: the kind of start-up, with what its published ones were off by.
        variance: square of the half-width of the bounds, but for the GPU's total.
    """

    gpu: GPUFacts
    version: EngineVersion
    formula: Formula
    weights_bytes: int
    activation: Activation
    non_torch_bytes: int
    cuda_graph_bytes: int
    compile_bytes: int
    fixed_bytes: int
    regime: Regime
    variance: float
    free_at_start_bytes: int
    free_at_start_high_bytes: int
    terms: tuple[Term, ...]
    beside: tuple[Term, ...]
    stage: PipelineStage

    def at(self, gpu_memory_utilization: float, kv_cache_memory_bytes: int | None = None) -> Budget:
        """The budget at that utilisation; ``kv_cache_memory_bytes`` replaces what is left."""
        requested = requested_bytes(self.gpu.total_bytes, gpu_memory_utilization, self.version)
        if kv_cache_memory_bytes is None:
            best, compiling = requested - self.fixed_bytes, self.compile_bytes
            width = half_width_bytes(self.variance, self.gpu.total_uncertainty_bytes, gpu_memory_utilization)
        else:
            best, compiling, width = kv_cache_memory_bytes, 0, 0
        return Budget(
            total_bytes=self.gpu.total_bytes,
            requested_bytes=requested,
            free_at_start_bytes=self.free_at_start_bytes,
            weights_bytes=self.weights_bytes,
            activation_peak_bytes=self.activation.peak_bytes,
            non_torch_bytes=self.non_torch_bytes,
            cuda_graph_bytes=self.cuda_graph_bytes,
            kv_cache_bytes=best,
            kv_cache_low_bytes=best - width,
            kv_cache_high_bytes=best + compiling + width,
            compile_bytes=compiling,
            beside=self.beside,
            encoder_peak_bytes=self.activation.encoder_saving_bytes,
            profiled_modality=self.activation.modality,
            formula=self.formula,
            terms=self.terms,
            free_at_start_high_bytes=self.free_at_start_high_bytes,
            moments=self.activation.moments,
            regime=self.regime if kv_cache_memory_bytes is None else None,
        )


def startup_terms(
    model: ModelFacts,
    gpu: GPUFacts,
    settings: EngineSettings,
    version: EngineVersion,
    *,
    weights: int | None = None,
    encoder: EncoderRun | None = None,
) -> StartupTerms:
    """Everything that does not depend on the utilisation, of the pipeline stage that takes most.

    Args, errors: as ``stage_terms``.
    """
    stages = stage_terms(model, gpu, settings, version, weights=weights, encoder=encoder)
    return stages[0] if len(stages) == 1 else max(stages, key=lambda stage: stage.fixed_bytes)


def stage_terms(
    model: ModelFacts,
    gpu: GPUFacts,
    settings: EngineSettings,
    version: EngineVersion,
    *,
    weights: int | None = None,
    encoder: EncoderRun | None = None,
) -> tuple[StartupTerms, ...]:
    """Everything that does not depend on the utilisation, of each pipeline stage, the first stage first.

    Args:
        settings: resolved (``engine.defaults.resolve``).
        weights: bytes per GPU as measured; worked out from the model where None.
        encoder: what the profiling run encodes as measured; worked out where None.

    Raises:
        UnknownFact: the version, the GPU's vendor, the weights or the encoder's budget is not known.
    """
    return _startup_terms(as_served(model, settings, version), gpu, settings, version, _Measured(weights, encoder))


def stage_weights(
    model: ModelFacts, gpu: GPUFacts, settings: EngineSettings, version: EngineVersion
) -> tuple[int, ...]:
    """What "Model loading took" counts on a GPU of each pipeline stage, bytes; ``settings`` must be resolved.

    Raises:
        UnknownFact: the weights are not known.
    """
    found = _weights(as_served(model, settings, version), settings, version, gpu.compute_capability)
    return tuple(weights for weights, _ in found)


def startup_budget(
    model: ModelFacts,
    gpu: GPUFacts,
    settings: EngineSettings,
    version: EngineVersion,
    *,
    weights: int | None = None,
    encoder: EncoderRun | None = None,
) -> Budget:
    """Predict how vLLM will split the GPU's memory when it starts with these flags.

    Args, errors: as ``startup_terms``; ``settings`` must be resolved.
    """
    terms = startup_terms(model, gpu, settings, version, weights=weights, encoder=encoder)
    utilization = settings.gpu_memory_utilization
    if utilization is None:
        raise ValueError("settings are not resolved: gpu_memory_utilization is None")
    return terms.at(utilization, settings.kv_cache_memory_bytes)


class _Measured(NamedTuple):
    """What was measured; None where it is to be worked out."""

    weights_bytes: int | None
    encoder: EncoderRun | None


class _Loaded(NamedTuple):
    """Weights and doubt about them, bytes of each stage, and what the profiling run encodes with them.

    ``context`` is the longest context where the model's work space depends on it (sparse attention), else 0.
    """

    weights: tuple[tuple[int, int], ...]
    weights_measured: bool
    encoder: EncoderRun | None
    context: int = 0


def _flags(settings: EngineSettings, version: EngineVersion, others: object) -> tuple[object, ...]:
    """The flags that the terms of a given encoder run depend on, and what else is given."""
    return (
        settings.max_num_seqs,
        settings.max_num_batched_tokens,
        settings.tensor_parallel_size,
        settings.pipeline_parallel_size,
        settings.pp_layer_partition,
        settings.data_parallel_size,
        settings.enable_expert_parallel,
        settings.cudagraph_capture_sizes,
        settings.limit_mm_per_prompt,
        settings.language_model_only,
        settings.mm_encoder_tp_mode,
        settings.runner,
        settings.beside_the_model,
        version,
        others,
    )


def _flags_with_context(settings: EngineSettings, version: EngineVersion, others: object) -> tuple[object, ...]:
    """The same, and the flags that decide what is encoded."""
    return (
        settings.max_model_len,
        settings.enable_chunked_prefill,
        settings.mm_processor_kwargs,
        settings.media_io_kwargs,
        _flags(settings, version, others),
    )


@cached_by_identity(2, by=_flags_with_context)
def _startup_terms(
    model: ModelFacts,
    gpu: GPUFacts,
    settings: EngineSettings,
    version: EngineVersion,
    measured: _Measured,
) -> tuple[StartupTerms, ...]:
    require_known(version)
    if not gpu.supported:
        raise UnknownFact(
            f"gpu: the start-up memory of {gpu.product} is not known (measured on NVIDIA GPUs only)",
            field="gpu",
            hint="plan for an NVIDIA GPU, or measure with vLLM itself",
        )
    encoder = measured.encoder
    if measured.weights_bytes is None:
        weights = _weights(model, settings, version, gpu.compute_capability)
    else:
        weights = ((measured.weights_bytes, 0),) * settings.pipeline_parallel_size
    if not budget_rules(version, settings.runner or "V1").profiles_encoder:
        encoder = None
    elif encoder is None:
        encoder = profiled_encoder(model, settings, version)
    context = settings.max_model_len or model.derived_max_model_len
    context = context if selected_tokens(model) else 0
    loaded = _Loaded(weights, measured.weights_bytes is not None, encoder, context)
    return _terms_of_run(model, gpu, settings, version, loaded)


def _flags_of_weights(
    settings: EngineSettings, version: EngineVersion, compute_capability: tuple[int, int] | None
) -> tuple[object, ...]:
    """What weights depend on: of the GPU only whose kernels it runs MXFP4 experts on."""
    return (
        settings.tensor_parallel_size,
        settings.pipeline_parallel_size,
        settings.pp_layer_partition,
        settings.data_parallel_size,
        settings.enable_expert_parallel,
        settings.max_num_batched_tokens,
        settings.limit_mm_per_prompt,
        settings.language_model_only,
        settings.mm_encoder_tp_mode,
        settings.beside_the_model,
        version,
        mxfp4_kernel(version, compute_capability),
        mxfp4_kernel_elsewhere(version, compute_capability),
    )


@cached_by_identity(1, by=_flags_of_weights)
def _weights(
    model: ModelFacts,
    settings: EngineSettings,
    version: EngineVersion,
    compute_capability: tuple[int, int] | None,
) -> tuple[tuple[int, int], ...]:
    """What "Model loading took" counts on each stage, and how much more it is in an image with other kernels."""
    counted = stage_weight_bytes(model, settings, version, compute_capability)
    buffers = loaded_buffer_bytes(model, settings, version)
    # vLLM leaves the head out of models that it serves for embeddings (models/adapters.py).
    left_out = [stage.by_component.get(Component.HEAD, 0) if model.pooling else 0 for stage in counted]
    beside = [
        sum(term.size_bytes for term in terms) for terms in loaded_beside(model, settings, version, compute_capability)
    ]
    sizes = [stage.total + buffers - head + more for stage, head, more in zip(counted, left_out, beside, strict=True)]
    other = mxfp4_kernel_elsewhere(version, compute_capability)
    if other is None or model.quantization is None or model.quantization.method != "mxfp4":
        return tuple((size, 0) for size in sizes)
    elsewhere = stage_weight_bytes(model, settings, version, compute_capability, other)
    doubts = [there.total - here.total for there, here in zip(elsewhere, counted, strict=True)]
    return tuple(zip(sizes, doubts, strict=True))


@cached_by_identity(2, by=_flags)
def _terms_of_run(
    model: ModelFacts,
    gpu: GPUFacts,
    settings: EngineSettings,
    version: EngineVersion,
    loaded: _Loaded,
) -> tuple[StartupTerms, ...]:
    stages = pipeline_stages(model, settings)
    return tuple(_terms_of_stage(model, gpu, settings, version, (loaded, stage)) for stage in stages)


def _terms_of_stage(
    model: ModelFacts,
    gpu: GPUFacts,
    settings: EngineSettings,
    version: EngineVersion,
    on: tuple[_Loaded, PipelineStage],
) -> StartupTerms:
    loaded, stage = on
    weights_bytes, weights_doubt = loaded.weights[stage.index if len(loaded.weights) > 1 else 0]
    rules = budget_rules(version, settings.runner or "V1")
    encoder = loaded.encoder if stage.is_first or rules.encoder_on_every_stage else None
    peak, compiling = _with_compilation(
        activation(model, gpu, settings, version, rules=rules, run=encoder, stage=stage),
        compile_peak_bytes(model, settings, version) if stage.is_first else 0,
    )
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size
    outside = non_torch_bytes(gpu, version, rules.formula, ranks)
    if settings.enable_expert_parallel and model.text.experts is not None and settings.tensor_parallel_size > 1:
        outside += EXPERT_PARALLEL_BYTES
    if rules.formula is Formula.CONSUMED:
        outside += runner_buffer_bytes(model, settings, rules, samples=stage.is_last)
    graphs = _graph_bytes(stage, model, settings) if rules.subtracts_graph_estimate else 0
    regime = regime_of(model, gpu, rules.formula)
    return StartupTerms(
        gpu=gpu,
        version=version,
        formula=rules.formula,
        weights_bytes=weights_bytes,
        activation=peak,
        non_torch_bytes=outside,
        cuda_graph_bytes=graphs,
        compile_bytes=compiling,
        fixed_bytes=weights_bytes + peak.peak_bytes + outside + graphs,
        regime=regime,
        variance=variance(
            gpu,
            regime,
            settings=settings,
            model=model,
            layers_bytes=peak.layers_bytes,
            encoder_bytes=peak.encoder_bytes,
            graph_bytes=graphs,
            weights_bytes=weights_bytes,
            weights_measured=loaded.weights_measured,
        )
        + weights_doubt**2,
        free_at_start_bytes=free_at_start_bytes(gpu, version, ranks),
        free_at_start_high_bytes=free_at_start_high_bytes(gpu, version, ranks),
        terms=(
            *peak.terms,
            Term("non-torch", outside, f"{'NCCL, ' if ranks > 1 else ''}kernels and buffers"),
            _graphs_term(settings, graphs),
        ),
        beside=loaded_beside(model, settings, version, gpu.compute_capability)[stage.index],
        stage=stage,
    )


def _graphs_term(settings: EngineSettings, graphs: int) -> Term:
    if graphs:
        why = f"vLLM's estimate for {len(settings.cudagraph_capture_sizes or ())} batch sizes"
    else:
        why = "not subtracted by this release" if settings.cudagraph_capture_sizes else "none: eager"
    return Term("CUDA graphs", graphs, why)


def _with_compilation(run: Activation, compile_peak: int) -> tuple[Activation, int]:
    """The peak of a start whose compile cache is empty, and how much lower it is once the cache is filled."""
    more = max(compile_peak - run.peak_bytes, 0)
    if not more:
        return run, 0
    why = "a copy of the embedding that torch.compile measures kernels on, only while its cache is empty"
    moments = replace(run.moments, compilation_bytes=compile_peak)
    return replace(run, moments=moments, terms=(*run.terms, Term("compilation", compile_peak, why))), more


def _graph_bytes(stage: PipelineStage, model: ModelFacts, settings: EngineSettings) -> int:
    """vLLM's estimate of CUDA graphs; a decoding batch holds the drafted tokens of every sequence."""
    drafts = drafts_with_module(model, settings)
    return graph_estimate_bytes(
        settings.cudagraph_capture_sizes or (),
        max_num_seqs=settings.sequences * (1 + drafted_tokens(settings)),
        layers=stage.layers + stage.is_last * drafts,
        tensor_parallel_size=settings.tensor_parallel_size,
        variants=settings.graphs_per_size,
    )
