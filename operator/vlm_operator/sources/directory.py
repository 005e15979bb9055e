"""Read a model folder: ``config.json``, and safetensors headers where they are present."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from vlm_operator.errors import InputError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources.json_document import LARGEST_CONFIG_BYTES, parse_object, read_object, unreadable
from vlm_operator.sources.model_files import CONFIG_NAME, ModelFiles
from vlm_operator.sources.safetensors import read_headers

__all__ = ["CONFIG_NAME", "MISTRAL_CONFIG_NAME", "STANDARD_INPUT", "files_at", "load_path"]

MISTRAL_CONFIG_NAME: Final = "params.json"
STANDARD_INPUT: Final = "-"


def load_path(name: str, *, hf_overrides: Mapping[str, Any] | None = None) -> ModelFacts:
    """Facts of a model directory, of a ``config.json`` alone, or of one on standard input (``-``).

    Raises:
        InputError: the folder has no config, or a file is not what it should be; the file is named.
        UnknownFact: the config describes a model whose layout is not known.
    """
    files, source = files_at(name)
    return files.facts(model=name, source=source, hf_overrides=hf_overrides)


def files_at(name: str) -> tuple[ModelFiles, str]:
    """What the files at a path (or on standard input) say, and where they were read, in words.

    Args:
        name: a directory, a ``config.json``, or ``-``. Of a folder in Mistral's own format alone ``params.json`` is
            read.

    Raises:
        InputError: the folder has no config, or a file is not what it should be; the file is named.
    """
    if name == STANDARD_INPUT:
        content = sys.stdin.buffer.read(LARGEST_CONFIG_BYTES + 1)
        if len(content) > LARGEST_CONFIG_BYTES:
            raise InputError(f"standard input holds more than the {LARGEST_CONFIG_BYTES:,} bytes that are read")
        return ModelFiles(parse_object(content, "standard input"), {}), "config on standard input"
    path = Path(name).expanduser()
    try:
        is_directory = path.is_dir()
    except OSError as error:
        raise unreadable(path, error) from error
    if not is_directory:
        beside = path.name == CONFIG_NAME and path.is_file()  # files beside another name may be of another model
        return ModelFiles.in_folder(path.parent) if beside else ModelFiles(read_object(path), {}), f"{path}"
    if not (path / CONFIG_NAME).is_file() and (path / MISTRAL_CONFIG_NAME).is_file():
        return ModelFiles(read_object(path / MISTRAL_CONFIG_NAME), {}), f"{path / MISTRAL_CONFIG_NAME}"
    _require_config(path)
    files = ModelFiles.in_folder(path).with_tensors(read_headers(path))
    return files, f"{path}: {files.read_from}"


def _require_config(directory: Path) -> None:
    config = directory / CONFIG_NAME
    if config.is_file():
        return
    if config.is_symlink():
        raise InputError(f"{config} is a link to a file that is not there", field=str(config))
    raise InputError(
        f"{directory} has no {CONFIG_NAME}",
        field=CONFIG_NAME,
        hint="give the folder that holds the model's config.json, or a Hugging Face id (see vlmctl models)",
    )
