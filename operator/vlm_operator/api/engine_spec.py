"""``spec.engine``: the vLLM flags a user may pin; every field is optional and a set field is never changed."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from vlm_operator.api import extra_arguments
from vlm_operator.api.base import ApiModel, Bool, Integer, Listed, Number, Quantity, Rule, matching, ruled
from vlm_operator.engine.settings import MODALITIES

_IMAGE_VALIDATOR, _IMAGE_CEL = matching(
    r"([a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5})?/)?[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?",
    "must be an image reference such as vllm/vllm-openai:v0.32.0 or registry.example/vllm@sha256:<64 hex digits>",
)
ImageReference = Annotated[str, Field(min_length=1, max_length=512), _IMAGE_VALIDATOR, _IMAGE_CEL]

_VERSION_VALIDATOR, _VERSION_CEL = matching(
    r"[0-9]{1,4}\.[0-9]{1,4}(\.[0-9]{1,4})?([A-Za-z0-9.+_-]{0,64})", "must be a vLLM version such as 0.32.0"
)
_DTYPE_VALIDATOR, _DTYPE_CEL = matching(r"[a-z][a-z0-9_]*", "must be a name that --kv-cache-dtype takes, such as fp8")
_QUANTIZATION_VALIDATOR, _QUANTIZATION_CEL = matching(
    r"[a-z][a-z0-9_-]*", "must be a name that --quantization takes, such as fp8"
)
_LOADER_VALIDATOR, _LOADER_CEL = matching(
    r"[a-z][a-z0-9_-]*", "must be a name that --load-format takes, such as safetensors"
)
_NAME_VALIDATOR, _NAME_CEL = matching(
    r"[A-Za-z0-9_/][A-Za-z0-9._/:@+-]*", "must be a model name of letters, digits and ._/:@+-, not starting with a dash"
)

Modality = Literal["image", "video", "audio"]
_MODALITY_KEYS: Final = Rule(
    cel=f"self.all(k, k in {list(MODALITIES)})",
    message="keys must be image, video or audio: the modalities that --limit-mm-per-prompt counts",
)
_EXTRA_ARGUMENTS: Final = (
    *ruled(
        Rule(
            cel=extra_arguments.BLANK_CEL,
            message=extra_arguments.BLANK_MESSAGE,
            holds=lambda arguments: not any(map(extra_arguments.holds_value_after_blank, arguments)),
        )
    ),
    *(
        part
        for cel in extra_arguments.RULES
        for part in ruled(
            Rule(
                cel=cel,
                message=extra_arguments.MESSAGE,
                holds=lambda arguments: not any(map(extra_arguments.refused, arguments)),
            )
        )
    ),
)
Limit = Annotated[Integer, Field(ge=0, le=100_000)]
JsonObject = dict[str, Any]


class ProfilingSize(ApiModel):
    """Size of the dummy item that vLLM profiles for one modality."""

    width: Annotated[Integer, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="Width of the dummy image or frame, pixels. Default: the largest the processor makes."
    )
    height: Annotated[Integer, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="Height of the dummy image or frame, pixels. Default: the largest the processor makes.",
    )
    num_frames: Annotated[Integer, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Frames of the dummy video. Default: as many as the family samples at most."
    )


class LoRASpec(ApiModel):
    """LoRA adapters that the server takes; an empty object takes vLLM's defaults."""

    max_loras: Annotated[Integer, Field(ge=1, le=1024)] | None = Field(
        default=None, description="Most adapters in one batch. Becomes --max-loras. Default: vLLM's own, 1."
    )
    max_rank: Literal[1, 8, 16, 32, 64, 128, 256, 320, 512] | None = Field(
        default=None,
        description="Highest rank of an adapter: 1, 8, 16, 32, 64, 128, 256, 320 or 512. Becomes --max-lora-rank. "
        "Default: vLLM's own, 16.",
    )
    max_cpu_loras: Annotated[Integer, Field(ge=1, le=65_536)] | None = Field(
        default=None,
        description="Adapters held in host memory, at least maxLoras. Becomes --max-cpu-loras. Default: maxLoras.",
    )
    dtype: Literal["auto", "float16", "bfloat16"] | None = Field(
        default=None,
        description="Element type of adapters: auto (the model's), float16 or bfloat16. Becomes --lora-dtype. "
        "Default: auto.",
    )
    fully_sharded: Bool | None = Field(
        default=None,
        description="Divide both halves of an adapter over the GPUs, not only one. Becomes --fully-sharded-loras. "
        "Default: false.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.maxCpuLoras) || self.maxCpuLoras >= (has(self.maxLoras) ? self.maxLoras : 1)",
            message="maxCpuLoras must be at least maxLoras: vLLM refuses less",
            holds=lambda lora: lora.max_cpu_loras is None or lora.max_cpu_loras >= (lora.max_loras or 1),
        ),
    )


class EngineSpec(ApiModel):
    """Flags of `vllm serve`. A field that is set is pinned: the operator plans around it and never changes it."""

    image: ImageReference | None = Field(
        default=None,
        description="Container image that holds vLLM. Default: vllm/vllm-openai (GPU) or vllm/vllm-openai-cpu (CPU) of "
        "the release this operator plans for by default. Its tag tells the vLLM release, whose rules the plan follows.",
    )
    vllm_version: Annotated[str, Field(max_length=80), _VERSION_VALIDATOR, _VERSION_CEL] | None = Field(
        default=None,
        description="vLLM release in the image, for instance 0.32.0. Default: read from the image's tag. Set it where "
        "the tag does not say (latest, a digest, an image of your own); otherwise the plan answers Unknown.",
    )
    served_model_name: Annotated[str, Field(min_length=1, max_length=253), _NAME_VALIDATOR, _NAME_CEL] | None = Field(
        default=None,
        description="Model name that clients send. Becomes --served-model-name. Default: model.id, or model.path.",
    )
    context_length: Annotated[Integer, Field(ge=1, le=1_000_000_000)] | None = Field(
        default=None,
        description="Longest request, prompt and answer together, tokens. Becomes --max-model-len. Default: chosen "
        "from spec.workload within spec.context.",
    )
    gpu_memory_utilization: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="Share of each GPU's memory that vLLM may use, above 0 and at most 1. Becomes "
        "--gpu-memory-utilization. Default: chosen by spec.goal.",
    )
    dtype: Literal["auto", "half", "float16", "bfloat16", "float", "float32"] | None = Field(
        default=None,
        description="Element type of weights and activations: auto (as config.json says), half or float16, bfloat16, "
        "float or float32. Becomes --dtype. Default: auto.",
    )
    quantization: Annotated[str, Field(max_length=40), _QUANTIZATION_VALIDATOR, _QUANTIZATION_CEL] | None = Field(
        default=None,
        description="How weights are quantised. fp8 quantises an unquantised checkpoint while it is loaded; for a "
        "quantised checkpoint it must agree with what its config says. Becomes --quantization. Default: as the "
        "checkpoint says.",
    )
    load_format: Annotated[str, Field(max_length=40), _LOADER_VALIDATOR, _LOADER_CEL] | None = Field(
        default=None,
        description="How weights are read: auto, safetensors, runai_streamer, … as the vLLM release has them. Becomes "
        "--load-format. Default: auto.",
    )
    trust_remote_code: Bool | None = Field(
        default=None,
        description="Run Python code that the model's repository brings, where the model needs it. Becomes "
        "--trust-remote-code. Default: false.",
    )
    kv_cache_memory_bytes: Quantity | None = Field(
        default=None,
        description="Size of the KV cache of each GPU, for instance 9Gi; replaces what vLLM would find by profiling. "
        "Becomes --kv-cache-memory-bytes. Default: not set, vLLM profiles.",
    )
    kv_cache_dtype: Annotated[str, Field(max_length=40), _DTYPE_VALIDATOR, _DTYPE_CEL] | None = Field(
        default=None,
        description="Element type of the KV cache: auto (the model's), fp8, fp8_e4m3, fp8_e5m2, … as the vLLM release "
        "has them. Becomes --kv-cache-dtype. Default: auto; the ladder may choose fp8 unless "
        "spec.retune.allowFP8KVCache is false.",
    )
    block_size: Annotated[Integer, Field(ge=1, le=65_536)] | None = Field(
        default=None,
        description="Tokens of a KV-cache block. Becomes --block-size. Default: vLLM's own for the model and GPU.",
    )
    max_num_seqs: Annotated[Integer, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Most requests in one step. Becomes --max-num-seqs. Default: chosen by spec.goal."
    )
    max_num_batched_tokens: Annotated[Integer, Field(ge=1, le=1_000_000_000)] | None = Field(
        default=None,
        description="Most tokens in one step; also bounds what the start-up profiles. Becomes "
        "--max-num-batched-tokens. Default: chosen by the plan.",
    )
    limit_mm_per_prompt: Annotated[dict[Modality, Limit], Field(max_length=3), _MODALITY_KEYS] | None = Field(
        default=None,
        description="Most items of each modality (image, video, audio) in one request; 0 switches a modality off and "
        "frees its encoder peak. Becomes --limit-mm-per-prompt. Default: chosen from spec.workload.",
    )
    limit_mm_per_prompt_sizes: Annotated[dict[Modality, ProfilingSize], Field(max_length=3), _MODALITY_KEYS] | None = (
        Field(
            default=None,
            description="Size of the item that vLLM profiles at start, by modality: the size options of "
            "--limit-mm-per-prompt (vLLM 0.12 and later). They shrink the start-up peak, not what requests may send. "
            "Default: the largest item of the family.",
        )
    )
    mm_processor_kwargs: JsonObject | None = Field(
        default=None,
        max_length=64,
        description="Options of the model's processor, for instance {max_pixels: 1003520}. Becomes "
        "--mm-processor-kwargs. Default: none, or a pixel cap that the plan chooses where nothing else fits.",
    )
    media_io_kwargs: JsonObject | None = Field(
        default=None,
        max_length=64,
        description="Options of the media loader, for instance {video: {num_frames: 32}}. Becomes --media-io-kwargs. "
        "Default: vLLM's own.",
    )
    mm_encoder_tp_mode: Literal["weights", "data"] | None = Field(
        default=None,
        description="How the vision encoder uses several GPUs: weights (split) or data (whole on each). Becomes "
        "--mm-encoder-tp-mode. Default: weights.",
    )
    language_model_only: Bool | None = Field(
        default=None, description="Serve text only: every modality off. Becomes --language-model-only. Default: false."
    )
    tensor_parallel_size: Annotated[Integer, Field(ge=1, le=64)] | None = Field(
        default=None,
        description="GPUs that hold one copy of the model together. Becomes --tensor-parallel-size. Default: as many "
        "as spec.gpu.count.",
    )
    enable_expert_parallel: Bool | None = Field(
        default=None,
        description="Split a mixture-of-experts model by experts instead of within each. Becomes "
        "--enable-expert-parallel. Default: false.",
    )
    enforce_eager: Bool | None = Field(
        default=None,
        description="Run without CUDA graphs: less memory, slower decoding. Becomes --enforce-eager. Default: false; "
        "the ladder may choose it.",
    )
    max_cudagraph_capture_size: Annotated[Integer, Field(ge=1, le=65_536)] | None = Field(
        default=None,
        description="Largest batch captured in CUDA graphs. Becomes --max-cudagraph-capture-size. Default: vLLM's own.",
    )
    enable_prefix_caching: Bool | None = Field(
        default=None,
        description="Reuse the KV cache of equal prompt beginnings. Becomes --enable-prefix-caching. Default: vLLM's "
        "own.",
    )
    enable_chunked_prefill: Bool | None = Field(
        default=None,
        description="Process long prompts in pieces. Becomes --enable-chunked-prefill. Default: vLLM's own.",
    )
    async_scheduling: Bool | None = Field(
        default=None,
        description="Schedule a step ahead. Becomes --async-scheduling. Default: vLLM's own for GPU and model.",
    )
    lora: LoRASpec | None = Field(
        default=None,
        description="Serve LoRA adapters; the plan counts their buffers. Becomes --enable-lora and its flags. Default: "
        "none, or what extraArgs says.",
    )
    speculative: JsonObject | None = Field(
        default=None,
        max_length=64,
        description="Speculative decoding, for instance {method: mtp, num_speculative_tokens: 2}. Becomes "
        "--speculative-config. Default: none, or what extraArgs says.",
    )
    extra_args: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...],
        Field(max_length=64),
        Listed,
        *_EXTRA_ARGUMENTS,
    ] = Field(
        default=(),
        description="Further arguments of vllm serve, each its own list item, appended as they are, for instance "
        "--enable-auto-tool-choice. Flags that the plan decides are refused in every spelling. Default: none.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.maxNumBatchedTokens) || !has(self.maxNumSeqs) || "
            "self.maxNumBatchedTokens >= self.maxNumSeqs",
            message="maxNumBatchedTokens must be at least maxNumSeqs: vLLM refuses less; raise the one, or lower the "
            "other",
            holds=lambda e: (
                e.max_num_batched_tokens is None or e.max_num_seqs is None or e.max_num_batched_tokens >= e.max_num_seqs
            ),
        ),
    )
