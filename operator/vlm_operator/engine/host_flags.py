"""Flags of ``vllm serve`` that size main memory and nothing on the GPU, read from further arguments.

Sources (vLLM 0.33): ``config/multimodal.py: MultiModalConfig``, ``config/cache.py: CacheConfig``,
``entrypoints/openai/cli_args.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vlm_operator.errors import InputError


@dataclass(frozen=True, slots=True)
class HostFlags:
    """What they say; the defaults are vLLM's.

    Attributes:
        processor_cache_gib: ``--mm-processor-cache-gb``.
        shared_cache: ``--mm-processor-cache-type shm``.
        api_servers: ``--api-server-count``.
        kv_offloading_gib: ``--kv-offloading-size``, of all ranks together.
        cpu_offload_gib: ``--cpu-offload-gb``, of each rank.
        sleeps: ``--enable-sleep-mode``.
        connects: ``--kv-transfer-config``: a connector, whose buffers are its own.
    """

    processor_cache_gib: float = 4.0
    shared_cache: bool = False
    api_servers: int = 1
    kv_offloading_gib: float = 0.0
    cpu_offload_gib: float = 0.0
    sleeps: bool = False
    connects: bool = False


NO_FLAGS: Final = HostFlags()


def host_flags(arguments: Sequence[str]) -> HostFlags:
    """The flags that these arguments set.

    >>> host_flags(["--mm-processor-cache-gb=1", "--kv-offloading-size", "32"])
    HostFlags(processor_cache_gib=1.0, shared_cache=False, api_servers=1, kv_offloading_gib=32.0, \
cpu_offload_gib=0.0, sleeps=False, connects=False)

    Raises:
        InputError: a number that is none.
    """
    given: dict[str, str] = {}
    for place, argument in enumerate(arguments):
        spelling, equals, value = argument.partition("=")
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        given[spelling.partition(".")[0].replace("_", "-")] = value if equals else following
    return HostFlags(
        processor_cache_gib=_number(given, "--mm-processor-cache-gb", NO_FLAGS.processor_cache_gib),
        shared_cache=given.get("--mm-processor-cache-type") == "shm",
        api_servers=max(1, int(_number(given, "--api-server-count", 1.0))),
        kv_offloading_gib=_number(given, "--kv-offloading-size", 0.0),
        cpu_offload_gib=_number(given, "--cpu-offload-gb", 0.0),
        sleeps="--enable-sleep-mode" in given,
        connects="--kv-transfer-config" in given,
    )


def _number(given: dict[str, str], flag: str, default: float) -> float:
    text = given.get(flag)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 2**40:
        raise InputError(f"{flag[2:]}: {text[:40]!r} is not a number of at least 0", field=flag[2:])
    return value
