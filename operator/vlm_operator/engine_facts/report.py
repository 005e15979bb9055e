"""The report of a dry run, typed. Sizes are bytes of one GPU, the largest of the simulated ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlm_operator.errors import InputError


@dataclass(frozen=True, slots=True)
class CacheGroup:
    """One group of layers that share KV cache blocks, as vLLM grouped them."""

    kind: str
    layers: int
    block_size: int
    page_size_bytes: int


@dataclass(frozen=True, slots=True)
class Need:
    """What one request of a length needs of the KV cache, by the capacity check of that release."""

    max_model_len: int
    needed_bytes: int


@dataclass(frozen=True, slots=True)
class Moments:
    """The profiling run, above the loaded weights.

    Attributes:
        encoder_bytes, text_bytes, sampler_bytes: peak of each moment, None where it did not happen.
        kept_bytes: what torch keeps after it.
        peak_bytes: the highest of all, cuBLAS' workspace included.
    """

    encoder_bytes: int | None
    text_bytes: int | None
    sampler_bytes: int | None
    kept_bytes: int
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class RunError:
    """The exception that ended a dry run.

    Attributes:
        stage: ``import``, ``configure``, ``load``, ``kvCache``, ``items``, ``profile`` or ``died``.
        raised_in: module of the innermost frame.
        simulation_limit: True where the simulation, not vLLM, is the reason.
    """

    stage: str
    type: str
    message: str
    raised_in: str
    simulation_limit: bool
    trace: str


@dataclass(frozen=True, slots=True)
class DryRunReport:
    """What vLLM said; None where it did not get so far.

    Attributes:
        settings: the flags that vLLM resolved (``max_model_len``, …).
        max_item_tokens: tokens of the largest item by modality.
        unmodelled: operators met whose workspaces are not simulated, with how often.
        document: the report as it was written.
    """

    vllm_version: str | None
    architecture: str | None
    dtype: str | None
    settings: Mapping[str, int]
    weights_bytes: int | None
    groups: tuple[CacheGroup, ...]
    bytes_per_block: int | None
    needs: tuple[Need, ...]
    moments: Moments | None
    max_item_tokens: Mapping[str, int]
    unmodelled: Mapping[str, int]
    error: RunError | None
    document: Mapping[str, Any]


def read_report(document: Any) -> DryRunReport:
    """The report that the program wrote.

    Raises:
        InputError: it is not one; the field is named.
    """
    if not isinstance(document, Mapping):
        raise InputError(f"dry run: a report is an object, not {type(document).__name__}", field="report")
    try:
        return DryRunReport(
            vllm_version=document.get("vllmVersion"),
            architecture=document.get("architecture"),
            dtype=document.get("dtype"),
            settings=dict(document.get("settings") or {}),
            weights_bytes=document.get("weightsBytes"),
            groups=tuple(_group(each) for each in document.get("kvGroups") or ()),
            bytes_per_block=document.get("bytesPerBlock"),
            needs=tuple(Need(each["maxModelLen"], each["neededBytes"]) for each in document.get("requests") or ()),
            moments=_moments(document.get("moments")),
            max_item_tokens=dict(document.get("maxItemTokens") or {}),
            unmodelled=dict((document.get("simulated") or {}).get("unmodelledOperations") or {}),
            error=_error(document.get("error")),
            document=document,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"dry run: the report is not one: {type(error).__name__}: {error}", field="report") from error


def _group(document: Mapping[str, Any]) -> CacheGroup:
    return CacheGroup(
        str(document["kind"]), int(document["layers"]), int(document["blockSize"]), int(document["pageSizeBytes"])
    )


def _moments(document: Mapping[str, Any] | None) -> Moments | None:
    if document is None:
        return None
    return Moments(
        document.get("encoderBytes"),
        document.get("textBytes"),
        document.get("samplerBytes"),
        int(document["keptBytes"]),
        int(document["peakBytes"]),
    )


def _error(document: Mapping[str, Any] | None) -> RunError | None:
    if document is None:
        return None
    return RunError(
        stage=str(document["stage"]),
        type=str(document["type"]),
        message=str(document["message"]),
        raised_in=str(document.get("raisedIn", "")),
        simulation_limit=bool(document.get("simulationLimit")),
        trace=str(document.get("trace", "")),
    )
