"""What would mend a failure? Flags with the exact next value and the arithmetic behind it; else the one thing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.advice import configuration, environment, memory
from vlm_operator.diagnosis.advice.start import release_of
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice
from vlm_operator.engine.log_wordings import KINDS
from vlm_operator.engine.version import EngineVersion


def advise(failure: families.Failure, observation: Observation, version: str | None) -> tuple[Advice, ...]:
    """What to change after ``failure``, best first; never empty for a failure with a known reason."""
    engine = release_of(version)
    advisor = _ADVISORS.get(failure.reason)
    found = tuple(advisor(failure, observation, engine)) if advisor is not None else ()
    remedy = next((kind.remedy for kind in KINDS if kind.name == failure.kind), None)
    if found or remedy is None:
        return found or (Advice(None, None, None, "Read the exception and the lines above it in the log."),)
    return (Advice(None, None, None, remedy),)


Advisor = Callable[[families.Failure, Observation, EngineVersion | None], Iterator[Advice]]
"""Gives advice for the failures of one family."""

_BY_FAMILY: Final[Mapping[type[families.Failure], Advisor]] = {
    families.KVCacheTooSmall: memory.kv_cache_too_small,
    families.NoKVCacheMemory: memory.no_kv_cache_memory,
    families.FreeMemoryTooLow: memory.free_memory_too_low,
    families.OutOfMemory: memory.out_of_memory,
    families.ContextFailure: configuration.context,
    families.BatchFailure: configuration.batch,
    families.ParallelFailure: configuration.parallel,
    families.MultimodalFailure: configuration.multimodal,
    families.UnsupportedConfiguration: configuration.unsupported,
    families.ImageFailure: environment.image,
    families.RequestFailure: configuration.request,
}
_ADVISORS: Final[Mapping[str, Advisor]] = {
    **{reason: advisor for family, advisor in _BY_FAMILY.items() for reason in family.reasons},
    "EngineStartTimeout": configuration.start_timeout,
    "NoGPUVisible": environment.no_gpu_visible,
    "AddressInUse": environment.address_in_use,
    "TrustRemoteCodeRequired": configuration.trust,
}
