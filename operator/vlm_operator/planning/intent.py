"""The intent a plan answers, free of Kubernetes and of the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from vlm_operator.engine.host_flags import NO_FLAGS, HostFlags
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT, EngineVersion

GPUS_PER_NODE: Final = 8
"""GPUs of one node where nobody says how many there are: the largest common servers."""


class Goal(StrEnum):
    """What the server is for."""

    SINGLE_USER = "SingleUser"
    """One person: the lowest utilisation that holds weights and the wanted context; the rest of the GPU stays free."""
    THROUGHPUT = "Throughput"
    """Many requests: vLLM's default utilisation where the GPU is free enough, more only where the context needs it."""


@dataclass(frozen=True, slots=True)
class Images:
    """Images of one request: how many, and how large one is (pixels)."""

    count: int
    width: int = 1920
    height: int = 1080


@dataclass(frozen=True, slots=True)
class Videos:
    """Videos of one request: how many, how long one is (seconds), at which size and source frame rate."""

    count: int
    seconds: float = 60.0
    width: int = 1280
    height: int = 720
    frames_per_second: float = 30.0


@dataclass(frozen=True, slots=True)
class Audios:
    """Sounds of one request: how many, and how long one is (seconds)."""

    count: int
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Workload:
    """What one request may hold. It sizes the cup where the context is not pinned.

    Attributes:
        prompt_tokens: text of the request, tokens.
        output_tokens: longest answer, tokens.
        concurrent_requests: requests served at once, None where the user did not say.
        tokens_per_image, tokens_per_video, tokens_per_audio: stated by the user, for families whose arithmetic is not
            known.
    """

    prompt_tokens: int = 1024
    output_tokens: int = 1024
    images: Images | None = None
    videos: Videos | None = None
    audios: Audios | None = None
    concurrent_requests: int | None = None
    tokens_per_image: int | None = None
    tokens_per_video: int | None = None
    tokens_per_audio: int | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """One request for a plan.

    Attributes:
        goal: None where the user named none; then the defaults of vLLM are left alone wherever they fit.
        workload: None where the user described none; then the context is sized by rule of thumb.
        minimum_context, maximum_context: floor and cap, tokens: below the floor the plan refuses.
        settings: the flags the user set; every other field is at its default.
        pinned: names of the fields of ``settings`` that the user set; never changed.
        gpu_count: GPUs to use, None where the plan may choose.
        gpus_available: GPUs of that product on one node, which bound what a pod may ask for.
        nodes: nodes that a replica stands on; None where the plan may take as many as it needs.
        nodes_available: nodes with ``gpus_available`` GPUs, the most that a free plan takes; None where nobody counted.
        reserve_bytes: memory of each GPU that stays free for a desktop or another process.
        allow_fp8_kv_cache: True where the ladder may store the KV cache in eight bits.
        cpu_kv_cache_bytes: plans for vLLM's CPU backend with exactly this container, instead of a GPU.
        uncounted_flags: further arguments that move memory in ways the plan does not count; see ``planning.uncounted``.
        hf_overrides: ``--hf-overrides`` of the command, as canonical JSON: counted where the model's facts were read
            with it.
        host_flags: what further arguments say of main memory.
        is_prediction: nothing is chosen: the plan says what the flags as given, and vLLM's own defaults, would do.
    """

    goal: Goal | None = None
    workload: Workload | None = None
    minimum_context: int | None = None
    maximum_context: int | None = None
    settings: EngineSettings = field(default_factory=EngineSettings)
    pinned: frozenset[str] = frozenset()
    version: EngineVersion = DEFAULT
    gpu_count: int | None = None
    gpus_available: int = GPUS_PER_NODE
    nodes: int | None = 1
    nodes_available: int | None = None
    reserve_bytes: int = 0
    allow_fp8_kv_cache: bool = True
    cpu_kv_cache_bytes: int | None = None
    is_prediction: bool = False
    uncounted_flags: tuple[str, ...] = ()
    hf_overrides: str | None = None
    host_flags: HostFlags = NO_FLAGS
