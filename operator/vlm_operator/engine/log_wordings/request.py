"""Log wordings with which a healthy vLLM refuses one request.

Read in vLLM 0.8 to 0.33: ``v1/engine/{processor,input_processor}.py``, ``renderers/params.py``, ``entrypoints/``,
``multimodal/processing``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind, Scope
from vlm_operator.engine.log_wordings.template import wordings
from vlm_operator.engine.startup_reasons import StartupReason

_CONTEXT: Final = "his model's maximum context length is {max_model_len:int} tokens. However, "

KINDS: Final = (
    FailureKind(
        name="prompt_too_long",
        reason=StartupReason.PROMPT_TOO_LONG,
        failure_class=FailureClass.REQUEST,
        retunable=False,
        priority=60,
        wordings=(
            *wordings(
                "The {prompt_type:word} prompt (length {prompt_len:int}) is longer than the maximum model length of "
                "{max_model_len:int}.",
                versions="0.8.4-",
            ),
            *wordings(
                "The {prompt_type:word} prompt (length {prompt_len:int}) plus the number of requested output tokens "
                "(at least 1) is longer than the maximum model length of {max_model_len:int}.",
                versions="0.11.2-",
            ),
            *wordings(
                "The prompt (total length {prompt_len:int}) is too long to fit into the model (context length "
                "{max_model_len:int})",
                versions="0.6.3-0.8.3",
            ),
            *wordings(
                "Prompt length of {prompt_len:int} is longer than the maximum model length of {max_model_len:int}.",
                versions="0.7.3-0.8.3",
            ),
            *wordings(
                "Input length ({prompt_len:int}) exceeds model's maximum context length ({max_model_len:int})",
                versions="0.18-",
            ),
            *wordings(_CONTEXT + "your request has {prompt_len:int} input tokens", versions="0.10.1-0.19"),
            *wordings(
                "'max_tokens' or 'max_completion_tokens' is too large: {requested:int}. This model's maximum context "
                "length is {max_model_len:int} tokens and your request has {input_tokens:int} input tokens",
                versions="0.10.1-0.17",
            ),
            *wordings(
                _CONTEXT + "your prompt contains at least {prompt_len:int} input tokens",
                _CONTEXT + "your prompt contains {prompt_len:int} input tokens",
                _CONTEXT + "your prompt contains {characters:int} characters",
                _CONTEXT + "your prompt contains at least {characters:int} characters",
                versions="0.18-",
            ),
            *wordings(
                _CONTEXT + "you requested {requested:int} output tokens and your prompt contains {input_tokens:int} "
                "input tokens, for a total of {total:int} tokens",
                _CONTEXT + "you requested {requested:int} output tokens and your prompt contains at least "
                "{input_tokens:int} input tokens, for a total of at least {total:int} tokens",
                _CONTEXT + "you requested {requested:int} output tokens",
                versions="0.18-",
            ),
            *wordings(_CONTEXT + "you requested {requested:int} tokens", versions="0.6.3-0.10"),
        ),
        scope=Scope.REQUEST,
        pieces=(
            "Make sure that `max_model_len` is no smaller than the number of text tokens plus multimodal tokens",
            "the number of image tokens depends on the number of images, and possibly their aspect ratios as well",
            "is longer than the maximum model length of",
        ),
    ),
    FailureKind(
        name="item_limit_exceeded",
        reason=StartupReason.ITEM_LIMIT_EXCEEDED,
        failure_class=FailureClass.REQUEST,
        retunable=False,
        priority=60,
        wordings=(
            *wordings("At most {limit:int} {modality:word}(s) may be provided in one {where:word}.", versions="0.6.3-"),
            *wordings(
                "You set {modality:word}={limit:int} (or defaulted to 1) in `--limit-mm-per-prompt`, but passed "
                "{count:int} {modality2:word} items in the same prompt",
                "You set {modality:word}={limit:int} (or defaulted to 1) in `--limit-mm-per-prompt`, but found "
                "{count:int} items in the same prompt",
                versions="0.7.3-0.8.3",
            ),
            *wordings(
                "You set or defaulted to '{:set}' in `--limit-mm-per-prompt`, but passed {count:int} {modality2:word} "
                "items in the same prompt",
                versions="0.8.5-0.10.0",
            ),
        ),
        scope=Scope.REQUEST,
    ),
    FailureKind(
        name="item_above_encoder_cache",
        reason=StartupReason.ITEM_ABOVE_ENCODER_CACHE,
        failure_class=FailureClass.REQUEST,
        retunable=False,
        priority=60,
        wordings=(
            *wordings(
                "prompt contains a(n) {modality:word} item with length {embeds:int}, which exceeds the pre-allocated "
                "encoder cache size {encoder_cache_size:int}.",
                versions="0.16-0.19",
            ),
            *wordings(
                "prompt contains a(n) {modality:word} item with {embed_tokens:int} embedding tokens, which exceeds the "
                "pre-allocated encoder cache size {encoder_cache_size:int}.",
                versions="0.20-",
            ),
        ),
        scope=Scope.REQUEST,
        pieces=(
            "Please reduce the input size or increase the encoder cache size",
            "which exceeds the pre-allocated encoder cache size",
        ),
    ),
)
