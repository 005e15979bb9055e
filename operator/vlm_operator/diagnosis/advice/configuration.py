"""Advice for all failures except those of class Memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.advice.json_value import repaired_json
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
        "without chunked prefill, a batch must hold a whole prompt",
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
            "the model does not support more",
            exact=True,
        )


def unsupported(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """The flag to drop, or the value that is supported."""
    assert isinstance(failure, families.UnsupportedConfiguration)
    flags = observation.flags
    match failure.reason:
        case "UnknownArgument":
            yield _argument(failure, flags)
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
                "remove it: the checkpoint names its own",
            )
        case "QuantizationUnsupportedByGPU" if failure.kind == "fp8_unsupported":
            yield Advice(
                "--kv-cache-dtype",
                flags.get("kv_cache_dtype"),
                "auto",
                "the GPU has no FP8 arithmetic; if the weights are FP8 too, use another quantisation of the model",
            )
        case "ConfigurationRejected" if failure.lora_rank is not None:
            yield Advice("--max-lora-rank", failure.max_lora_rank, failure.lora_rank, "the adapter's rank", exact=True)
        case "ConfigurationRejected" if failure.kind == "cuda_before_fork":
            yield Advice("VLLM_WORKER_MULTIPROC_METHOD", None, "spawn", "a forked process cannot use CUDA", exact=True)
        case "ConfigurationRejected":
            for flag in dict.fromkeys(_named_flags(failure, flags)):
                yield Advice(flag, flags.get(flag[2:].replace("-", "_")), None, "vLLM's message names it")
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


def _argument(failure: families.UnsupportedConfiguration, flags: Mapping[str, Any]) -> Advice:
    """The argument to remove or to correct: as JSON where something like JSON was written."""
    if "config" in failure.numbers:
        return _field(failure, flags)
    text = failure.args or failure.arg or ""
    flag = text.split()[0].partition("=")[0] if text.split() else None
    value = failure.numbers.get("value") or failure.numbers.get("value2")
    meant = repaired_json(value) if isinstance(value, str) else None
    if meant is not None:
        return Advice(flag, value, meant, "this flag takes JSON: put it in single quotes for the shell", exact=True)
    return Advice(
        flag, value or (failure.args or None), None, "this vLLM release does not know it, or cannot parse its value"
    )


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
            "twice the time; or cache the weights on the node",
        )


def trust(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """A decision of a person, never taken automatically."""
    yield Advice("--trust-remote-code", False, True, "your decision: vLLM then runs the repository's own code")
