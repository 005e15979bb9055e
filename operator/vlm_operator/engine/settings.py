"""Which vLLM flags matter to memory? One frozen record of them: as requested, and as resolved.

Names are vLLM's own (``--max-model-len`` is ``max_model_len``). Mappings are kept as sorted tuples of pairs so that
settings can be hashed, compared and used as keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

MODALITIES: Final = ("image", "video", "audio")


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
        mm_processor_kwargs, media_io_kwargs: JSON text with sorted keys, or None.
        kv_cache_memory_bytes: fixes the KV cache in place of profiling (0.12 and later).
        runner: ``V1`` or ``V2`` model runner, once resolved.
        cudagraph_capture_sizes: batch sizes captured, once resolved; empty when eager.
    """

    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    enable_expert_parallel: bool = False
    kv_cache_dtype: str = "auto"
    block_size: int | None = None
    kv_cache_memory_bytes: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    enforce_eager: bool = False
    cudagraph_capture_sizes: tuple[int, ...] | None = None
    max_cudagraph_capture_size: int | None = None
    async_scheduling: bool | None = None
    enable_prefix_caching: bool | None = None
    enable_chunked_prefill: bool | None = None
    limit_mm_per_prompt: tuple[tuple[str, ModalityLimit], ...] | None = None
    language_model_only: bool = False
    mm_processor_kwargs: str | None = None
    media_io_kwargs: str | None = None
    mm_encoder_tp_mode: str = "weights"
    runner: str | None = None

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
