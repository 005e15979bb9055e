"""What a dry run is asked: the model, vLLM's flags, the GPU, and what is to be counted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .gpu import GPU


class BadRequest(Exception):
    """The request cannot be understood; the text names the field and the value."""


class NoModel(BadRequest):
    """The model's files are not where the request says."""


@dataclass(frozen=True)
class Request:
    """One dry run.

    Attributes:
        model: directory with the model's config, processor and tokenizer files; of a repository once it was found.
        repository: Hugging Face id, where the files are to be taken from its cache or the Hub.
        revision: of the repository.
        engine: vLLM's flags by their names in ``EngineArgs`` (``max_model_len``).
        contexts: lengths, tokens, whose need of KV cache is asked; the served one is added.
        items: images and videos to count: ``{"modality": "image", "width": 1920, "height": 1080}``.
    """

    model: str
    gpu: GPU
    engine: Mapping[str, Any] = field(default_factory=dict)
    contexts: tuple[int, ...] = ()
    items: tuple[Mapping[str, Any], ...] = ()
    repository: str | None = None
    revision: str | None = None

    @property
    def tensor_parallel_size(self) -> int:
        """GPUs that a layer is divided over."""
        return int(self.engine.get("tensor_parallel_size") or 1)

    @classmethod
    def read(cls, document: Any) -> Request:
        """The request that a JSON document holds.

        Raises:
            NoModel: the model's directory has no config.
            BadRequest: a field is missing, or not of its type.
        """
        if not isinstance(document, Mapping):
            raise BadRequest(f"request: a JSON object is expected, not {type(document).__name__}")
        try:
            repository, revision = document.get("repository"), document.get("revision")
            model, gpu = str(document["model"] if repository is None else ""), GPU.read(document["gpu"])
            engine = dict(document.get("engine") or {})
            contexts = tuple(int(length) for length in document.get("contexts") or ())
            items = tuple(dict(item) for item in document.get("items") or ())
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(f"request: {type(error).__name__}: {error}") from error
        if repository is None:
            require_config(model)
        return cls(model, gpu, engine, contexts, items, repository, revision)


def require_config(folder: str) -> None:
    """Returns where the folder has a ``config.json``.

    Raises:
        NoModel: it has none.
    """
    if not os.path.isfile(os.path.join(folder, "config.json")):
        why = "" if os.path.isdir(folder) else ": there is no such directory"
        raise NoModel(f"model: {folder} has no config.json{why}")
