"""``status.modelCache``: which volume holds the downloads, and what a new pod downloads again."""

from __future__ import annotations

import math
from typing import Any, Final

from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.lifecycle.server import Server
from vlm_operator.rendering.model_cache import ModelCache
from vlm_operator.units import GIB, format_gib

SPARE_PART: Final = 1.25
"""Size of a cache over that of the weights: room for the tokenizer, compiled code and half a download of a revision."""


def model_cache_status(spec: VLMDeploymentSpec, server: Server) -> dict[str, Any]:
    """The status of a server's model cache.

    Weights are counted as the GPUs hold them: a checkpoint that is quantised while it is loaded is larger.
    """
    cache, weights = server.request.cache, server.weights_bytes if spec.model.id is not None else 0
    volume, name = _volume(cache)
    status: dict[str, Any] = {"volume": volume, "name": name, "message": _words(cache, weights)}
    if weights:
        status["downloadBytes"] = weights
    return {key: value for key, value in status.items() if value is not None}


def _volume(cache: ModelCache) -> tuple[str, str | None]:
    if cache.claim is not None:
        return ("CreatedClaim" if cache.created_bytes else "Claim"), cache.claim
    if cache.host_path is not None:
        return "HostPath", cache.host_path
    return "EmptyDir", None


def _words(cache: ModelCache, weights: int) -> str:
    size = cache.created_bytes or cache.limit_bytes
    if size and size < weights:
        field = "size" if cache.created_bytes else "emptyDir.sizeLimit"
        return (
            f"model.cache.{field} is {format_gib(size)}, and the weights take {format_gib(weights)}: set it to "
            f"{_enough(weights)} or more"
        )
    if cache.read_only:
        return "read-only: nothing is downloaded, and every new pod compiles anew"
    if cache.created_bytes:
        return "kept through every retune; deleted with the VLMDeployment"
    if cache.outlives_the_pod:
        return "kept through every retune; the operator never deletes it"
    if not weights:
        return "every new pod compiles anew, so each retune does; model.cache keeps compiled code"
    return (
        f"every new pod downloads {format_gib(weights)} again, so each retune does; model.cache.size: "
        f"{_enough(weights)} keeps them"
    )


def _enough(weights: int) -> str:
    return f"{math.ceil(weights * SPARE_PART / GIB)}Gi"
