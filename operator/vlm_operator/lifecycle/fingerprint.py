"""A fingerprint of everything that decides how vLLM starts: equal for the same command only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from vlm_operator.engine.flags import canonical_json


def fingerprint(
    image: str,
    arguments: Sequence[str],
    resources: Mapping[str, int],
    gpu_product: str,
    environment: Mapping[str, str],
) -> str:
    """16 hexadecimal digits of the image, the arguments in order, the GPUs asked for, their product and the plan's
    environment (``VLLM_CPU_KVCACHE_SPACE`` on the CPU backend).
    """
    identity = [image, list(arguments), dict(resources), gpu_product]
    # Commands without an environment of their own keep the fingerprint that older status fields hold.
    text = canonical_json([*identity, dict(environment)] if environment else identity)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
