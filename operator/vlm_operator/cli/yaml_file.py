"""YAML files of users: bounded, with errors that name the file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import yaml

from vlm_operator.errors import InputError

LARGEST_FILE: Final = 16 * 1024**2
"""Bytes read of one file."""


def read_text(path: str) -> str:
    """The text of a file, or of standard input for ``-``.

    Raises:
        InputError: it cannot be read, is not UTF-8, or is larger than 16 MiB.
    """
    try:
        data = sys.stdin.buffer.read(LARGEST_FILE + 1) if path == "-" else _head(Path(path))
        if len(data) > LARGEST_FILE:
            raise InputError(f"filename: {path} is larger than 16 MiB", field="filename")
        return data.decode()
    except OSError as error:
        raise InputError(f"filename: {path}: {error.strerror}", field="filename", hint="give a readable file") from None
    except UnicodeDecodeError:
        raise InputError(f"filename: {path} is not UTF-8 text", field="filename") from None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)


def read_documents(path: str) -> list[Any]:
    """The YAML or JSON documents of a file.

    Raises:
        InputError: not YAML.
    """
    try:
        return [item for item in yaml.load_all(read_text(path), Loader=yaml.CSafeLoader) if item is not None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"filename: {path} is not YAML: {error}", field="filename") from None
