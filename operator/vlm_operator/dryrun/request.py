"""What a dry run is asked: the model, vLLM's flags, the GPU, and what is to be counted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .gpu import GPU


class BadRequest(Exception):
    """The request cannot be understood; the text names the field and the value."""


@dataclass(frozen=True)
class Request:
    """One dry run.

    Attributes:
        model: directory with the model's config, processor and tokenizer files.
        engine: vLLM's flags by their names in ``EngineArgs`` (``max_model_len``).
        contexts: lengths, tokens, whose need of KV cache is asked; the served one is added.
        items: images and videos to count: ``{"modality": "image", "width": 1920, "height": 1080}``.
    """

    model: str
    gpu: GPU
    engine: Mapping[str, Any] = field(default_factory=dict)
    contexts: tuple[int, ...] = ()
    items: tuple[Mapping[str, Any], ...] = ()

    @property
    def tensor_parallel_size(self) -> int:
        """GPUs that a layer is divided over."""
        return int(self.engine.get("tensor_parallel_size") or 1)

    @classmethod
    def read(cls, document: Any) -> Request:
        """The request that a JSON document holds.

        Raises:
            BadRequest: a field is missing, not of its type, or the model's directory has no config.
        """
        if not isinstance(document, Mapping):
            raise BadRequest(f"request: a JSON object is expected, not {type(document).__name__}")
        try:
            model, gpu = str(document["model"]), GPU.read(document["gpu"])
            engine = dict(document.get("engine") or {})
            contexts = tuple(int(length) for length in document.get("contexts") or ())
            items = tuple(dict(item) for item in document.get("items") or ())
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"request: {type(error).__name__}: {error}") from error
        if not os.path.isfile(os.path.join(model, "config.json")):
            raise BadRequest(f"model: {model} has no config.json")
        return cls(model, gpu, engine, contexts, items)
