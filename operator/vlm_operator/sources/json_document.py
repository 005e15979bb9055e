"""Read JSON written by others within bounds, so that no file can hang or crash a command."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Final

from vlm_operator.errors import InputError
from vlm_operator.units import MIB

LARGEST_CONFIG_BYTES: Final = 8 * MIB
"""Real ``config.json`` files hold some kilobytes; lists of unquantised modules make the longest a few hundred."""


class _RepeatedKey(ValueError):
    """An object that names one key twice says two things at once."""


def read_bytes(path: Path, limit: int) -> bytes:
    """The whole of a regular file of at most ``limit`` bytes.

    Raises:
        InputError: cannot be read, is no regular file, is empty or larger than the limit.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{path} is not a regular file", field=str(path))
            if status.st_size > limit:
                raise _too_large(path, status.st_size, limit)
            content: bytes = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if len(content) > limit:
        raise _too_large(path, len(content), limit)
    if not content.strip():
        raise InputError(f"{path} is empty", field=str(path), hint="download the file again")
    return content


def unreadable(path: Path, error: Exception) -> InputError:
    """The error for a path that the operating system refuses (missing, forbidden, a loop of links …)."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(
        f"{str(path)[:200]} cannot be read: {reason}",
        field=str(path)[:200],
        hint="give a folder that holds a model's config.json, the path of a config.json, or a Hugging Face id",
    )


def parse_object(content: bytes, name: str) -> dict[str, Any]:
    """The JSON object that ``content`` holds.

    Args:
        content: UTF-8 text.
        name: what to call it in errors, a path or an address.

    Raises:
        InputError: not UTF-8, not JSON, nested too deep, a key twice in one object, or not an object.
    """
    try:
        values = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_without_repeats)
    except _RepeatedKey as error:
        raise InputError(f"{name}: key {error} stands twice in one object", field=name) from error
    except RecursionError as error:
        raise InputError(f"{name}: nested too deep", field=name) from error
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        detail = str(error).splitlines()[0][:120]
        raise InputError(f"{name} is not JSON: {detail}", field=name, hint="download the file again") from error
    if not isinstance(values, dict):
        raise InputError(f"{name} holds {str(values)[:40]!r}, not an object", field=name)
    return values


def read_object(path: Path, limit: int = LARGEST_CONFIG_BYTES) -> dict[str, Any]:
    """The JSON object in a file of at most ``limit`` bytes.

    Raises:
        InputError: as ``read_bytes`` and ``parse_object``.
    """
    return parse_object(read_bytes(path, limit), str(path))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKey(repr(key[:60]))
            seen.add(key)
    return values


def _open_without_waiting(path: str, flags: int) -> int:
    """Opens without waiting for a writer: a pipe named ``config.json`` must not hang the command."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _too_large(path: Path, size: int, limit: int) -> InputError:
    return InputError(
        f"{path} holds {size:,} bytes or more; at most {limit:,} are read",
        field=str(path),
        hint="give the model's config.json itself",
    )
