"""The options that say what a user wants: vLLM's flags under their own names, the workload, the GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import click

from vlm_operator.cli import completions
from vlm_operator.cli.workload_items import parse_audios, parse_images, parse_videos
from vlm_operator.engine.flag import Flag, Kind
from vlm_operator.engine.flag_objects import parse_limits, parse_object
from vlm_operator.engine.flag_values import context_length, whole_number
from vlm_operator.engine.flags import canonical_json
from vlm_operator.engine.settings import FLAGS, EngineSettings
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.planning.intent import Goal, Intent, Workload
from vlm_operator.units import parse_bytes


class Share(click.ParamType[float]):
    """A share of the GPU's memory."""

    name = "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; its range is checked with the other flags."""
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number: give a share of the GPU's memory, for instance 0.9", param, ctx)


class Tokens(click.ParamType[int]):
    """A number of tokens: 32768, 32k (32,000) or 32K (32,768)."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number as an int."""
        try:
            return whole_number(value, field="")
        except InputError:
            self.fail(f"{value!r} is not a whole number of tokens: write for instance 32768 or 32k", param, ctx)


_TYPES: Final = {Kind.COUNT: int, Kind.SHARE: Share()}
_METAVARS: Final = {
    Kind.CONTEXT: "TOKENS",
    Kind.TOKENS: "TOKENS",
    Kind.SIZE: "SIZE",
    Kind.OBJECT: "JSON",
    Kind.LIMITS: "JSON",
}


def _option(name: str, flag: Flag) -> Callable[..., Any]:
    """The option of one flag; without it the flag is not pinned."""
    if flag.kind in (Kind.SWITCH, Kind.TOGGLE):
        spelling = f"{flag.spelling}/--no-{flag.spelling[2:]}"
        return click.option(spelling, *filter(None, [flag.short]), name, default=None, help=flag.help)
    kind = click.Choice(flag.choices) if flag.choices else _TYPES.get(flag.kind, str)
    spellings = (*flag.spellings, *filter(None, [flag.short]))
    return click.option(*spellings, name, type=kind, metavar=_METAVARS.get(flag.kind), help=flag.help)


ENGINE_OPTIONS: Final = tuple(_option(name, flag) for name, flag in FLAGS.items() if flag.help)
"""One option for each engine field of the API, under vLLM's flag name; giving one pins it."""


class GoalName(click.Choice[str]):
    """A goal as people write it: ``SingleUser``, ``single-user``, ``single_user``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The goal's own spelling."""
        plain = str(value).replace("-", "").replace("_", "").casefold()
        known = {str(choice).casefold(): str(choice) for choice in self.choices}
        return super().convert(known.get(plain, value), param, ctx)


def workload_options(*, singular: bool = True) -> tuple[Callable[..., Any], ...]:
    """The options of goal, workload, context and release.

    Args:
        singular: ``--image``, ``--video`` and ``--audio`` say the same as ``--images``, ``--videos`` and ``--audios``;
            not for commands where they mean something else.
    """

    def items(name: str, form: str, words: str) -> Callable[..., Any]:
        spellings = (f"--{name}s", f"--{name}") if singular else (f"--{name}s",)
        more = " Repeatable; the largest counts for all."
        return click.option(
            *spellings,
            f"{name}s",
            multiple=True,
            metavar=f"{form}|FILE",
            callback=lambda _context, _option, given: given or None,
            help=words + more,
        )

    return (
        click.option("--goal", type=GoalName([str(goal) for goal in Goal]), help="What the server is for."),
        click.option("--prompt-tokens", type=Tokens(), help="Text of one request, tokens."),
        click.option("--output-tokens", type=Tokens(), help="Longest answer, tokens."),
        items("image", "N[@WxH]", "Images of one request: 4@1920x1080, the size where none is given; or photo.jpg."),
        items(
            "video", "N[@SECONDSs][@FPSfps][@WxH]", "Videos of one request: 1@60s@30fps@1280x720, as is 1; or clip.mp4."
        ),
        items("audio", "N[@SECONDSs]", "Sounds of one request: 2@30s, as is 2; or speech.wav."),
        click.option("--concurrent-requests", type=int, help="Requests to be served at once."),
        click.option("--tokens-per-image", type=int, help="Tokens of one image, where the family is not known."),
        click.option("--tokens-per-video", type=int, help="Tokens of one video, where the family is not known."),
        click.option("--tokens-per-audio", type=int, help="Tokens of one sound, where the family is not known."),
        click.option("--min-context", type=Tokens(), help="Floor of the context: below it the plan refuses, tokens."),
        click.option("--max-context", type=Tokens(), help="Cap of the context, tokens."),
        click.option("--no-fp8-kv-cache", is_flag=True, help="Never propose a KV cache in eight bits."),
        click.option("--reserve", metavar="SIZE", help="Memory of each GPU that stays free for others, such as 4GiB."),
        click.option(
            "--vllm-version", shell_complete=completions.releases, help=f"Release to plan for [default: {DEFAULT}]."
        ),
    )


WORKLOAD_OPTIONS: Final = workload_options()


def options(*groups: tuple[Callable[..., Any], ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that adds every option of the groups, in their order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorate


def settings_of(values: dict[str, Any]) -> tuple[EngineSettings, frozenset[str]]:
    """The pinned flags among the command's options, and their names; a context of ``auto`` pins nothing.

    Raises:
        InputError: naming the option and its value.
    """
    given = {name: values[name] for name in FLAGS if values.get(name) is not None}
    read = {name: _read(name, value) for name, value in given.items()}
    pinned = {name: value for name, value in read.items() if value is not None}
    return EngineSettings(**pinned), frozenset(pinned)


def _read(name: str, value: Any) -> Any:
    """The value of an option as ``EngineSettings`` keeps it."""
    field = name.replace("_", "-")
    match FLAGS[name].kind:
        case Kind.CONTEXT:
            return context_length(value, field=field)
        case Kind.TOKENS:
            return whole_number(value, field=field)
        case Kind.SIZE:
            return parse_bytes(value, field=field)
        case Kind.LIMITS:
            return parse_limits(parse_object(value, field))
        case Kind.OBJECT:
            return canonical_json(parse_object(value, field))
        case _:
            return value


def intent_of(values: dict[str, Any], **more: Any) -> Intent:
    """The intent that the options describe.

    Where the context and the utilisation are pinned and nothing else is asked for, it is a prediction.

    Raises:
        InputError: naming the option, its value and the remedy.
    """
    settings, pinned = settings_of(values)
    version = values.get("vllm_version")
    release = EngineVersion.parse(version) if version else DEFAULT
    workload = _workload_of(values, release)
    asked = (values.get("goal"), workload, values.get("min_context"), values.get("max_context"))
    return Intent(
        goal=Goal(values["goal"]) if values.get("goal") else None,
        workload=workload,
        minimum_context=values.get("min_context"),
        maximum_context=values.get("max_context"),
        settings=settings,
        pinned=pinned,
        version=release,
        reserve_bytes=parse_bytes(values["reserve"], field="reserve") if values.get("reserve") else 0,
        allow_fp8_kv_cache=not values.get("no_fp8_kv_cache"),
        is_prediction=asked == (None,) * 4 and {"max_model_len", "gpu_memory_utilization"} <= pinned,
        **more,
    )


def overridden(intent: Intent, values: dict[str, Any]) -> tuple[Intent, tuple[str, ...]]:
    """The intent of a file with what the options say instead, and the options that did.

    Raises:
        InputError: naming the option, its value and the remedy.
    """
    settings, pinned = settings_of(values)
    changes: dict[str, Any] = {}
    if pinned:
        changes["settings"] = intent.settings.with_(**{name: getattr(settings, name) for name in pinned})
        changes["pinned"] = intent.pinned | pinned
    if described := _described(values, intent.version):
        changes["workload"] = replace(intent.workload or Workload(), **described)
    for field, option in (("minimum_context", "min_context"), ("maximum_context", "max_context")):
        if values.get(option) is not None:
            changes[field] = values[option]
    if values.get("gpu_count") is not None:
        changes["gpu_count"] = values["gpu_count"]
    if values.get("goal"):
        changes["goal"] = Goal(values["goal"])
    if values.get("reserve"):
        changes["reserve_bytes"] = parse_bytes(values["reserve"], field="reserve")
    if values.get("no_fp8_kv_cache"):
        changes["allow_fp8_kv_cache"] = False
    named = (
        *sorted(pinned),
        *described,
        "goal",
        "min_context",
        "max_context",
        "no_fp8_kv_cache",
        "gpu_count",
        "reserve",
    )
    used = tuple(f"--{name.replace('_', '-')}" for name in named if values.get(name) not in (None, False))
    return replace(intent, **changes), used


def _workload_of(values: dict[str, Any], version: EngineVersion) -> Workload | None:
    described = _described(values, version)
    return Workload(**described) if described else None


def _described(values: dict[str, Any], version: EngineVersion) -> dict[str, Any]:
    """The fields of the workload that the options describe."""
    names = (
        "prompt_tokens",
        "output_tokens",
        "concurrent_requests",
        "tokens_per_image",
        "tokens_per_video",
        "tokens_per_audio",
    )
    given = {name: values[name] for name in names if values.get(name) is not None}
    for name, number in given.items():
        flag = name.replace("_", "-")
        if not 0 <= number <= 2**40:
            raise InputError(f"{flag}: {number} is not between 0 and 2^40", field=flag)
    items = {
        "images": parse_images(values.get("images") or (), version),
        "videos": parse_videos(values.get("videos") or ()),
        "audios": parse_audios(values.get("audios") or ()),
    }
    return {**given, **{name: item for name, item in items.items() if item is not None}}
