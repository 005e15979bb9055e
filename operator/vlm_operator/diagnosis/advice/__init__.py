"""Advice for a failure: flags with their exact next value and its arithmetic, else the one thing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.advice import configuration, environment, memory, out_of_memory, parallel, request
from vlm_operator.diagnosis.advice.start import release_of
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice
from vlm_operator.engine.log_wordings import KINDS
from vlm_operator.engine.startup_reasons import StartupReason
from vlm_operator.engine.version import EngineVersion


def advise(failure: families.Failure, observation: Observation, version: str | None) -> tuple[Advice, ...]:
    """What to change after ``failure``, best first; never empty for a failure with a known reason."""
    engine = release_of(version)
    advisor = _ADVISORS.get(failure.reason)
    found = tuple(advisor(failure, observation, engine)) if advisor is not None else ()
    kind = next((kind for kind in KINDS if kind.name == failure.kind), None)
    if kind is None:
        return found or (Advice(None, None, None, StartupReason.UNKNOWN.remedy),)
    found += tuple(_change(flag, to, why, observation) for flag, to, why in kind.changes)
    return found or (Advice(None, None, None, kind.remedy),)


def _change(flag: str, to: Any, why: str, observation: Observation) -> Advice:
    """One change that ``FailureKind.changes`` names, from the value that the log says."""
    return Advice(flag, observation.flags.get(flag.removeprefix("--").replace("-", "_")), to, why)


Advisor = Callable[[families.Failure, Observation, EngineVersion | None], Iterator[Advice]]
"""Gives advice for the failures of one family."""

_BY_FAMILY: Final[Mapping[type[families.Failure], Advisor]] = {
    families.KVCacheTooSmall: memory.kv_cache_too_small,
    families.NoKVCacheMemory: memory.no_kv_cache_memory,
    families.FreeMemoryTooLow: memory.free_memory_too_low,
    families.OutOfMemory: out_of_memory.out_of_memory,
    families.ContextFailure: configuration.context,
    families.BatchFailure: configuration.batch,
    families.ParallelFailure: parallel.parallel,
    families.MultimodalFailure: configuration.multimodal,
    families.UnsupportedConfiguration: configuration.unsupported,
    families.ImageFailure: environment.image,
    families.RequestFailure: request.request,
}
_ADVISORS: Final[Mapping[str, Advisor]] = {
    **{reason: advisor for family, advisor in _BY_FAMILY.items() for reason in family.reasons},
    "EngineStartTimeout": configuration.start_timeout,
    "NoGPUVisible": environment.no_gpu_visible,
    "GPUError": environment.gpu_error,
    "AddressInUse": environment.address_in_use,
    "TrustRemoteCodeRequired": configuration.trust,
}
