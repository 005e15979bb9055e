"""Recognise exceptions with which vLLM's own code refuses something, by the file that raises them.

vLLM refuses in some thousand sentences (0.33: 5,100 messages of ``raise`` and ``assert``); most are read nowhere else.
Files that check flags refuse flags. In files of kernels, quantisation and models an exception is a refusal only if its
words say so: others are faults of vLLM, and stay unknown.
"""

from __future__ import annotations

import re
from typing import Final

from vlm_operator.engine.log_wordings.measured import CONFIGURATION_FILES

_ANY_WORDS: Final = re.compile(r"(?:Value|NotImplemented|Assertion|Type|Runtime|Import)Error: \S")
_REFUSING_WORDS: Final = re.compile(
    r"(?:Value|NotImplemented)Error: .{0,600}?(?:\bsupport(?:s|ed)?\b|[Uu]nsupported|\brequires?\b|\bonly\b|compatible|"
    r"\bmust be\b|[Ii]nvalid)"
)

REFUSALS: Final[tuple[tuple[str, str, re.Pattern[str]], ...]] = (
    *((part, "configuration_rejected", _ANY_WORDS) for part in CONFIGURATION_FILES),
    ("/vllm/model_executor/layers/quantization/", "quantization_refused", _REFUSING_WORDS),
    ("/vllm/model_executor/layers/fused_moe/", "quantization_refused", _REFUSING_WORDS),
    ("/vllm/model_executor/kernels/", "quantization_refused", _REFUSING_WORDS),
    ("/vllm/v1/attention/", "attention_refused", _REFUSING_WORDS),
    ("/vllm/attention/", "attention_refused", _REFUSING_WORDS),
    ("/vllm/model_executor/layers/attention/", "attention_refused", _REFUSING_WORDS),
    ("/vllm/model_executor/models/", "model_refused", _REFUSING_WORDS),
    ("/vllm/models/", "model_refused", _REFUSING_WORDS),
    ("/vllm/model_executor/model_loader/", "configuration_rejected", _REFUSING_WORDS),
    ("/vllm/v1/core/kv_cache_", "kv_layout_unsupported", _REFUSING_WORDS),
    ("/vllm/v1/worker/gpu/", "configuration_rejected", _REFUSING_WORDS),
)
"""A part of the path of the file that raises, the kind of failure that it then is, and how its words must be."""


def refusal_of(file: str, exception: str) -> str | None:
    """Name of the kind of failure that ``exception`` is because ``file`` raised it, or None.

    >>> refusal_of("/x/vllm/model_executor/layers/quantization/fp8.py", "ValueError: only supports dynamic scales")
    'quantization_refused'
    >>> refusal_of("/x/vllm/model_executor/layers/quantization/fp8.py", "ValueError: too many values to unpack") is None
    True
    """
    return next((kind for part, kind, words in REFUSALS if part in file and words.match(exception)), None)
