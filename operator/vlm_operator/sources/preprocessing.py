"""Find the preprocessor files beside a model's config."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

from vlm_operator.errors import InputError
from vlm_operator.sources.directory import CONFIG_NAME, STANDARD_INPUT
from vlm_operator.sources.json_document import LARGEST_CONFIG_BYTES, parse_object, read_object, unreadable

_MISTRAL_CONFIG_NAME: Final = "params.json"
_COMPANIONS: Final = {
    "preprocessor": "preprocessor_config.json",
    "video_preprocessor": "video_preprocessor_config.json",
    "processor": "processor_config.json",
}


def is_path(name: str) -> bool:
    """True where the name is a path rather than a Hugging Face id: written as one, or there."""
    if name == STANDARD_INPUT or name.startswith(("/", "./", "../", "~")) or name.endswith((".json", os.sep)):
        return True
    try:
        return os.path.lexists(Path(name).expanduser())
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"model: {name[:80]!r} is neither a path nor a Hugging Face id", field="model") from error


def read_config_files(name: str) -> dict[str, dict[str, Any] | None]:
    """The config at a path (``config``), and the preprocessor files of the same folder, None for each that is missing.

    A file of another name than ``config.json`` is taken alone: what lies beside it may belong to other models.

    Raises:
        InputError: there is no config, or a file is not what it should be.
    """
    files: dict[str, dict[str, Any] | None] = dict.fromkeys(("config", *_COMPANIONS))
    if name == STANDARD_INPUT:
        files["config"] = parse_object(sys.stdin.buffer.read(LARGEST_CONFIG_BYTES + 1), "standard input")
        return files
    path = Path(name).expanduser()
    try:
        folder = path if path.is_dir() else path.parent if path.name == CONFIG_NAME else None
        config = path / CONFIG_NAME if path.is_dir() else path
        if path.is_dir() and not config.is_file() and (path / _MISTRAL_CONFIG_NAME).is_file():
            config = path / _MISTRAL_CONFIG_NAME
        if path.is_dir() and not config.is_file():
            raise InputError(
                f"{path} has no {CONFIG_NAME}",
                field=CONFIG_NAME,
                hint="give the folder that holds the model's config.json, or a Hugging Face id",
            )
        files["config"] = read_object(config)
        for key, companion in _COMPANIONS.items():
            if folder is not None and (folder / companion).is_file():
                files[key] = read_object(folder / companion)
    except OSError as error:
        raise unreadable(path, error) from error
    return files
