"""Peak of the profiling run above the weights: the largest of three moments.

While the encoder runs; while the text layers run and the encoder's inputs and outputs are still there; while the
sampler runs beside hidden states and the encoder's outputs. What stays allocated in between counts in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from vlm_operator.capacity.startup.adapters import adapter_pass_bytes
from vlm_operator.capacity.startup.budget import Moments, Term
from vlm_operator.capacity.startup.coefficients import CUBLAS_WORKSPACE_BYTES, SMALL_BUFFERS_BYTES
from vlm_operator.capacity.startup.delta_attention import delta_workspace_bytes
from vlm_operator.capacity.startup.drafter import drafter_pass_bytes, drafts_with_module, rejection_bytes
from vlm_operator.capacity.startup.encoder import NOTHING, EncoderMemory, EncoderRun, encoder_memory
from vlm_operator.capacity.startup.sampler import bytes_per_logit, program_buffer_bytes, sampler_bytes
from vlm_operator.capacity.startup.sparse_attention import SparseAttention, sparse_attention_memory
from vlm_operator.capacity.startup.stage import NO_PIPELINE, PipelineStage
from vlm_operator.capacity.startup.text_forward import TextForward, text_forward
from vlm_operator.engine.budget_rules import BudgetRules, expert_chunk_tokens
from vlm_operator.engine.encoder_rules import encoder_rules, pixel_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.tower_traits import TowerKind
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.gpu.multiprocessors import USUAL_MULTIPROCESSORS, multiprocessors
from vlm_operator.model.facts import AttentionCache, ModelFacts


@dataclass(frozen=True, slots=True)
class Activation:
    """The peak and what it is made of, bytes per GPU.

    Attributes:
        layers_bytes: the part that rests on the model of text layers (0 where sampler or encoder decide).
        encoder_bytes: the part that rests on the model of the encoder.
        encoder_saving_bytes: what switching all modalities off would save.
        modality: what the encoder is profiled with, None where it is not.
        moments: the peaks that ``peak_bytes`` is the largest of.
    """

    moments: Moments
    layers_bytes: int
    encoder_bytes: int
    encoder_saving_bytes: int
    modality: str | None
    terms: tuple[Term, ...]

    @property
    def peak_bytes(self) -> int:
        """The largest moment."""
        return self.moments.peak_bytes


def activation(
    model: ModelFacts,
    gpu: GPUFacts,
    settings: EngineSettings,
    version: EngineVersion,
    *,
    rules: BudgetRules,
    run: EncoderRun | None,
    stage: PipelineStage = NO_PIPELINE,
) -> Activation:
    """The peak of the profiling run of ``settings`` (resolved) on one stage: the last computes logits and samples."""
    tokens, sequences = settings.batch_tokens, settings.sequences
    ranks = settings.tensor_parallel_size
    text = text_forward(
        model,
        tokens=tokens,
        tensor_parallel_size=ranks,
        expert_parallel=settings.enable_expert_parallel,
        chunk_tokens=expert_chunk_tokens(version),
    )
    samples = stage.is_last and not _pools(model)
    sampler = _sampler(model, settings, rules) if samples else 0
    encoder = NOTHING if run is None else encoder_run_memory(model, gpu, settings, version, rules=rules, run=run)
    workspace = CUBLAS_WORKSPACE_BYTES[gpu.compute_capability is None or gpu.compute_capability >= (9, 0)]
    programs = _program_buffer(model, gpu, rules, sequences, tokens) if samples else 0
    received = stage.received_bytes(model, settings)
    sparse = sparse_attention_memory(model, settings, version, gpu.compute_capability)
    sampling = text.hidden_bytes + sampler + programs
    layers, persistent = _layers_and_workspace(text, sparse, rules)
    layers += adapter_pass_bytes(model, settings)
    if stage.is_last and drafts_with_module(model, settings):
        layers = max(layers, _drafter_layers(model, settings, version, rules))
    persistent = max(persistent, delta_workspace_bytes(model, settings))
    # The encoder runs before the workspace of expert layers exists.
    constant = workspace + SMALL_BUFFERS_BYTES
    beside = constant + persistent + received + encoder.kept_bytes
    moments = Moments(
        encoder_bytes=encoder.transient_bytes + constant if run else 0,
        text_bytes=layers + beside,
        sampler_bytes=sampling + beside,
        kept_bytes=persistent + programs + received + workspace,
    )
    terms = (
        Term("text pass", layers, f"{tokens:,} tokens through the widest layer, over {ranks} rank(s)"),
        _sampling_term(model, rules, stage, min(sequences, tokens), sampling),
        Term("received hidden states", received, "buffers for what the stage before hands on"),
        Term(_WORKSPACE[persistent == sparse.workspace_bytes], persistent, "kept between layers and runs"),
        Term("encoder", encoder.transient_bytes, _encoded(run, model) if run else "not profiled"),
        Term("encoder outputs", encoder.kept_bytes, "inputs and outputs kept until the sampler has run"),
    )
    without_encoder = max(layers, sampling) + persistent + received + constant
    encoder_decides = moments.encoder_bytes == moments.peak_bytes
    return Activation(
        moments=moments,
        layers_bytes=0 if encoder_decides else persistent + (layers if layers >= sampling else 0),
        encoder_bytes=encoder.transient_bytes if encoder_decides else encoder.kept_bytes,
        encoder_saving_bytes=moments.peak_bytes - without_encoder,
        modality=run.modality if run else None,
        terms=tuple(term for term in terms if term.size_bytes),
    )


def _drafter_layers(model: ModelFacts, settings: EngineSettings, version: EngineVersion, rules: BudgetRules) -> int:
    """Bytes while the drafter's layer runs: one with attention, whatever the model's others have."""
    text = text_forward(
        replace(model, cache_layers=()),
        tokens=settings.batch_tokens,
        tensor_parallel_size=settings.tensor_parallel_size,
        expert_parallel=settings.enable_expert_parallel,
        chunk_tokens=expert_chunk_tokens(version),
    )
    return _layers_and_workspace(text, SparseAttention(0, 0), rules)[0] + drafter_pass_bytes(model, settings)


_WORKSPACE: Final = {True: "sparse attention workspace", False: "expert workspace"}


def _layers_and_workspace(text: TextForward, sparse: SparseAttention, rules: BudgetRules) -> tuple[int, int]:
    """(bytes while the widest layer runs, bytes of the work space that stays)."""
    if rules.persistent_expert_workspace:
        layers, persistent = max(text.transient_bytes, text.experts_bytes), text.workspace_bytes
    else:
        layers, persistent = max(text.transient_bytes, text.experts_bytes + text.workspace_bytes), 0
    # One work space serves experts and the indexer: it is as large as what the largest asks for.
    return max(layers, sparse.transient_bytes), max(persistent, sparse.workspace_bytes)


def _sampling_term(model: ModelFacts, rules: BudgetRules, stage: PipelineStage, rows: int, sampling: int) -> Term:
    if stage.is_last:
        return Term("sampler", sampling, _sampled(model, rules, rows))
    return Term("hidden states", sampling, "what the stage hands on")


def _sampled(model: ModelFacts, rules: BudgetRules, rows: int) -> str:
    per_logit = bytes_per_logit(rules.sampler, rows, model.dtype.size_bytes)
    return f"{rows:,} rows x {model.text.vocab_size:,} logits x {per_logit} bytes, hidden states"


def _program_buffer(model: ModelFacts, gpu: GPUFacts, rules: BudgetRules, sequences: int, tokens: int) -> int:
    return program_buffer_bytes(
        rules.sampler,
        max_num_seqs=sequences,
        max_num_batched_tokens=tokens,
        vocab_size=model.text.vocab_size,
        multiprocessors=multiprocessors(gpu.product) or USUAL_MULTIPROCESSORS,
    )


def _sampler(model: ModelFacts, settings: EngineSettings, rules: BudgetRules) -> int:
    sequences, tokens = settings.sequences, settings.batch_tokens
    rejected = rejection_bytes(model, settings, runner=settings.runner or "V1", rows=min(sequences, tokens))
    return rejected + sampler_bytes(
        rules.sampler,
        max_num_seqs=sequences,
        max_num_batched_tokens=tokens,
        vocab_size=model.text.vocab_size,
        element_bytes=model.dtype.size_bytes,
    )


def encoder_run_memory(
    model: ModelFacts,
    gpu: GPUFacts,
    settings: EngineSettings,
    version: EngineVersion,
    *,
    rules: BudgetRules,
    run: EncoderRun,
) -> EncoderMemory:
    """What encoding ``run`` takes, nothing where the model has no tower."""
    tower = model.audio if run.modality == "audio" and model.audio is not None else model.vision
    if tower is None:
        return NOTHING
    return encoder_memory(
        tower,
        encoder_rules(tower.traits, version, compiled=bool(settings.cudagraph_capture_sizes)),
        run,
        gpu_total_bytes=gpu.total_bytes,
        hidden_size=model.text.hidden_size,
        tensor_parallel_size=settings.tensor_parallel_size,
        replicated=settings.mm_encoder_tp_mode == "data",
        pads_outputs=rules.pads_encoder_outputs,
        keeps_inputs=rules.keeps_encoder_inputs,
        element_bytes=model.dtype.size_bytes,
        pixels=pixel_bytes(model.traits.pixels, version, model.dtype.size_bytes),
    )


def _encoded(run: EncoderRun, model: ModelFacts) -> str:
    what = f"{run.items} {run.modality}(s) of {run.tokens_per_item:,} tokens"
    if model.vision is not None and model.vision.traits.kind is TowerKind.CONVOLUTIONS:
        return f"{what}; what cuDNN takes for its convolutions is not known, hence the wide bounds"
    return what


def _pools(model: ModelFacts) -> bool:
    """True where no logits are computed (embedding models, encoders)."""
    return model.pooling or all(
        isinstance(run.cache, AttentionCache) and run.cache.encoder_only for run in model.cache_layers
    )
