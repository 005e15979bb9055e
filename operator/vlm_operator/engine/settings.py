"""The vLLM flags that plans know, each declared once: one frozen record of them, as requested or as resolved.

Names are vLLM's own (``--max-model-len`` is ``max_model_len``). Mappings are kept as sorted tuples of pairs so that
settings can be hashed, compared and used as keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.engine.flag import Flag, Kind, Memory, declared, flags_of
from vlm_operator.engine.version import EngineVersion

MODALITIES: Final = ("image", "video", "audio")

UNLIMITED: Final = 999
"""Items of a modality that ``--limit-mm-per-prompt`` does not name (0.32: ``config/multimodal.py``)."""


@dataclass(frozen=True, slots=True)
class ModalityLimit:
    """One entry of ``--limit-mm-per-prompt``: how many, and (0.12 and later) how large the profiling dummy is.

    Attributes:
        count: most items of the modality in one prompt; 0 switches the modality off.
        width, height: pixels of the dummy, or None for the largest item.
        num_frames: frames of a video dummy, or None.
    """

    count: int
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None


@dataclass(frozen=True)
class EngineSettings:
    """Flags of one ``vllm serve``. ``None`` means: not set, vLLM decides.

    Planning makes and compares thousands of these a second: without slots a copy is one copy of a dictionary, and the
    hash is worked out once.

    ``engine.defaults.resolve`` fills what vLLM would fill on a given GPU, so that arithmetic sees no None where the
    budget depends on it.

    Attributes:
        limit_mm_per_prompt: (modality, limit) pairs, sorted by modality.
        mm_processor_kwargs, media_io_kwargs, speculative_config: JSON text with sorted keys, or None.
        kv_cache_memory_bytes: fixes the KV cache in place of profiling.
        dtype: element type of weights and activations; ``auto``: as the config says.
        quantization: method of the weights, None where the checkpoint's own holds.
        max_loras, max_lora_rank: None where ``enable_lora`` is off or vLLM's defaults hold (``engine.adapters``).
        runner: ``V1`` or ``V2`` model runner, once resolved.
        cudagraph_capture_sizes: batch sizes captured, once resolved; empty when eager.
    """

    max_model_len: int | None = declared(
        None,
        "--max-model-len",
        Kind.CONTEXT,
        help="Pin the context, tokens: 32768, 32k (32,000) or 32K (32,768).",
        api="context_length",
        shown=True,
        memory=Memory.NONE,
    )
    gpu_memory_utilization: float | None = declared(
        None,
        "--gpu-memory-utilization",
        Kind.SHARE,
        help="Pin the share of the GPU's memory, above 0, at most 1.",
        api="gpu_memory_utilization",
        others=("--device-memory-utilization",),
        shown=True,
        memory=Memory.CACHE,
    )
    tensor_parallel_size: int = declared(
        1,
        "--tensor-parallel-size",
        Kind.COUNT,
        help="Pin the GPUs a layer is divided over.",
        api="tensor_parallel_size",
        short="-tp",
        shown=True,
        always=True,
    )
    pipeline_parallel_size: int = declared(
        1, "--pipeline-parallel-size", Kind.COUNT, help="Pin the pipeline stages.", short="-pp", shown=True
    )
    data_parallel_size: int = declared(
        1, "--data-parallel-size", Kind.COUNT, help="Pin the replicas inside one server.", short="-dp"
    )
    enable_expert_parallel: bool = declared(
        False,
        "--enable-expert-parallel",
        Kind.SWITCH,
        help="Pin whole experts per GPU.",
        api="enable_expert_parallel",
        short="-ep",
    )
    quantization: str | None = declared(
        None,
        "--quantization",
        Kind.NAME,
        help="Pin how weights are quantised: fp8 quantises while loading, others as the checkpoint says.",
        api="quantization",
        short="-q",
    )
    dtype: str = declared(
        "auto",
        "--dtype",
        Kind.NAME,
        help="Pin the element type of weights and activations.",
        api="dtype",
        choices=("auto", "half", "float16", "bfloat16", "float", "float32"),
    )
    load_format: str = declared(
        "auto",
        "--load-format",
        Kind.NAME,
        help="Pin how weights are read (auto, safetensors, runai_streamer, …).",
        api="load_format",
        memory=Memory.NONE,
    )
    trust_remote_code: bool = declared(
        False,
        "--trust-remote-code",
        Kind.SWITCH,
        help="Pin: run the code that the model's repository brings.",
        api="trust_remote_code",
        memory=Memory.NONE,
    )
    kv_cache_dtype: str = declared(
        "auto",
        "--kv-cache-dtype",
        Kind.NAME,
        help="Pin the KV cache's element type (auto, fp8, …).",
        api="kv_cache_dtype",
        shown=True,
        memory=Memory.CACHE,
    )
    kv_cache_memory_bytes: int | None = declared(
        None,
        "--kv-cache-memory-bytes",
        Kind.SIZE,
        help="Pin the KV cache's size (9GiB) instead of profiling.",
        api="kv_cache_memory_bytes",
    )
    block_size: int | None = declared(
        None,
        "--block-size",
        Kind.COUNT,
        help="Pin the tokens of a KV-cache block.",
        api="block_size",
        memory=Memory.CACHE,
    )
    max_num_seqs: int | None = declared(
        None,
        "--max-num-seqs",
        Kind.COUNT,
        help="Pin the requests served at once.",
        api="max_num_seqs",
        shown=True,
    )
    max_num_batched_tokens: int | None = declared(
        None,
        "--max-num-batched-tokens",
        Kind.TOKENS,
        help="Pin the tokens of one step.",
        api="max_num_batched_tokens",
        shown=True,
    )
    limit_mm_per_prompt: tuple[tuple[str, ModalityLimit], ...] | None = declared(
        None,
        "--limit-mm-per-prompt",
        Kind.LIMITS,
        help='Pin items per prompt: \'{"image": 4, "video": 0}\'.',
        api="limit_mm_per_prompt",
        shown=True,
    )
    language_model_only: bool = declared(
        False,
        "--language-model-only",
        Kind.SWITCH,
        help="Pin: serve text only.",
        api="language_model_only",
        since=EngineVersion(0, 17),
    )
    mm_processor_kwargs: str | None = declared(
        None,
        "--mm-processor-kwargs",
        Kind.OBJECT,
        help="Pin the processor's arguments, such as pixel caps.",
        api="mm_processor_kwargs",
        shown=True,
    )
    media_io_kwargs: str | None = declared(
        None,
        "--media-io-kwargs",
        Kind.OBJECT,
        help="Pin how media are loaded, such as frames of a video.",
        api="media_io_kwargs",
        shown=True,
    )
    mm_encoder_tp_mode: str = declared(
        "weights",
        "--mm-encoder-tp-mode",
        Kind.NAME,
        help="Pin how the vision encoder is divided.",
        api="mm_encoder_tp_mode",
        choices=("weights", "data"),
    )
    enforce_eager: bool = declared(
        False, "--enforce-eager", Kind.SWITCH, help="Pin: no CUDA graphs.", api="enforce_eager", shown=True
    )
    max_cudagraph_capture_size: int | None = declared(
        None,
        "--max-cudagraph-capture-size",
        Kind.COUNT,
        help="Pin the largest CUDA graph, requests.",
        api="max_cudagraph_capture_size",
    )
    cudagraph_capture_sizes: tuple[int, ...] | None = declared(None, "", Kind.COUNTS)
    pp_layer_partition: tuple[int, ...] | None = declared(None, "", Kind.COUNTS)
    async_scheduling: bool | None = declared(
        None, "--async-scheduling", Kind.TOGGLE, help="Pin asynchronous scheduling.", api="async_scheduling"
    )
    enable_prefix_caching: bool | None = declared(
        None, "--enable-prefix-caching", Kind.TOGGLE, help="Pin prefix caching.", api="enable_prefix_caching"
    )
    enable_chunked_prefill: bool | None = declared(
        None, "--enable-chunked-prefill", Kind.TOGGLE, help="Pin chunked prefill.", api="enable_chunked_prefill"
    )
    speculative_config: str | None = declared(
        None,
        "--speculative-config",
        Kind.OBJECT,
        help='Pin speculative decoding: \'{"method": "mtp", "num_speculative_tokens": 2}\'.',
        api="speculative",
        in_extra_arguments=True,
    )
    enable_lora: bool = declared(
        False, "--enable-lora", Kind.SWITCH, help="Pin: serve LoRA adapters.", api="lora", in_extra_arguments=True
    )
    max_loras: int | None = declared(
        None,
        "--max-loras",
        Kind.COUNT,
        help="Pin the LoRA adapters in one batch.",
        api="lora.max_loras",
        in_extra_arguments=True,
    )
    max_lora_rank: int | None = declared(
        None,
        "--max-lora-rank",
        Kind.COUNT,
        help="Pin the highest rank of a LoRA adapter.",
        api="lora.max_rank",
        in_extra_arguments=True,
    )
    max_cpu_loras: int | None = declared(
        None,
        "--max-cpu-loras",
        Kind.COUNT,
        help="Pin the LoRA adapters held in host memory.",
        api="lora.max_cpu_loras",
        memory=Memory.NONE,
        in_extra_arguments=True,
    )
    lora_dtype: str | None = declared(
        None,
        "--lora-dtype",
        Kind.NAME,
        help="Pin the element type of LoRA adapters.",
        api="lora.dtype",
        choices=("auto", "float16", "bfloat16"),
        in_extra_arguments=True,
    )
    fully_sharded_loras: bool = declared(
        False,
        "--fully-sharded-loras",
        Kind.SWITCH,
        help="Pin: divide LoRA adapters over the ranks wholly.",
        api="lora.fully_sharded",
        in_extra_arguments=True,
    )
    runner: str | None = declared(None, "", Kind.NAME)

    def limit(self, modality: str) -> ModalityLimit | None:
        """The limit set for ``modality``, or None where vLLM's default holds."""
        if self.language_model_only:
            return ModalityLimit(0)
        for name, limit in self.limit_mm_per_prompt or ():
            if name == modality:
                return limit
        return None

    def enabled(self, modality: str) -> bool:
        """False only where the modality's limit is 0."""
        limit = self.limit(modality)
        return limit is None or limit.count > 0

    @property
    def beside_the_model(self) -> tuple[object, ...]:
        """The flags of what is loaded beside the model: adapters and drafters."""
        return (
            self.enable_lora,
            self.max_loras,
            self.max_lora_rank,
            self.lora_dtype,
            self.fully_sharded_loras,
            self.speculative_config,
        )

    @property
    def graphs_per_size(self) -> int:
        """CUDA graphs of each batch size: with LoRA one with adapters and one without.

        ``cudagraph_specialize_lora``, 0.12 to 0.33: ``v1/cudagraph_dispatcher.py: _get_lora_cases``.
        """
        return 2 if self.enable_lora else 1

    @property
    def context_tokens(self) -> int:
        """``max_model_len`` of resolved flags. Raises ``ValueError`` where they are not resolved."""
        return _resolved("max_model_len", self.max_model_len)

    @property
    def batch_tokens(self) -> int:
        """``max_num_batched_tokens`` of resolved flags. Raises ``ValueError`` where they are not resolved."""
        return _resolved("max_num_batched_tokens", self.max_num_batched_tokens)

    @property
    def sequences(self) -> int:
        """``max_num_seqs`` of resolved flags. Raises ``ValueError`` where they are not resolved."""
        return _resolved("max_num_seqs", self.max_num_seqs)

    def with_(self, **changes: Any) -> EngineSettings:
        """A copy with these flags changed.

        Raises:
            TypeError: a flag that is none.
        """
        if not changes.keys() <= EngineSettings.__dataclass_fields__.keys():
            raise TypeError(f"no such flag: {min(changes.keys() - EngineSettings.__dataclass_fields__.keys())}")
        copy = object.__new__(EngineSettings)
        values = copy.__dict__
        values.update(self.__dict__)
        values.pop("_hash", None)
        values.update(changes)
        return copy

    def __hash__(self) -> int:
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = hash(tuple(self.__dict__.values()))
            self.__dict__["_hash"] = known
        return known


FLAGS: Final[Mapping[str, Flag]] = flags_of(EngineSettings)
"""The flag of each field, by the field's name, in the order in which commands name them."""


def _resolved(flag: str, value: int | None) -> int:
    if value is None:
        raise ValueError(f"{flag} is not set: the flags were not resolved for a GPU")
    return value
