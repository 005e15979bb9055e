"""Is this the same command? A fingerprint of everything that decides how vLLM starts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from vlm_operator.engine.flags import canonical_json


def fingerprint(image: str, arguments: Sequence[str], resources: Mapping[str, int], gpu_product: str) -> str:
    """16 hexadecimal digits of the image, the arguments in order, the GPUs asked for and their product."""
    text = canonical_json([image, list(arguments), dict(resources), gpu_product])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
