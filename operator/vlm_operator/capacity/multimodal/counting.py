"""The three questions that each family answers; its file registers the answers for its processor's class."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch

from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import InputError, UnknownFact


@singledispatch
def count_image(processor: object, image: Image, request: Request) -> ItemTokens:
    """Tokens of one image.

    Raises:
        RefusedItem: the processor refuses it.
        InputError: a knob is wrong, or the model takes no images.
        UnknownFact: a knob whose effect is not known.
    """
    raise _unsupported("image", request)


@singledispatch
def count_video(processor: object, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    """Tokens of one video, sampled as the release does. Raises as ``count_image``."""
    raise _unsupported("video", request)


@singledispatch
def largest_items(processor: object, request: Request) -> Mapping[str, int]:
    """Encoder tokens of the largest item of each modality, as vLLM computes it at start-up.

    A modality with limit 0 may be in the answer: some families compute it all the same.
    """
    raise UnknownFact(f"the largest item of {request.facts.family} is not known", field="model_type")


def _unsupported(modality: str, request: Request) -> InputError:
    supported = ", ".join(request.facts.modalities)
    return InputError(
        f"{modality}: {request.facts.family} does not support {modality}s (it supports {supported})",
        field=modality,
        hint=f"leave {modality}s out, or choose a model that takes them",
    )


def dummy_image(request: Request, width: int, height: int) -> Image:
    """The image that start-up counts: the largest, shrunk by the size options of ``--limit-mm-per-prompt``.

    Source: vLLM 0.32 ``multimodal/processing/dummy_inputs.py: BaseDummyInputsBuilder._get_dummy_images``.
    """
    limit = request.limit("image")
    if limit is not None:
        width = min(width, limit.width or width)
        height = min(height, limit.height or height)
    return Image(width, height)


def dummy_video(request: Request, width: int, height: int, frames: int) -> tuple[Image, int]:
    """Frame size and frames of the video that start-up counts, shrunk likewise."""
    limit = request.limit("video")
    if limit is not None:
        width = min(width, limit.width or width)
        height = min(height, limit.height or height)
        frames = min(frames, limit.num_frames or frames)
    return Image(width, height), frames
