"""Read the command line of a vLLM server that somebody else wrote into settings.

vLLM's parser (0.11.2 to 0.33.0: ``utils/argparse_utils.py: FlexibleArgumentParser``) takes underscores for dashes,
``--flag=value``, ``--flag.key value`` for JSON flags, ``--no-flag`` for switches, unambiguous beginnings of flags and
short spellings; the last of several values wins. Which flags exist is what ``EngineSettings`` declares, and the table
of flags by release.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from vlm_operator.audit.shell_words import UNRESOLVED
from vlm_operator.engine.flag import Flag, Kind
from vlm_operator.engine.flag_objects import parse_limits, parse_object
from vlm_operator.engine.flag_release_table import FLAGS as RELEASED
from vlm_operator.engine.flag_values import AUTO, context_length, whole_number
from vlm_operator.engine.flags import canonical_json
from vlm_operator.engine.settings import FLAGS, EngineSettings
from vlm_operator.errors import InputError

_MODEL_FLAGS: Final = ("--model", "--model-id", "--model-tag")
"""``--model-id`` is KServe's (``huggingfaceserver``)."""

_SWITCHES: Final = frozenset(
    {
        *("--headless", "--enable-auto-tool-choice", "--disable-log-stats", "--enable-lora", "--enable-sleep-mode"),
        *("--enable-log-requests", "--disable-log-requests", "--disable-custom-all-reduce", "--enable-eplb"),
        *("--disable-sliding-window", "--disable-fastapi-docs", "--disable-uvicorn-access-log", "--skip-mm-profiling"),
        *("--enable-prompt-tokens-details", "--enable-dbo", "--mm-encoder-only", "--calculate-kv-scales"),
        *(
            "--disable-frontend-multiprocessing",
            "--enable-mm-embeds",
            "--enable-prompt-embeds",
            "--skip-tokenizer-init",
        ),
        *("--disable-hybrid-kv-cache-manager", "--disable-cascade-attn", "--enable-server-load-tracking"),
        *("--enable-request-id-headers", "--enable-log-outputs", "--trust-request-chat-template", "--grpc"),
    }
)
"""Flags that are no settings and take no value (``engine/arg_utils.py``, ``FrontendArgs``)."""

_CAPTURE_SIZES: Final = "cudagraph_capture_sizes"


@dataclass(frozen=True, slots=True)
class Given:
    """One flag as it stands on the command line.

    Attributes:
        spelling: vLLM's long spelling where the flag is known, else as written, with dashes.
        value: the words of its value joined by blanks, None for a switch.
        name: field of ``EngineSettings``, None where plans do not know the flag.
    """

    spelling: str
    value: str | None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ServeCommand:
    """What one ``vllm serve`` asks for.

    Attributes:
        model: Hugging Face id or path, empty where the command names none.
        settings: the flags that plans know.
        pinned: fields of ``settings`` that the command sets.
        given: every flag in order; a repeated one stands as often as it is given.
        auto_context: ``--max-model-len auto``: vLLM takes the longest context that fits.
        problems: values that cannot be read, each with flag and value.
    """

    model: str
    settings: EngineSettings
    pinned: frozenset[str]
    given: tuple[Given, ...]
    auto_context: bool = False
    problems: tuple[str, ...] = ()

    def value(self, spelling: str) -> str | None:
        """The value of a flag that plans do not know, the last one given; None where it is not."""
        return next((each.value for each in reversed(self.given) if each.spelling == spelling), None)

    def has(self, spelling: str) -> bool:
        """Whether the command gives the flag."""
        return any(each.spelling == spelling for each in self.given)

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every flag once, in order."""
        return tuple(dict.fromkeys(each.spelling for each in self.given))


@lru_cache(maxsize=1)
def _by_spelling() -> dict[str, str]:
    """Field of the settings by every spelling of its flag."""
    found = {"--cudagraph-capture-sizes": _CAPTURE_SIZES}
    for name, flag in FLAGS.items():
        for spelling in (*flag.spellings, *filter(None, [flag.short])):
            found[spelling] = name
    return found


@lru_cache(maxsize=1)
def _every_spelling() -> frozenset[str]:
    return frozenset({*_by_spelling(), *(name for _, _, names in RELEASED for name in names.split())})


@lru_cache(maxsize=4096)
def _full(spelling: str) -> str:
    """A flag with dashes, completed where it is an unambiguous beginning of one."""
    if not spelling.startswith("--"):
        return spelling
    known = _every_spelling()
    dashed = spelling.replace("_", "-")
    if dashed in known or (dashed.startswith("--no-") and f"--{dashed[5:]}" in known):
        return dashed
    begun = [each for each in known if each.startswith(dashed)]
    return begun[0] if len(begun) == 1 else dashed


def read_arguments(arguments: Sequence[str]) -> ServeCommand:
    """The command whose arguments these are, without ``vllm serve`` itself."""
    model = ""
    given: list[Given] = []
    for spelling, words in _grouped(arguments):
        if spelling is None:
            model = model or words[0]
        elif spelling in _MODEL_FLAGS:
            model = " ".join(words)
        else:
            given.append(_given(spelling, words))
    settings, problems = _settings(given)
    auto = any(each.name == "max_model_len" and (each.value or "").strip().lower() in AUTO for each in given[::-1])
    return ServeCommand(
        model, EngineSettings(**settings), frozenset(settings), tuple(given), auto and "max_model_len" not in settings,
        tuple(problems),
    )  # fmt: skip


def _grouped(arguments: Sequence[str]) -> Iterator[tuple[str | None, list[str]]]:
    """Each flag with its words; a word that belongs to no flag with None."""
    place = 0
    while place < len(arguments):
        word = arguments[place]
        place += 1
        if not _is_flag(word):
            yield None, [word]
            continue
        spelling, equals, value = word.partition("=")
        head, dot, key = spelling.partition(".")
        spelling = _full(head) + dot + key
        words = [value] if equals else []
        if not equals and not _takes_no_value(spelling):
            most = len(arguments) if _full(head) in {"--cudagraph-capture-sizes", "--served-model-name"} else place + 1
            while place < min(most, len(arguments)) and not _is_flag(arguments[place]):
                words.append(arguments[place])
                place += 1
        yield spelling, words


def _is_flag(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not word[1].isdigit() and word[1] != " "


def _takes_no_value(spelling: str) -> bool:
    name = _by_spelling().get(spelling)
    if name is not None:
        return FLAGS[name].kind in (Kind.SWITCH, Kind.TOGGLE)
    return spelling in _SWITCHES or spelling.startswith("--no-") or (spelling.startswith("-O") and len(spelling) > 2)


def _given(spelling: str, words: list[str]) -> Given:
    head = spelling.partition(".")[0]
    positive = f"--{head[5:]}" if head.startswith("--no-") else head
    name = _by_spelling().get(positive)
    if name is None:
        return Given(spelling, " ".join(words) if words else None)
    long = FLAGS[name].spelling or positive
    if positive != head:
        return Given(f"--no-{long[2:]}", None, name)
    return Given(long + spelling[len(head) :], " ".join(words) if words else None, name)


def _settings(given: Sequence[Given]) -> tuple[dict[str, Any], list[str]]:
    """Values of the settings, the last of several; and what cannot be read."""
    values: dict[str, Any] = {}
    keyed: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    for each in given:
        if each.name is None:
            continue
        try:
            if "." in each.spelling:
                _put(keyed.setdefault(each.name, {}), each.spelling.split(".")[1:], each.value or "")
                value = _object(each.name, keyed[each.name])
            else:
                value = _value(FLAGS[each.name], each)
        except InputError as error:
            problems.append(error.message)
            continue
        if value is None:
            values.pop(each.name, None)
        else:
            values[each.name] = value
    return values, problems


def _value(flag: Flag, given: Given) -> Any:
    """The value as ``EngineSettings`` keeps it; None for one that leaves the choice to vLLM."""
    field = (flag.spelling or given.spelling).lstrip("-")
    if flag.kind in (Kind.SWITCH, Kind.TOGGLE):
        if given.value is not None and not given.spelling.startswith("--no-"):
            return _truth(given.value, field)
        return not given.spelling.startswith("--no-")
    text = given.value
    if text is None:
        raise InputError(f"{field}: the flag has no value", field=field)
    if UNRESOLVED in text:
        raise InputError(f"{field}: the value is not known before the container runs", field=field)
    match flag.kind:
        case Kind.CONTEXT:
            return context_length(text, field=field)
        case Kind.COUNT | Kind.TOKENS | Kind.SIZE:
            return whole_number(text, field=field)
        case Kind.SHARE:
            return _number(text, field)
        case Kind.LIMITS:
            return parse_limits(parse_object(text, field))
        case Kind.OBJECT:
            return canonical_json(parse_object(text, field))
        case Kind.COUNTS:
            return tuple(whole_number(part, field=field) for part in text.replace(",", " ").split())
        case _:
            return text


def _object(name: str, value: dict[str, Any]) -> Any:
    return parse_limits(value) if FLAGS[name].kind is Kind.LIMITS else canonical_json(value)


def _put(target: dict[str, Any], keys: list[str], text: str) -> None:
    """Set a nested key to a value that is read as JSON where it is JSON."""
    for key in keys[:-1]:
        inner = target.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InputError(f"{key}: holds a value and keys at once", field=key)
        target = inner
    try:
        target[keys[-1]] = json.loads(text)
    except (ValueError, RecursionError):
        target[keys[-1]] = text


def _truth(text: str, field: str) -> bool:
    if text.lower() in {"true", "1", "yes"}:
        return True
    if text.lower() in {"false", "0", "no"}:
        return False
    raise InputError(f"{field}: {text[:40]!r} is neither true nor false", field=field)


def _number(text: str, field: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{field}: {text[:40]!r} is not a number", field=field) from None
    if not 0 < value <= 1:
        raise InputError(f"{field}: {text[:40]} is not above 0 and at most 1", field=field)
    return value
