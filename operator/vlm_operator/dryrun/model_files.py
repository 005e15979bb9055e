"""The model's small files: where they lie, and what they say of the model."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.py", "*.tiktoken")
INDEXES = ("*.index.json",)

REPORTED = (
    "config.json",
    "hf_quant_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "modules.json",
)
"""Files whose content the report holds: the caller reads the model's layout from them."""

LONGEST_FILE_BYTES = 65536


def repository_folder(repository: str, revision: str | None) -> str:
    """The folder with the small files of a Hugging Face repository: its cache's, or a download of these files only.

    Raises:
        Exception: what ``huggingface_hub`` raises where neither is possible.
    """
    os.environ["HF_HUB_DISABLE_XET"] = "1"  # it writes beside the cache, which may be read-only
    from huggingface_hub import snapshot_download

    try:
        cached = snapshot_download(repository, revision=revision, local_files_only=True)
        if os.path.isfile(os.path.join(cached, "config.json")):
            return str(cached)
    except Exception as error:  # not in the cache
        print(f"not in the cache: {type(error).__name__}: {error}")
    return str(
        snapshot_download(
            repository,
            revision=revision,
            allow_patterns=list(SMALL_FILES),
            ignore_patterns=list(INDEXES),
            cache_dir=os.path.join(tempfile.gettempdir(), "vlm-dry-run-models"),
        )
    )


def reported_files(folder: str) -> dict[str, Any]:
    """The files of ``REPORTED`` that the folder has, parsed; those that are too long or no JSON are left out."""
    found: dict[str, Any] = {}
    for name in REPORTED:
        path = os.path.join(folder, name)
        try:
            if os.path.getsize(path) <= LONGEST_FILE_BYTES:
                with open(path, encoding="utf-8-sig") as stream:
                    found[name] = json.load(stream)
        except (OSError, ValueError):
            continue
    return found
