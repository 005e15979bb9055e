"""Detect items of the workload that the server would refuse: the encoder budget, checked before the start.

Source: vLLM 0.32 ``v1/engine/input_processor.py``: an item with more encoder outputs than the encoder cache holds is
refused at request time; the cache holds max(``--max-num-batched-tokens``, the largest item that start-up assumes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.capacity.multimodal import max_item_tokens
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.workload import RequestSize, family_of

BATCH_STEP: Final = 1024
"""A batch raised for an item is rounded up to a multiple of this, tokens: a figure that people read."""


@dataclass(frozen=True, slots=True)
class RejectedItem:
    """An item of the workload that the server would refuse at request time.

    Attributes:
        modality: ``image``, ``video`` or ``audio``.
        encoder_tokens: what it puts out.
        batched_tokens: ``max_num_batched_tokens``.
        largest_item_tokens: the largest item that start-up assumes.
    """

    modality: str
    encoder_tokens: int
    batched_tokens: int
    largest_item_tokens: int

    @property
    def batch_that_holds_it(self) -> int:
        """``max_num_batched_tokens`` with which it is served."""
        return -(-self.encoder_tokens // BATCH_STEP) * BATCH_STEP

    def why_raised(self, batch: int) -> str:
        """Why ``max_num_batched_tokens`` was raised to ``batch``."""
        return (
            f"--max-num-batched-tokens is {batch:,}: with {self.batched_tokens:,} vLLM would start, but reject the "
            f"{self.modality} described, which has {self.encoder_tokens:,} encoder tokens"
        )

    def message(self) -> str:
        """The refusal in one sentence."""
        return (
            f"one {self.modality} as described has {self.encoder_tokens:,} encoder tokens, more than "
            f"max_num_batched_tokens ({self.batched_tokens:,}) and the largest item that start-up assumes "
            f"({self.largest_item_tokens:,}): vLLM starts, but rejects such requests"
        )


def rejected_item(
    model: ModelFacts, request: RequestSize, settings: EngineSettings, version: EngineVersion
) -> RejectedItem | None:
    """The first item of ``request`` that a server with these resolved flags would refuse, None where there is none."""
    batched = settings.batch_tokens
    if request.largest_encoder_tokens <= batched:
        return None
    family = family_of(model)
    if family is None:
        return None
    largest = max(max_item_tokens(family, settings, version).values(), default=0)
    for modality, tokens in (
        ("video", request.video_encoder_tokens),
        ("image", request.image_encoder_tokens),
        ("audio", request.audio_encoder_tokens),
    ):
        if tokens is not None and tokens > max(batched, largest):
            return RejectedItem(modality, tokens, batched, largest)
    return None
