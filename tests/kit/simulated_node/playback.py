"""Play a recorded start-up back for given flags: it serves, or fails in the words of the pod's release."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kit.simulated_node import wordings
from kit.simulated_node.records import CPU, GIB, Record

BLOCK_TOKENS: Final = 16
"""Tokens of a block where ``--block-size`` does not say otherwise."""

NULL_BLOCK_FROM: Final = (0, 29)
"""From this release on, the capacity check holds back one block (``v1/core/kv_cache_utils.py``)."""


@dataclass(frozen=True)
class Server:
    """What the pod asks for.

    Attributes:
        version: vLLM release by the image's tag.
        model: first argument.
        flags: by vLLM's names, values as in JSON where they are.
        cpu_kv_cache_gib: ``VLLM_CPU_KVCACHE_SPACE``, None on a GPU.
        used_by_others_gib: memory of the GPU that another process holds.
        takes_more_gib: memory that the start-up takes beyond the record's.
        other_rank_takes_more_gib: the same of another rank of the group, whose KV cache the leader checks, too.
    """

    version: tuple[int, ...]
    model: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    cpu_kv_cache_gib: float | None = None
    used_by_others_gib: float = 0.0
    takes_more_gib: float = 0.0
    other_rank_takes_more_gib: float = 0.0

    @property
    def headless(self) -> bool:
        """A rank whose leader checks and sizes its KV cache."""
        return "headless" in self.flags

    @property
    def utilization(self) -> float:
        """``--gpu-memory-utilization``, or the release's default."""
        default = 0.92 if self.version >= (0, 22) else 0.9
        return float(self.flags.get("gpu_memory_utilization", default))


@dataclass(frozen=True)
class Outcome:
    """How the start-up ends.

    Attributes:
        serves: True if the server gets ready.
        log: all that it printed, line by line.
        dies: what it prints when it dies after it has served; empty where it goes on.
    """

    serves: bool
    log: tuple[str, ...]
    dies: tuple[str, ...] = ()


def parse_arguments(arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The model and the flags of ``vllm serve`` arguments, as far as the playback needs them.

    >>> parse_arguments(["Qwen/Qwen3-VL-8B-Instruct", "--max-model-len", "8192", "--kv-cache-dtype=fp8"])
    ('Qwen/Qwen3-VL-8B-Instruct', {'max_model_len': 8192, 'kv_cache_dtype': 'fp8'})
    """
    model, flags = "", dict[str, Any]()
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        position += 1
        if not argument.startswith("--"):
            model = model or argument
            continue
        name, has_value, value = argument[2:].partition("=")
        if not has_value and position < len(arguments) and not arguments[position].startswith("--"):
            value, has_value = arguments[position], "="
            position += 1
        flags[name.replace("-", "_")] = _value(value) if has_value else True
    return model, flags


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def play(record: Record, server: Server) -> Outcome:
    """The outcome, by the record's figures and vLLM's checks in their order."""
    words = wordings.Wordings(server.version, server.model, record.architecture, dict(server.flags))
    started = words.beginning()
    if record.gpu_product != CPU:
        requested = server.utilization * record.total_gib
        free = record.free_gib - server.used_by_others_gib
        if free < requested:
            refusal = words.free_memory_too_low(free, record.total_gib, server.utilization, requested)
            return Outcome(serves=False, log=(*started, *refusal))
    available = (
        round(server.cpu_kv_cache_gib * GIB)
        if server.cpu_kv_cache_gib is not None
        else int(server.flags.get("kv_cache_memory_bytes") or record.available_bytes(server.utilization))
        - round(server.takes_more_gib * GIB)
    )
    loaded = (*started, *words.loaded(record.weights_gib), *words.available(available / GIB))
    if server.headless:
        return Outcome(serves=True, log=tuple(line for line in loaded if "APIServer" not in line))
    available -= round(server.other_rank_takes_more_gib * GIB)
    if available <= 0:
        return Outcome(serves=False, log=(*loaded, *words.no_kv_cache_memory()))
    block = int(server.flags.get("block_size", BLOCK_TOKENS))
    per_block = record.bytes_per_token(str(server.flags.get("kv_cache_dtype", "auto"))) * block
    usable = available - (per_block if server.version >= NULL_BLOCK_FROM else 0)
    length = int(server.flags.get("max_model_len", record.needed_tokens))
    needed = math.ceil(length / block) * per_block
    if needed > usable:
        longest = int(usable // per_block) * block
        return Outcome(
            serves=False, log=(*loaded, *words.kv_cache_too_small(length, needed / GIB, usable / GIB, longest))
        )
    tokens = int(available // per_block) * block
    return Outcome(serves=True, log=(*loaded, *words.serves(tokens, length, tokens / length)))
