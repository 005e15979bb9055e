"""Which flags agree with each other, the model and the GPU? Advice for all failures but those of class Memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.advice.start import block_size_of, whole
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice
from vlm_operator.engine.version import EngineVersion

_FLAG: Final = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]{1,60}")
_TOPICS: Final[Mapping[str, str]] = {
    "Pipeline parallelism": "--pipeline-parallel-size",
    "support LoRA": "--enable-lora",
    "supported for LoRA": "--enable-lora",
    "chat template": "--chat-template",
    "peculative": "--speculative-config",
    "Draft model": "--speculative-config",
    "swap space": "--swap-space",
    "CUDAGraphMode": "--compilation-config",
}
"""Words of a refusal to the flag that they are about."""


def context(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """A context that the model, or the batch, allows."""
    assert isinstance(failure, families.ContextFailure)
    if failure.reason == "ContextAboveModelMaximum":
        if failure.derived_max_len is not None:
            yield Advice(
                "--max-model-len",
                failure.max_model_len,
                failure.derived_max_len,
                "the largest that the model's config.json allows",
                exact=True,
            )
        return
    yield Advice(
        "--max-num-batched-tokens",
        failure.max_num_batched_tokens,
        failure.max_model_len,
        "without chunked prefill a batch must hold a whole prompt",
        exact=True,
    )
    yield Advice(
        "--max-model-len",
        failure.max_model_len,
        failure.max_num_batched_tokens,
        "or a context that fits the batch",
        exact=True,
    )


def batch(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """A batch that holds what must fit into it, or fewer sequences."""
    assert isinstance(failure, families.BatchFailure)
    match failure.reason:
        case "BatchedTokensBelowSequences":
            yield Advice(
                "--max-num-seqs",
                failure.max_num_seqs,
                failure.max_num_batched_tokens,
                "each sequence takes at least one token of a batch",
                exact=True,
            )
        case "ItemAboveBatchedTokens":
            yield Advice(
                "--max-num-batched-tokens",
                failure.max_num_batched_tokens,
                failure.max_tokens_per_mm_item,
                "a batch must hold the largest item whole",
                exact=True,
            )
        case "BatchedTokensBelowMambaBlock":
            yield Advice(
                "--max-num-batched-tokens",
                failure.max_num_batched_tokens,
                failure.block_size,
                "a batch must hold one aligned block",
                exact=True,
            )
        case _:
            yield Advice(
                "--max-num-seqs",
                failure.max_num_seqs,
                failure.mamba_blocks,
                "each sequence needs a state block of its own",
                exact=True,
            )


def parallel(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """Ranks that divide the model and that there are GPUs for."""
    assert isinstance(failure, families.ParallelFailure)
    ranks = failure.tensor_parallel_size or whole(observation.flags.get("tensor_parallel_size"))
    if failure.num_heads is not None and ranks is not None:
        divisor = next((n for n in range(min(ranks, failure.num_heads), 0, -1) if failure.num_heads % n == 0), 1)
        yield Advice(
            "--tensor-parallel-size",
            ranks,
            divisor,
            f"the largest size up to {ranks} that divides {failure.num_heads} heads",
            exact=True,
        )
    elif failure.gpus is not None and failure.gpus > 0:
        target = 1 << (failure.gpus.bit_length() - 1)
        yield Advice(
            "--tensor-parallel-size",
            ranks or failure.world_size,
            target,
            f"{failure.gpus} GPUs are visible; a power of two divides most models' heads",
        )
        yield Advice(None, failure.gpus, failure.world_size, "or give the pod that many GPUs (nvidia.com/gpu)")
    elif ranks is not None and ranks > 1 and failure.reason == "TensorParallelNotDivisible":
        yield Advice(
            "--tensor-parallel-size", ranks, ranks // 2, f"{failure.size} is not divisible by {failure.divisor}"
        )


def multimodal(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """Multimodal flags as the model allows them."""
    assert isinstance(failure, families.MultimodalFailure)
    if failure.reason == "ChunkedInputRequired":
        yield Advice("--disable-chunked-mm-input", True, False, "this model must be able to split items", exact=True)
    elif failure.modality is not None:
        yield Advice(
            "--limit-mm-per-prompt",
            {failure.modality: failure.limit},
            {failure.modality: failure.supported},
            "the model supports no more",
            exact=True,
        )


def unsupported(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """The flag to drop, or the value that is supported."""
    assert isinstance(failure, families.UnsupportedConfiguration)
    flags = observation.flags
    match failure.reason:
        case "UnknownArgument" if "config" in failure.numbers:
            yield _field(failure, flags)
        case "UnknownArgument":
            text = failure.args or failure.arg or ""
            flag = text.split()[0].partition("=")[0] if text.split() else None
            value = failure.numbers.get("value") or failure.numbers.get("value2")
            yield Advice(
                flag, value or (failure.args or None), None, "this vLLM does not know it, or cannot read its value"
            )
        case "DtypeUnsupportedByGPU":
            yield Advice(
                "--dtype",
                "bfloat16",
                "half",
                "the GPU has no bfloat16; check that the model works in float16",
                exact=True,
            )
        case "QuantizationDtypeUnsupported":
            names = [name.strip().removeprefix("torch.") for name in (failure.supported or "").strip("[]").split(",")]
            dtype = str(failure.numbers.get("dtype", "")).removeprefix("torch.")
            yield Advice(
                "--dtype",
                dtype or None,
                names[0] or None,
                f"{failure.method} works with {', '.join(names)}",
                exact=bool(names[0]),
            )
        case "QuantizationConfigInvalid":
            yield Advice(
                "--quantization",
                failure.method,
                failure.model_method,
                "leave it to the checkpoint, which names its own",
            )
        case "QuantizationUnsupportedByGPU" if failure.kind == "fp8_unsupported":
            yield Advice(
                "--kv-cache-dtype",
                flags.get("kv_cache_dtype"),
                "auto",
                "the GPU has no FP8 arithmetic; where the weights are FP8 too, take another quantisation of the model",
            )
        case "ConfigurationRejected" if failure.lora_rank is not None:
            yield Advice("--max-lora-rank", failure.max_lora_rank, failure.lora_rank, "the adapter's rank", exact=True)
        case "ConfigurationRejected" if failure.kind == "cuda_before_fork":
            yield Advice("VLLM_WORKER_MULTIPROC_METHOD", None, "spawn", "a forked process cannot use CUDA", exact=True)
        case "ConfigurationRejected":
            for flag in dict.fromkeys(_named_flags(failure, flags)):
                yield Advice(flag, flags.get(flag[2:].replace("-", "_")), None, "vLLM's sentence is about it")
        case "AttentionBackendUnsupported":
            if flags.get("kv_cache_dtype", "auto") != "auto" or "kv" in failure.message.lower():
                yield Advice(
                    "--kv-cache-dtype", flags.get("kv_cache_dtype"), "auto", "no backend has this KV type on this GPU"
                )
            yield Advice("--attention-backend", flags.get("attention_backend"), None, "let vLLM choose")


def _named_flags(failure: families.UnsupportedConfiguration, flags: Mapping[str, Any]) -> Iterator[str]:
    """The flags that a refusal is about: written out, by the name of one that is set, or by its topic."""
    yield from _FLAG.findall(failure.message)
    yield from (f"--{name.replace('_', '-')}" for name in flags if "_" in name and name in failure.message)
    yield from (flag for topic, flag in _TOPICS.items() if topic in failure.message)


def _field(failure: families.UnsupportedConfiguration, flags: Mapping[str, Any]) -> Advice:
    """What to correct after vLLM could not read the value of one field of its configuration."""
    config, name = str(failure.numbers["config"]), failure.arg or ""
    owner = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", config).lower() + "_config"
    flag = next((f"--{each.replace('_', '-')}" for each in (name, owner) if each in flags), None)
    expected = failure.numbers.get("expected")
    why = f"{name} of vLLM's {config} configuration: " + (f"expected is {expected}" if expected else "not known")
    return Advice(flag, flags.get(name), None, why)


def start_timeout(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """More time for the weights."""
    assert isinstance(failure, families.NodeFailure)
    if failure.seconds is not None:
        yield Advice(
            "VLLM_ENGINE_READY_TIMEOUT_S",
            failure.seconds,
            failure.seconds * 2,
            "twice the time, or weights cached on the node",
        )


def trust(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """A decision of a person, never taken automatically."""
    yield Advice("--trust-remote-code", False, True, "a decision of yours: the repository's own code would run")


def request(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """The flag that would admit such a request; nothing has to be restarted for it."""
    assert isinstance(failure, families.RequestFailure)
    match failure.reason:
        case "PromptTooLong":
            total = failure.prompt_len or whole(failure.numbers.get("total"))
            block = block_size_of(observation)
            target = -(-(total + 1) // block) * block if total else None
            yield Advice(
                "--max-model-len",
                failure.max_model_len,
                target,
                "only if such prompts are meant to be served: it costs KV cache; the server is healthy",
            )
        case "ItemLimitExceeded":
            limit = {failure.modality: failure.limit} if failure.modality else None
            count = {failure.modality: failure.count} if failure.modality and failure.count else None
            yield Advice(
                "--limit-mm-per-prompt",
                limit,
                count,
                "only if so many items are meant to be served; the server is healthy",
            )
        case _:
            size = failure.embed_tokens or whole(failure.numbers.get("embeds"))
            yield Advice(
                "--max-num-batched-tokens",
                failure.encoder_cache_size,
                size,
                "the encoder cache is as large as the batch; or cap pixels with --mm-processor-kwargs; "
                "the server is healthy",
            )
