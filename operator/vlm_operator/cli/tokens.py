"""``vlmctl tokens``: what images, videos and sounds cost a model, as its processor in vLLM counts them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

import click

from vlm_operator.cli import completions
from vlm_operator.cli.media_files import FileOption, image_size, names_a_file, sound_of, video_of
from vlm_operator.cli.output import emit, output_option
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT, EngineVersion, require_known
from vlm_operator.errors import InputError, VlmOperatorError
from vlm_operator.model.processors import MultimodalFacts

_IMAGE: Final = re.compile(r"(-?\d{1,12})x(-?\d{1,12})", re.ASCII)
_AUDIO: Final = re.compile(r"([^@s]{1,24})s(?:@(\d{1,9})Hz)?", re.ASCII)
_MODALITIES: Final = ("image", "video", "audio")
_VIDEO: Final = re.compile(r"([^@s]{1,24})s@([^@f]{1,24})fps@(-?\d{1,12})x(-?\d{1,12})", re.ASCII)


class ItemsInOrder(click.Command):
    """Remembers in which order ``--image``, ``--video`` and ``--audio`` were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse twice: once for the order of options, once for their values."""
        *_, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta["items"] = [parameter.name for parameter in order if parameter.name in _MODALITIES]
        return super().parse_args(ctx, args)


@click.command(cls=ItemsInOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("model", shell_complete=completions.models)
@click.option(
    "--image", "--images", "image", multiple=True, metavar="WxH|FILE", help="An image: pixels, or a file; repeatable."
)
@click.option(
    "--video",
    "--videos",
    "video",
    multiple=True,
    metavar="SECONDSs@FPSfps@WxH|FILE",
    help="A video: duration, the file's frame rate, pixels; or a file.",
)
@click.option(
    "--audio",
    "--audios",
    "audio",
    multiple=True,
    metavar="SECONDSs[@RATEHz]|FILE",
    help="A sound: duration, the file's rate; or a file.",
)
@click.option("--vllm-version", shell_complete=completions.releases, help=f"Release that counts [default: {DEFAULT}].")
@click.option("--hf-overrides", metavar="JSON", help="Fields of config.json to replace, as vLLM's flag of that name.")
@click.option("--mm-processor-kwargs", metavar="JSON", help="Processor arguments: '{\"max_pixels\": 1003520}'.")
@click.option("--media-io-kwargs", metavar="JSON", help='How media are loaded: \'{"video": {"num_frames": 16}}\'.')
@click.option("--limit-mm-per-prompt", metavar="JSON", help='Items per prompt: \'{"image": 4, "video": 0}\'.')
@click.option("--max-model-len", type=int, help="Context, tokens [default: the model's own].")
@output_option
@click.pass_context
def command(ctx: click.Context, /, **values: Any) -> int:
    """Tokens of images, videos and sounds for MODEL, and the largest item vLLM profiles at start-up.

    MODEL is a Hugging Face id, a directory with a config.json, or a config.json. Items are counted in the order given.
    """
    from vlm_operator.engine.flag_objects import parse_limits, parse_object
    from vlm_operator.engine.flags import canonical_json
    from vlm_operator.sources.token_rules import load_token_rules

    version = require_known(EngineVersion.parse(values["vllm_version"])) if values["vllm_version"] else DEFAULT
    model = load_token_rules(values["model"], hf_overrides=parse_object(values["hf_overrides"], "hf-overrides"))
    length = values["max_model_len"]
    if length is not None and not 1 <= length <= 2**31:
        raise InputError(f"max-model-len: {length} is not a context length", field="max-model-len")
    processor_kwargs = parse_object(values["mm_processor_kwargs"], "mm-processor-kwargs")
    media_kwargs = parse_object(values["media_io_kwargs"], "media-io-kwargs")
    settings = EngineSettings(
        max_model_len=length or model.context_tokens,
        limit_mm_per_prompt=parse_limits(parse_object(values["limit_mm_per_prompt"], "limit-mm-per-prompt")),
        mm_processor_kwargs=canonical_json(processor_kwargs) if processor_kwargs else None,
        media_io_kwargs=canonical_json(media_kwargs) if media_kwargs else None,
    )
    answer = _answer(values["model"], model.facts, _items(ctx, values), settings, version)
    emit(answer, values["output"], lambda: _print_table(answer))
    for note in _notes(answer, model.facts, settings, version):
        click.echo(note, err=True)
    return 0


def _items(ctx: click.Context, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(modality, text) of each item, in the order given."""
    remaining = {modality: list(values[modality]) for modality in _MODALITIES}
    return [(modality, remaining[modality].pop(0)) for modality in ctx.meta["items"]]


def _answer(
    name: str,
    facts: MultimodalFacts,
    items: list[tuple[str, str]],
    settings: EngineSettings,
    version: EngineVersion,
) -> dict[str, Any]:
    from vlm_operator.capacity.multimodal import largest_item_tokens

    count = {"image": _image_entry, "video": _video_entry, "audio": _audio_entry}
    answer: dict[str, Any] = {
        "model": name,
        "family": facts.family,
        "vllmVersion": str(version),
        "items": [count[modality](text, facts, settings, version) for modality, text in items],
    }
    try:
        answer["maxItemTokens"] = dict(largest_item_tokens(facts, settings, version))
    except VlmOperatorError as error:
        if not items:
            raise
        answer["maxItemTokens"] = {}
        answer["maxItemTokensUnknown"] = error.message
    answer["maxModelLen"] = settings.max_model_len
    return answer


def _image_entry(text: str, facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion) -> dict[str, Any]:
    from vlm_operator.capacity.multimodal import Image, image_tokens

    match = _IMAGE.fullmatch(text.strip())
    if match is not None:
        image, file = Image(int(match[1]), int(match[2])), None
    elif names_a_file(text):
        image, file = Image(*image_size(text, version, FileOption("image", "--image 1920x1080"))), text
    else:
        raise InputError(
            f"image: {text[:60]!r} is not WxH and no file",
            field="image",
            hint="for instance --image 1920x1080 or --image photo.jpg",
        )
    counted = image_tokens(facts, image, settings, version)
    return _with_counts({"modality": "image", "width": image.width, "height": image.height}, counted, file)


def _video_entry(text: str, facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion) -> dict[str, Any]:
    from vlm_operator.capacity.multimodal import Video, video_tokens

    match = _VIDEO.fullmatch(text.strip())
    file = text if match is None and names_a_file(text) else None
    try:
        if file is not None:
            read = video_of(file, FileOption("video", "--video 60s@30fps@1920x1080"))
            video = Video(read.seconds, read.frames_per_second, read.width, read.height)
        elif match is not None:
            video = Video(float(match[1]), float(match[2]), int(match[3]), int(match[4]))
        else:
            raise ValueError
    except ValueError:
        raise InputError(
            f"video: {text[:60]!r} is not SECONDSs@FPSfps@WxH and no file",
            field="video",
            hint="for instance --video 60s@30fps@1920x1080 or --video clip.mp4",
        ) from None
    counted = video_tokens(facts, video, settings, version)
    entry = {
        "modality": "video",
        "width": video.width,
        "height": video.height,
        "seconds": _plain(video.seconds),
        "framesPerSecond": _plain(video.frames_per_second),
        "framesSampled": counted.frames_sampled,
    }
    return _with_counts(entry, counted, file)


def _audio_entry(text: str, facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion) -> dict[str, Any]:
    from vlm_operator.capacity.multimodal import Audio, audio_tokens

    match = _AUDIO.fullmatch(text.strip())
    file = text if match is None and names_a_file(text) else None
    try:
        if file is not None:
            read = sound_of(file, FileOption("audio", "--audio 30s"))
            audio = Audio(read.seconds, read.samples_per_second)
        elif match is not None:
            audio = Audio(float(match[1]), int(match[2]) if match[2] else None)
        else:
            raise ValueError
    except ValueError:
        raise InputError(
            f"audio: {text[:60]!r} is not SECONDSs[@RATEHz] and no file",
            field="audio",
            hint="for instance --audio 30s, --audio 30s@44100Hz or --audio speech.wav",
        ) from None
    counted = audio_tokens(facts, audio, settings, version)
    entry: dict[str, Any] = {"modality": "audio", "seconds": _plain(audio.seconds)}
    if audio.samples_per_second is not None:
        entry["samplesPerSecond"] = audio.samples_per_second
    return _with_counts(entry, counted, file)


def _with_counts(entry: dict[str, Any], counted: Any, file: str | None) -> dict[str, Any]:
    if file is not None:
        entry["file"] = file
    entry["promptTokens"] = counted.prompt_tokens
    entry["encoderTokens"] = counted.encoder_tokens
    if counted.scaled_to is not None:
        entry["scaledTo"] = {"width": counted.scaled_to[0], "height": counted.scaled_to[1]}
    return entry


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _notes(
    answer: Mapping[str, Any], facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion
) -> list[str]:
    """What a reader should know beside the numbers."""
    from vlm_operator.capacity.multimodal import ineffective_knobs

    notes = [f"note: {sentence}" for sentence in ineffective_knobs(facts, settings, version)]
    if "maxItemTokensUnknown" in answer:
        notes.append(f"note: the largest item is not known: {answer['maxItemTokensUnknown']}")
    total = sum(item["promptTokens"] for item in answer["items"])
    length = settings.max_model_len
    if length is not None and total > length:
        fitting = sum(filled <= length for filled in accumulate(item["promptTokens"] for item in answer["items"]))
        held = ", or ".join(_held(answer["items"], length, facts, settings, version))
        notes.append(
            f"note: these items take {total:,} tokens, more than the context of {length:,}: the first {fitting} of"
            f" {len(answer['items'])} fit; it holds {held}"
        )
    return notes


def _held(
    items: list[dict[str, Any]], length: int, facts: MultimodalFacts, settings: EngineSettings, version: EngineVersion
) -> list[str]:
    """How many of each kind of item a context holds, each kind alone: "3 images of 1920x1080", "41 s of that video"."""
    from vlm_operator.capacity.multimodal import Video
    from vlm_operator.planning.fitting import fitting_seconds

    held: list[str] = []
    for item in items:
        count = length // max(item["promptTokens"], 1)
        if count or item["modality"] != "video":
            noun = "sound" if item["modality"] == "audio" else item["modality"]
            words = f"{count:,} {noun}{'' if count == 1 else 's'} of {_size(item)}"
        else:
            video = Video(item["seconds"], item["framesPerSecond"], item["width"], item["height"])
            words = f"{fitting_seconds(facts, video, length, settings, version):,} s of that video"
        if words not in held:
            held.append(words)
    return held


def _size(item: Mapping[str, Any]) -> str:
    return f"{item['seconds']} s" if item["modality"] == "audio" else f"{item['width']}x{item['height']}"


def _print_table(answer: Mapping[str, Any]) -> None:
    rows = [("item", "size", "frames", "prompt tokens", "encoder tokens")]
    for item in answer["items"]:
        size = _size(item)
        if item["modality"] == "video":
            size += f", {item['seconds']} s at {item['framesPerSecond']} fps"
        rows.append(
            (
                item["modality"],
                size,
                str(item.get("framesSampled", "")),
                str(item["promptTokens"]),
                str(item["encoderTokens"]),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        left = [row[column].ljust(widths[column]) for column in range(2)]
        right = [row[column].rjust(widths[column]) for column in range(2, 5)]
        click.echo("  ".join(left + right).rstrip())
    for modality, tokens in answer["maxItemTokens"].items():
        click.echo(f"largest {modality} at start-up: {tokens} tokens")
