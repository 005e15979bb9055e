"""Requests that the rendering tests share."""

from __future__ import annotations

from typing import Any

from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.engine.version import EngineVersion
from vlm_operator.rendering import ServerRequest, server_request

FLAGS = ("--max-model-len", "32768", "--gpu-memory-utilization", "0.9", "--limit-mm-per-prompt", '{"image":4}')


def request(
    spec: dict[str, Any] | None = None, *, name: str = "qwen3-vl", gpus: int = 1, product: str | None = "NVIDIA-L4"
) -> ServerRequest:
    """The request of a spec, as the operator makes it, with the flags of a small plan."""
    manifest = {"metadata": {"name": name}, "spec": {"model": {"id": "Qwen/Qwen3-VL-8B-Instruct"}, **(spec or {})}}
    return server_request(
        parse(VLMDeployment, manifest).spec,
        name=name,
        namespace="vision",
        version=EngineVersion(0, 32),
        flags=FLAGS,
        fingerprint="0123456789abcdef",
        gpu_count=gpus,
        gpu_product=product,
    )
