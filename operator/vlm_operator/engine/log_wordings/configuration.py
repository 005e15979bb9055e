"""Log wordings for flags that contradict each other or the model.

Read in vLLM 0.8 to 0.33: ``config/{model,scheduler,parallel,vllm}.py`` (``config.py`` before 0.10), ``v1/core/
{encoder_cache_manager,kv_cache_utils}.py``, ``model_executor/layers/quantization/``, ``distributed/utils.py``,
``v1/executor/ray_utils.py``, ``envs.py``, ``entrypoints/``, ``lora/``; Python's argparse, pydantic.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind
from vlm_operator.engine.log_wordings.template import Wording, wordings
from vlm_operator.engine.startup_reasons import StartupReason

_PARTITION: Final = "Weight {what:word} = {size:int} is not divisible by {by:%s} = {divisor:int}."

KINDS: Final = (
    FailureKind(
        name="context_above_model_maximum",
        reason=StartupReason.CONTEXT_ABOVE_MODEL_MAXIMUM,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=wordings(
            "User-specified max_model_len ({max_model_len:int}) is greater than the derived max_model_len "
            "({len_key:word}={derived_max_len:limit} or model_max_length={model_max_length:limit} in model's "
            "config.json)",
            versions="0.6.3-",
        ),
        pieces=(
            "To allow overriding this maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1",
            "max_model_len is only safe if the model",
        ),
    ),
    FailureKind(
        name="batched_tokens_below_context",
        reason=StartupReason.BATCHED_TOKENS_BELOW_CONTEXT,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=wordings(
            "max_num_batched_tokens ({max_num_batched_tokens:int}) is smaller than max_model_len ({max_model_len:int})",
            versions="0.6.3-",
        ),
        pieces=("effectively limits the maximum sequence length to max_num_batched_tokens",),
    ),
    FailureKind(
        name="batched_tokens_below_sequences",
        reason=StartupReason.BATCHED_TOKENS_BELOW_SEQUENCES,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=wordings(
            "max_num_batched_tokens ({max_num_batched_tokens:int}) must be greater than or equal to max_num_seqs "
            "({max_num_seqs:int})",
            versions="0.6.3-",
        ),
    ),
    FailureKind(
        name="item_above_batched_tokens",
        reason=StartupReason.ITEM_ABOVE_BATCHED_TOKENS,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=wordings(
            "max_tokens_per_mm_item ({max_tokens_per_mm_item:int}) is larger than max_num_batched_tokens "
            "({max_num_batched_tokens:int})",
            versions="0.8.4-",
        ),
    ),
    FailureKind(
        name="chunked_input_required",
        reason=StartupReason.CHUNKED_INPUT_REQUIRED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=wordings("Chunked MM input is required because we need the flexibility", versions="0.15-"),
    ),
    FailureKind(
        name="limit_above_supported",
        reason=StartupReason.LIMIT_ABOVE_SUPPORTED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=wordings(
            "You set {modality:word}={limit:int} (or defaulted to 1) in `--limit-mm-per-prompt`, but this model only "
            "supports at most {supported:int} {:word} items",
            versions="0.7.3-0.8.3",
        ),
    ),
    FailureKind(
        name="batched_tokens_below_mamba_block",
        reason=StartupReason.BATCHED_TOKENS_BELOW_MAMBA_BLOCK,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=wordings(
            "block_size ({block_size:int}) must be <= max_num_batched_tokens ({max_num_batched_tokens:int})",
            versions="0.17-",
        ),
    ),
    FailureKind(
        name="heads_not_divisible",
        reason=StartupReason.TENSOR_PARALLEL_NOT_DIVISIBLE,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        case="--tensor-parallel-size does not divide the attention heads.",
        case_remedy="Set --tensor-parallel-size to a divisor of the number of heads.",
        wordings=wordings(
            "Total number of attention heads ({num_heads:int}) must be divisible by tensor parallel size "
            "({tensor_parallel_size:int})",
            versions="0.6.3-",
        ),
    ),
    FailureKind(
        name="partition_not_divisible",
        reason=StartupReason.TENSOR_PARALLEL_NOT_DIVISIBLE,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=20,
        case="--tensor-parallel-size does not divide a layer, or splits a quantisation group.",
        case_remedy="Lower --tensor-parallel-size; set --enable-expert-parallel for experts, --mm-encoder-tp-mode "
        "to data for a vision encoder.",
        wordings=(
            Wording(_PARTITION % "word", "0.6.3-"),
            Wording(
                "Weight {what:word} = {size:int} is not divisible by weight quantization {by:word} = {divisor:int}.",
                "0.6.6-",
            ),
            Wording("Weight {what:word} = {size:int}{:text} is not divisible by {by:text} = {divisor:int}.", "0.8-"),
            Wording("AssertionError: {size:int} is not divisible by {divisor:last}", "0.6.3-"),
            *wordings(
                "weight = {size:int} is not divisible by weight quantization {by:word} = {divisor:int}.",
                versions="0.8-",
            ),
            # Marlin's kernels check their tiles in C++ (csrc/quantization/gptq_marlin, marlin).
            Wording("{what:word} = {size:int} is not divisible by {by:word} = {divisor:last}", "0.6.3-"),
            Wording("num_heads ({size:int}) is not divisible by num_kv_heads ({divisor:int})", "0.6.3-"),
            *wordings(
                "The input size is not aligned with the quantized weight shape.",
                "The output size is not aligned with the quantized weight shape.",
                versions="0.6.3-",
            ),
            Wording("n_physical_experts={size:int} must be divisible by ep_size={divisor:last}", "0.20-"),
            *wordings(
                "Input size per partition ({size:int}) must be divisible by group size ({divisor:int})",
                "input_size_per_partition ({size:int}) to be divisible by {divisor:last}",
                "intermediate_size_per_partition={size:int} must be divisible by {divisor:last}",
                "in divisible by {divisor:int}, got {size:last}",
                "size divisible by {divisor:int}, got {size:last}",
                "dimension to be divisible by {divisor:int}, got {size:last}",
                "intermediate_size_per_partition divisible by {divisor:int}, got {size:last}",
                versions="0.13-",
            ),
        ),
        pieces=(
            "Consider reducing tensor_parallel_size or running with --quantization gptq",
            "is not divisible by weight quantization",
        ),
    ),
    FailureKind(
        name="too_few_gpus",
        reason=StartupReason.TOO_FEW_GPUS,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        wordings=(
            *wordings(
                "Tensor parallel size ({world_size:int}) cannot be larger than the number of available GPUs "
                "({gpus:int})",
                versions="0.11.2-0.12",
            ),
            *wordings(
                "World size ({world_size:int}) is larger than the number of available GPUs ({gpus:int})",
                versions="0.13-",
            ),
            *wordings(
                "set tensor_parallel_size ({world_size:int}) to less than max local gpu count ({gpus:int})",
                "ensure that world_size ({world_size:int}) is less than than max local gpu count ({gpus:int})",
                versions="0.6.3-0.10.2",
            ),
            *wordings(
                "local_world_size ({world_size:int}) must be less than or equal to the number of visible devices "
                "({gpus:int})",
                versions="0.11.2-0.23",
            ),
            *wordings(
                "local_world_size ({world_size:int}) exceeds assigned_physical_gpu_ids count ({gpus:int})",
                "DP adjusted local rank {local_rank:int} is out of bounds for {gpus:int} devices",
                "local_rank {local_rank:int} is out of bounds for assigned_physical_gpu_ids",
                versions="0.24-",
            ),
            *wordings("DP adjusted local rank {local_rank:int} is out of bounds.", versions="0.11.2-0.23"),
            *wordings("Cannot provide a placement group requiring {world_size:int} GPUs", versions="0.11.2-"),
            *wordings(
                "exceeds the total number of available GPUs in the placement group",
                "Ray does not allocate any GPUs on the driver node",
                "Current node has no GPU available",
                "Cannot provide a placement group of placement_group_specs=",
                "Not enough resources to allocate {:int} placement groups",
                "Not enough resources to allocate {:int} DP ranks",
                versions="0.6.3-",
            ),
            *wordings("ValueError: --device-ids provides {gpus:int} devices, but DP rank", versions="0.25-"),
            *wordings("CUDA error: invalid device ordinal"),
        ),
        pieces=("is larger than the number of available GPUs",),
    ),
    FailureKind(
        name="kv_layout_unsupported",
        reason=StartupReason.KV_LAYOUT_UNSUPPORTED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=False,
        priority=10,
        wordings=(
            *wordings("The page size of the layer is not divisible by the maximum page size", versions="0.12-0.23"),
            *wordings("Layer {layer:token}: page size is not divisible by the maximum page size", versions="0.24-"),
            *wordings("failed to convert the KV cache specs to one unified type", versions="0.9.1-0.26"),
            # Bare assertions: what stands in the traceback is their source line.
            *wordings(
                "assert len(page_sizes) == 1",
                "assert new_spec.page_size_bytes == max_page_size",
                "assert raw_tensor.numel() % kv_cache_spec.page_size_bytes == 0",
                "assert self.page_size_padded >= page_size",
                "assert self.page_size_padded >= real_page_size",
                versions="0.9.1-",
            ),
            *wordings("Non-uniform page sizes: {size:int} vs {other:last}", versions="0.18-"),
            *wordings("Failed to promote local KV cache specs to one unified type", versions="0.11.2-"),
            *wordings("KV cache groups with multiple block sizes do not support context parallelism", versions="0.20-"),
            *wordings("KV cache layout {layout:word} cannot express this model's mixed page sizes", versions="0.29-"),
        ),
    ),
    FailureKind(
        name="item_above_processor_cache",
        reason=StartupReason.ITEM_ABOVE_PROCESSOR_CACHE,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=30,
        wordings=(
            Wording("ValueError: value too large"),  # of cachetools, multimodal/cache.py
            Wording("too large to cache; increase --mm-processor-cache-gb"),
        ),
        changes=(("--mm-processor-cache-gb", 0, "no cache of processed items, or one of more GiB than the item has"),),
    ),
    FailureKind(
        name="unknown_argument",
        reason=StartupReason.UNKNOWN_ARGUMENT,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=3,
        wordings=wordings(
            "error: unrecognized arguments: {args:rest}",
            "error: argument {arg:text}: Value {value:text} cannot be converted to",
            "error: argument {arg:text}: invalid choice: {value2:rest}",
            "error: argument {arg:text}: invalid {:word} value: {value2:rest}",
            "error: argument {arg:text}: expected one argument",
            "error: argument {arg:text}: expected at least one argument",
            "error: argument {arg:text}: not allowed with argument {value2:rest}",
            "error: ambiguous option: {arg:token} could match {value2:rest}",
            "error: the following arguments are required: {args:rest}",
            "invalid tool call parser: {value:text} (chose from",
            "invalid reasoning parser: {value:text} (chose from",
            "TypeError: {:token}__init__() got an unexpected keyword argument '{arg:word}'",
            *(
                f"validation error for {{config:word}}{ending} {{arg:name}} {complaint}"
                for ending in ("Config", "Args")
                for complaint in (
                    "Input should be {expected:rest}",
                    "Unexpected keyword argument",
                    "Extra inputs are not permitted",
                    "Value error, {expected:rest}",
                )
            ),
        ),
    ),
    FailureKind(
        name="lora_rank_above_maximum",
        reason=StartupReason.CONFIGURATION_REJECTED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        case="A LoRA adapter has a higher rank than --max-lora-rank.",
        case_remedy="Raise --max-lora-rank to the adapter's rank.",
        wordings=wordings(
            "LoRA rank {lora_rank:int} is greater than max_lora_rank {max_lora_rank:last}", versions="0.6.3-"
        ),
    ),
    FailureKind(
        name="cuda_before_fork",
        reason=StartupReason.CONFIGURATION_REJECTED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=10,
        case="CUDA was initialised before vLLM forked its processes, which cannot use it then.",
        case_remedy="Set VLLM_WORKER_MULTIPROC_METHOD=spawn.",
        wordings=wordings("Cannot re-initialize CUDA in forked subprocess"),
    ),
    FailureKind(
        name="service_named_vllm",
        reason=StartupReason.CONFIGURATION_REJECTED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=False,
        priority=10,
        case="Kubernetes set VLLM_PORT to the address of a Service named vllm, and vLLM read it as its own setting.",
        case_remedy="Set enableServiceLinks: false in the pod's spec, or rename the Service.",
        wordings=(
            Wording("VLLM_PORT '{address:token}' appears to be a URI", "0.9-"),
            Wording("invalid literal for int() with base 10: 'tcp://{address:token}'", "0.6.3-0.8.5"),
        ),
    ),
    FailureKind(
        name="configuration_rejected",
        reason=StartupReason.CONFIGURATION_REJECTED,
        failure_class=FailureClass.CONFIGURATION,
        retunable=True,
        priority=40,
        wordings=(
            *(
                Wording(f"validation {errors} for {{config:word}}{ending} Value error, {{complaint:rest}}")
                for errors in ("error", "errors")
                for ending in ("Config", "Args")
            ),
            *wordings(
                "Pipeline parallelism is not supported for this model",
                "Pipeline parallelism is only supported for the following architectures",
                "{model:word} does not support LoRA yet",
                "Model {model:text} is not supported for LoRA",
                "No supported LoRA modules found in {model:word}",
                "The supplied chat template {chat_template:text} looks like a file path, but it failed to be opened",
                "The supplied chat template string ({chat_template:token}) appears path-like, but doesn't exist!",
                "Error: --enable-auto-tool-choice requires --tool-call-parser",
                "Invalid prefix_match_unit={value:token}; {complaint:rest}",
                "Prequant BitsAndBytes {:text} not supported",
                "Model {model:word} does not support BitsAndBytes quantization yet",
                "Model Runner V{runner:int} does not {:text}support: {features:rest}",
                versions="0.6.3-",
            ),
        ),
    ),
)
