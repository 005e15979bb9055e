"""The report of a dry run, typed. Sizes are bytes of one GPU, the largest of the simulated ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

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
        items: prompt tokens of the images that were described, in their order.
        model_files: the model's config and processor files by name, where the program reported them.
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
    items: tuple[int, ...] = ()
    model_files: Mapping[str, Any] = field(default_factory=dict)


LARGEST: Final = 2**53
"""No size, length or count of a report exceeds it."""


def read_report(document: Any) -> DryRunReport:
    """The report that the program wrote.

    Raises:
        InputError: it is not one; the field is named.
    """
    if not isinstance(document, Mapping):
        raise InputError(f"dry run: a report is an object, not {type(document).__name__}", field="report")
    try:
        return DryRunReport(
            vllm_version=_text(document, "vllmVersion"),
            architecture=_text(document, "architecture"),
            dtype=_text(document, "dtype"),
            settings=_counts(document, "settings"),
            weights_bytes=_optional(document, "weightsBytes"),
            groups=tuple(_group(each) for each in document.get("kvGroups") or ()),
            bytes_per_block=_optional(document, "bytesPerBlock"),
            needs=tuple(_need(each) for each in document.get("requests") or ()),
            moments=_moments(document.get("moments")),
            max_item_tokens=_counts(document, "maxItemTokens"),
            unmodelled=_counts(document.get("simulated") or {}, "unmodelledOperations"),
            error=_error(document.get("error")),
            items=tuple(_number(each, "promptTokens") for each in document.get("items") or ()),
            model_files=dict(document.get("modelFiles") or {}),
            document=document,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"dry run: the report is not one: {type(error).__name__}: {error}", field="report") from error


def _number(document: Mapping[str, Any], name: str) -> int:
    """A size, length or count."""
    value = document[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise ValueError(f"{name} is {str(value)[:40]!r}, not a number from 0 to 2^53")
    return value


def _optional(document: Mapping[str, Any], name: str) -> int | None:
    return None if document.get(name) is None else _number(document, name)


def _counts(document: Mapping[str, Any], name: str) -> dict[str, int]:
    values: Mapping[str, Any] = document.get(name) or {}
    return {str(key): _number(values, key) for key in values}


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return None if value is None else str(value)[:200]


def _group(document: Mapping[str, Any]) -> CacheGroup:
    numbers = [_number(document, name) for name in ("layers", "blockSize", "pageSizeBytes")]
    return CacheGroup(str(document["kind"]), *numbers)


def _need(document: Mapping[str, Any]) -> Need:
    return Need(_number(document, "maxModelLen"), _number(document, "neededBytes"))


def _moments(document: Mapping[str, Any] | None) -> Moments | None:
    if document is None:
        return None
    return Moments(
        _optional(document, "encoderBytes"),
        _optional(document, "textBytes"),
        _optional(document, "samplerBytes"),
        _number(document, "keptBytes"),
        _number(document, "peakBytes"),
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
