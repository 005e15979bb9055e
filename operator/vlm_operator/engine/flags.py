"""Lists of vLLM's flags and their spelling on a command line, all derived from what ``EngineSettings`` declares."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final, NamedTuple

from vlm_operator.engine.flag import Kind
from vlm_operator.engine.settings import FLAGS, EngineSettings, ModalityLimit

DEFAULTS: Final[dict[str, Any]] = {each.name: each.default for each in fields(EngineSettings)}
"""The value of each setting where nobody set it."""

SERVER_FLAGS: Final[tuple[str, ...]] = ("--model", "--revision", "--served-model-name", "--host", "--port")
"""Flags that say what is served and where: they come from fields of the API that are no engine settings."""

OWNED_FLAGS: Final[tuple[str, ...]] = (
    *SERVER_FLAGS,
    *(spelling for flag in FLAGS.values() if not flag.in_extra_arguments for spelling in flag.spellings),
)
"""Flags that come from fields of the API; ``extraArgs`` may not set them."""

SHORT_FLAGS: Final[tuple[str, ...]] = tuple(
    flag.short for flag in FLAGS.values() if flag.short and not flag.in_extra_arguments
)
"""vLLM's short spellings of owned flags (0.32: ``engine/arg_utils.py``)."""

SWITCHES: Final[tuple[str, ...]] = tuple(
    flag.spelling for flag in FLAGS.values() if flag.kind in (Kind.SWITCH, Kind.TOGGLE) and not flag.in_extra_arguments
)
"""Owned flags that take no value, and that ``--no-…`` turns off."""

COUNTED_FLAGS: Final[tuple[str, ...]] = tuple(
    name for name, flag in FLAGS.items() if flag.kind in (Kind.COUNT, Kind.TOKENS, Kind.CONTEXT, Kind.SIZE)
)
"""Fields that are whole numbers of at least 1."""

UNCOUNTED_FLAGS: Final[tuple[str, ...]] = (
    "--cpu-offload-gb",
    "--enable-eplb",
    "--enable-mixed-moe-lora-format",
    "--enable-moe-shared-loras",
    "--enable-sleep-mode",
    "--enable-tower-connector-lora",
    "--kv-transfer-config",
    "--num-gpu-blocks-override",
    "--skip-mm-profiling",
    "--specialize-active-lora",
)
"""Flags that ``extraArgs`` may set although they move memory in ways no plan counts: such a plan is never certain."""


def uncounted(arguments: Iterable[str]) -> tuple[str, ...]:
    """Those of ``UNCOUNTED_FLAGS`` that the arguments set, in any of vLLM's spellings.

    >>> uncounted(["--enable_lora", "--enable-auto-tool-choice", "--kv-transfer-config={}"])
    ('--enable-lora', '--kv-transfer-config')
    """
    names = [argument.partition("=")[0].partition(".")[0].replace("_", "-") for argument in arguments]
    return tuple(name for name in names if name in UNCOUNTED_FLAGS)


def canonical_json(value: Any) -> str:
    """JSON text with sorted keys and no blanks: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def limit_to_json(limit: ModalityLimit) -> int | dict[str, int]:
    """A limit as ``--limit-mm-per-prompt`` takes it: a bare count, or an object where it has sizes."""
    if limit.width is None and limit.height is None and limit.num_frames is None:
        return limit.count
    sizes = {"count": limit.count, "width": limit.width, "height": limit.height, "num_frames": limit.num_frames}
    return {key: value for key, value in sizes.items() if value is not None}


def plain_value(name: str, value: Any) -> Any:
    """The value of a setting as plain data: objects and limits as mappings, lists as lists.

    >>> plain_value("limit_mm_per_prompt", (("image", ModalityLimit(4)),)), plain_value("mm_processor_kwargs", None)
    ({'image': 4}, {})
    """
    kind = FLAGS[name].kind
    if kind is Kind.OBJECT:
        return json.loads(value or "{}")
    if value is None:
        return None
    if kind is Kind.LIMITS:
        return {modality: limit_to_json(limit) for modality, limit in value}
    return list(value) if kind is Kind.COUNTS else value


def shown_flags(settings: EngineSettings) -> dict[str, Any]:
    """Flags as users see them, by vLLM's names: those that matter to every plan, and whatever else is set."""
    return {
        name: plain_value(name, getattr(settings, name))
        for name, flag in FLAGS.items()
        if flag.spelling and (flag.shown or getattr(settings, name) != DEFAULTS[name])
    }


@lru_cache(maxsize=1024)
def to_arguments(settings: EngineSettings) -> tuple[str, ...]:
    """Arguments of ``vllm serve`` for everything that is set, in the order of ``FLAGS``.

    >>> to_arguments(EngineSettings(max_model_len=8192, enforce_eager=True))
    ('--max-model-len', '8192', '--tensor-parallel-size', '1', '--enforce-eager')
    """
    return tuple(argument for name in FLAGS for argument in _arguments(name, getattr(settings, name)))


def _arguments(name: str, value: Any) -> Iterator[str]:
    flag = FLAGS[name]
    if not flag.spelling or value is None or (value == DEFAULTS[name] and not flag.always):
        return
    if flag.kind in (Kind.SWITCH, Kind.TOGGLE):
        yield flag.spelling if value else f"--no-{flag.spelling[2:]}"
        return
    yield flag.spelling
    yield canonical_json(plain_value(name, value)) if flag.kind is Kind.LIMITS else str(value)


class Change(NamedTuple):
    """A flag that differs between two commands: its name in ``EngineSettings``, the values before and after."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{FLAGS[self.name].spelling} {_word(self.name, self.before)} -> {_word(self.name, self.after)}"


def changes(before: EngineSettings, after: EngineSettings) -> tuple[Change, ...]:
    """Every flag of the command that differs, in the order of ``FLAGS``.

    >>> [str(each) for each in changes(EngineSettings(), EngineSettings(max_num_seqs=4))]
    ['--max-num-seqs default -> 4']
    """
    found = (Change(name, getattr(before, name), getattr(after, name)) for name, flag in FLAGS.items() if flag.spelling)
    return tuple(change for change in found if change.before != change.after)


def _word(name: str, value: Any) -> str:
    if value is None:
        return "default"
    kind = FLAGS[name].kind
    return canonical_json(plain_value(name, value)) if kind in (Kind.LIMITS, Kind.OBJECT) else str(value)
