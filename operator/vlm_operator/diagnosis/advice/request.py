"""Advice for a request that a healthy server refused; nothing has to be restarted."""

from __future__ import annotations

from collections.abc import Iterator

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.advice.start import block_size_of, whole
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice
from vlm_operator.engine.version import EngineVersion


def request(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """A smaller request first; then the flag that would admit this one."""
    assert isinstance(failure, families.RequestFailure)
    match failure.reason:
        case "PromptTooLong":
            yield from _prompt_too_long(failure, observation)
        case "ItemLimitExceeded":
            limit = {failure.modality: failure.limit} if failure.modality else None
            count = {failure.modality: failure.count} if failure.modality and failure.count else None
            yield Advice(
                "--limit-mm-per-prompt",
                limit,
                count,
                "only if you want to serve so many items; the server is healthy",
            )
        case _:
            size = failure.embed_tokens or whole(failure.numbers.get("embeds"))
            yield Advice(
                "--max-num-batched-tokens",
                failure.encoder_cache_size,
                size,
                "the encoder cache is as large as the batch; or cap pixels with --mm-processor-kwargs; "
                "the server is healthy",
            )


def _prompt_too_long(failure: families.RequestFailure, observation: Observation) -> Iterator[Advice]:
    """Fewer or smaller items; a longer context only as far as the log shows that the model has one."""
    length, served = failure.prompt_len or whole(failure.numbers.get("total")), failure.max_model_len
    excess = f"{length - served} tokens too many for {served}" if length and served and length > served else "too long"
    yield Advice(
        None,
        None,
        None,
        f"The prompt is {excess}: shorten it, send fewer images or videos, or shrink them (fewer pixels or frames, "
        "with --mm-processor-kwargs for all requests). The server is healthy.",
    )
    if observation.flags and "max_model_len" not in observation.flags:
        return  # vLLM serves the model's own maximum already
    known = max(observation.auto_fit_from or 0, observation.auto_fit_full or 0)
    block = block_size_of(observation)
    target = -(-(length + 1) // block) * block if length else None
    yield Advice(
        "--max-model-len",
        served,
        target if target is not None and target <= known else None,
        "higher only if you want to serve such prompts: it needs KV cache; never above the model's own maximum "
        "(max_position_embeddings in its config.json)",
    )
