"""Identify the episode: a changed intent, image or GPU starts a new one, without earlier failures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.engine.flags import canonical_json
from vlm_operator.gpu.facts import GPUFacts

_UNRELATED: Final = frozenset({"replicas", "service", "retune", "dryRun"})
"""Fields of the spec that say nothing about how a server starts."""


def episode_of(spec: Mapping[str, Any], gpu: GPUFacts | None, model_config: str | None = None) -> str:
    """16 hexadecimal digits of the intent and of the GPU it is planned for.

    Args:
        model_config: digest of the ConfigMap that the spec names for the model's config, None where it names none.
    """
    intent = {key: value for key, value in spec.items() if key not in _UNRELATED}
    shape = None if gpu is None else [gpu.label, gpu.total_bytes, gpu.nvml_total_bytes]
    given = [] if model_config is None else [model_config]
    return hashlib.sha256(canonical_json([intent, shape, *given]).encode()).hexdigest()[:16]
