"""The options that say what a user wants: vLLM's flags under their own names, the workload, the GPU."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

import click

from vlm_operator.engine.flags import canonical_json
from vlm_operator.engine.settings import MODALITIES, EngineSettings, ModalityLimit
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.planning.intent import Goal, Images, Intent, Videos, Workload
from vlm_operator.units import parse_bytes

_IMAGES: Final = re.compile(r"(\d{1,12})@(\d{1,9})x(\d{1,9})", re.ASCII)
_VIDEOS: Final = re.compile(
    r"(\d{1,12})@(\d{1,12}(?:\.\d{1,9})?)s(?:@(\d{1,6}(?:\.\d{1,9})?)fps)?(?:@(\d{1,9})x(\d{1,9}))?", re.ASCII
)

ENGINE_OPTIONS: Final = (
    click.option("--max-model-len", type=int, help="Pin the context, tokens."),
    click.option("--gpu-memory-utilization", type=float, help="Pin the share of the GPU's memory, above 0, at most 1."),
    click.option("--tensor-parallel-size", "-tp", type=int, help="Pin the GPUs a layer is divided over."),
    click.option("--pipeline-parallel-size", "-pp", type=int, help="Pin the pipeline stages."),
    click.option("--data-parallel-size", "-dp", type=int, help="Pin the replicas inside one server."),
    click.option("--enable-expert-parallel", is_flag=True, default=None, help="Pin whole experts per GPU."),
    click.option("--kv-cache-dtype", help="Pin the KV cache's element type (auto, fp8, …)."),
    click.option("--kv-cache-memory-bytes", help="Pin the KV cache's size (9GiB) instead of profiling."),
    click.option("--block-size", type=int, help="Pin the tokens of a KV-cache block."),
    click.option("--max-num-seqs", type=int, help="Pin the requests served at once."),
    click.option("--max-num-batched-tokens", type=int, help="Pin the tokens of one step."),
    click.option("--limit-mm-per-prompt", metavar="JSON", help='Pin items per prompt: \'{"image": 4, "video": 0}\'.'),
    click.option("--language-model-only", is_flag=True, default=None, help="Pin: serve text only."),
    click.option("--mm-processor-kwargs", metavar="JSON", help="Pin the processor's arguments, such as pixel caps."),
    click.option("--media-io-kwargs", metavar="JSON", help="Pin how media are loaded, such as frames of a video."),
    click.option("--mm-encoder-tp-mode", type=click.Choice(["weights", "data"]), help="Pin how the tower is divided."),
    click.option("--enforce-eager", is_flag=True, default=None, help="Pin: no CUDA graphs."),
    click.option("--max-cudagraph-capture-size", type=int, help="Pin the largest CUDA graph, requests."),
    click.option("--async-scheduling/--no-async-scheduling", default=None, help="Pin asynchronous scheduling."),
    click.option("--enable-prefix-caching/--no-enable-prefix-caching", default=None, help="Pin prefix caching."),
)
"""One option for each engine field of the API, under vLLM's flag name; giving one pins it."""

WORKLOAD_OPTIONS: Final = (
    click.option("--goal", type=click.Choice([str(goal) for goal in Goal]), help="What the server is for."),
    click.option("--prompt-tokens", type=int, help="Text of one request, tokens."),
    click.option("--output-tokens", type=int, help="Longest answer, tokens."),
    click.option("--images", metavar="N@WxH", help="Images of one request: 4@1920x1080."),
    click.option("--videos", metavar="N@SECONDSs[@FPSfps][@WxH]", help="Videos of one request: 1@60s@30fps@1280x720."),
    click.option("--concurrent-requests", type=int, help="Requests to be served at once."),
    click.option("--tokens-per-image", type=int, help="Tokens of one image, where the family is not known."),
    click.option("--tokens-per-video", type=int, help="Tokens of one video, where the family is not known."),
    click.option("--min-context", type=int, help="Floor of the context: below it the plan refuses, tokens."),
    click.option("--max-context", type=int, help="Cap of the context, tokens."),
    click.option("--no-fp8-kv-cache", is_flag=True, help="Never propose a KV cache in eight bits."),
    click.option("--vllm-version", help=f"Release to plan for [default: {DEFAULT}]."),
)


def options(*groups: tuple[Callable[..., Any], ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that adds every option of the groups, in their order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorate


def parse_object(text: str | None, field: str) -> dict[str, Any] | None:
    """A JSON object given on the command line.

    Raises:
        InputError: not JSON, or not an object.
    """
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{field}: {text[:60]!r} is not JSON: {error}", field=field) from None
    if not isinstance(value, dict):
        raise InputError(f"{field}: {text[:60]!r} is not a JSON object", field=field, hint="write {…}")
    return value


def parse_limits(value: dict[str, Any] | None) -> tuple[tuple[str, ModalityLimit], ...] | None:
    """``--limit-mm-per-prompt`` as vLLM takes it: counts, or objects with sizes.

    Raises:
        InputError: an unknown modality, or a count that is none.
    """
    if value is None:
        return None
    limits: list[tuple[str, ModalityLimit]] = []
    for modality, entry in sorted(value.items()):
        field = f"limit-mm-per-prompt.{modality}"
        if modality not in MODALITIES:
            raise InputError(f"{field}: no such modality", field=field, hint=f"one of {', '.join(MODALITIES)}")
        sizes = entry if isinstance(entry, dict) else {"count": entry}
        unknown = sizes.keys() - {"count", "width", "height", "num_frames", "length"}
        if unknown:
            raise InputError(f"{field}: unknown key {sorted(unknown)[0]!r}", field=field)
        for key, number in sizes.items():
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 10**9:
                raise InputError(f"{field}.{key}: {number!r} is not a count", field=field, hint="0 to 10^9")
        limits.append(
            (
                modality,
                ModalityLimit(
                    sizes.get("count", 999), sizes.get("width"), sizes.get("height"), sizes.get("num_frames")
                ),
            )
        )
    return tuple(limits)


def parse_images(text: str | None) -> Images | None:
    """``N@WxH``.

    Raises:
        InputError: another form.
    """
    if text is None:
        return None
    match = _IMAGES.fullmatch(text.strip())
    if match is None:
        raise InputError(f"images: {text[:60]!r} is not N@WxH", field="images", hint="for instance 4@1920x1080")
    return Images(int(match[1]), int(match[2]), int(match[3]))


def parse_videos(text: str | None) -> Videos | None:
    """``N@SECONDSs[@FPSfps][@WxH]``.

    Raises:
        InputError: another form.
    """
    if text is None:
        return None
    match = _VIDEOS.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"videos: {text[:60]!r} is not N@SECONDSs[@FPSfps][@WxH]",
            field="videos",
            hint="for instance 1@60s@30fps@1280x720",
        )
    given = Videos(int(match[1]), float(match[2]))
    return Videos(
        given.count,
        given.seconds,
        int(match[4]) if match[4] else given.width,
        int(match[5]) if match[5] else given.height,
        float(match[3]) if match[3] else given.frames_per_second,
    )


def settings_of(values: dict[str, Any]) -> tuple[EngineSettings, frozenset[str]]:
    """The pinned flags among the command's options, and their names."""
    memory = values.get("kv_cache_memory_bytes")
    kwargs: dict[str, Any] = {}
    limits = parse_limits(parse_object(values.get("limit_mm_per_prompt"), "limit-mm-per-prompt"))
    if memory is not None:
        kwargs["kv_cache_memory_bytes"] = parse_bytes(memory, field="kv-cache-memory-bytes")
    if limits is not None:
        kwargs["limit_mm_per_prompt"] = limits
    for name in ("mm_processor_kwargs", "media_io_kwargs"):
        value = parse_object(values.get(name), name.replace("_", "-"))
        if value is not None:
            kwargs[name] = canonical_json(value)
    for name in (
        "max_model_len", "gpu_memory_utilization", "tensor_parallel_size", "pipeline_parallel_size",
        "data_parallel_size", "enable_expert_parallel", "kv_cache_dtype", "block_size", "max_num_seqs",
        "max_num_batched_tokens", "language_model_only", "mm_encoder_tp_mode", "enforce_eager",
        "max_cudagraph_capture_size", "async_scheduling", "enable_prefix_caching",
    ):  # fmt: skip
        if values.get(name) is not None:
            kwargs[name] = values[name]
    return EngineSettings(**kwargs), frozenset(kwargs)


def intent_of(values: dict[str, Any], **more: Any) -> Intent:
    """The intent that the options describe.

    Where the context and the utilisation are pinned and nothing else is asked for, it is a prediction.

    Raises:
        InputError: naming the option, its value and the remedy.
    """
    settings, pinned = settings_of(values)
    version = values.get("vllm_version")
    workload = _workload_of(values)
    asked = (values.get("goal"), workload, values.get("min_context"), values.get("max_context"))
    return Intent(
        goal=Goal(values["goal"]) if values.get("goal") else None,
        workload=workload,
        minimum_context=values.get("min_context"),
        maximum_context=values.get("max_context"),
        settings=settings,
        pinned=pinned,
        version=EngineVersion.parse(version) if version else DEFAULT,
        allow_fp8_kv_cache=not values.get("no_fp8_kv_cache"),
        is_prediction=asked == (None,) * 4 and {"max_model_len", "gpu_memory_utilization"} <= pinned,
        **more,
    )


def _workload_of(values: dict[str, Any]) -> Workload | None:
    images, videos = parse_images(values.get("images")), parse_videos(values.get("videos"))
    names = ("prompt_tokens", "output_tokens", "concurrent_requests", "tokens_per_image", "tokens_per_video")
    given = {name: values[name] for name in names if values.get(name) is not None}
    if not given and images is None and videos is None:
        return None
    for name, number in given.items():
        flag = name.replace("_", "-")
        if not 0 <= number <= 2**40:
            raise InputError(f"{flag}: {number} is not between 0 and 2^40", field=flag)
    return Workload(images=images, videos=videos, **given)
