"""Words about fields of a VLMDeployment as words about the options that say the same."""

from __future__ import annotations

import re
from typing import Any, Final

_OPTIONS: Final = {
    "context.minimum": "--min-context",
    "context.maximum": "--max-context",
    "cpu.kvCacheSpace": "--cpu-kv-cache-space",
    "engine.vllmVersion": "--vllm-version",
    "gpu.count": "--gpu-count",
    "gpu.platform": "--platform",
    "gpu.product": "--gpu",
    "retune.allowFP8KVCache": "--no-fp8-kv-cache",
    "workload.audios": "--audios",
    "workload.concurrentRequests": "--concurrent-requests",
    "workload.images": "--images",
    "workload.outputTokens": "--output-tokens",
    "workload.promptTokens": "--prompt-tokens",
    "workload.tokensPerAudio": "--tokens-per-audio",
    "workload.tokensPerImage": "--tokens-per-image",
    "workload.tokensPerVideo": "--tokens-per-video",
    "workload.videos": "--videos",
}
_FIELD: Final = re.compile(rf"(?:spec\.)?\b({'|'.join(map(re.escape, _OPTIONS))})(?:\.count)?\b(?!\.)")

_IN_A_FILE: Final = re.compile(r" \([\w.]+ in a VLMDeployment\)")


def in_options(words: str) -> str:
    """The same words with each field replaced by its option; fields that no option sets stay.

    >>> in_options("lower context.minimum to at most 8,192, or spec.workload.images.count")
    'lower --min-context to at most 8,192, or --images'
    """
    words = _IN_A_FILE.sub("", words)
    return _FIELD.sub(lambda field: _OPTIONS[field[1]], words)


def all_in_options(value: Any) -> Any:
    """A document with every text of it in such words; its keys stay."""
    if isinstance(value, str):
        return in_options(value)
    if isinstance(value, dict):
        return {key: all_in_options(item) for key, item in value.items()}
    if isinstance(value, list):
        return [all_in_options(item) for item in value]
    return value
