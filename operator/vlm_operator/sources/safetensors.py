"""Read the headers of safetensors files, never their data.

The format: eight bytes, little-endian, say how long the header is; then that much JSON, tensor name to ``dtype``,
``shape`` and ``data_offsets`` (https://huggingface.co/docs/safetensors/index#format).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from vlm_operator.errors import InputError
from vlm_operator.sources.json_document import parse_object, read_object, unreadable
from vlm_operator.units import MIB

INDEX_NAME: Final = "model.safetensors.index.json"
LARGEST_HEADER_BYTES: Final = 100_000_000
"""The format's own bound (safetensors, ``tensor.rs``, ``MAX_HEADER_SIZE``)."""

_LARGEST_INDEX_BYTES: Final = 64 * MIB
_MOST_SHARDS: Final = 4096
_LFS_POINTER: Final = b"version "


class TensorHeader(NamedTuple):
    """One tensor as a header describes it: the format's name of its element type (``BF16``), and its shape."""

    dtype: str
    shape: tuple[int, ...]


def read_headers(directory: Path) -> dict[str, TensorHeader] | None:
    """All tensors of the checkpoint in a directory, or None where it holds no safetensors file.

    Where there is an index, the files it names are read and no others, as vLLM does.

    Raises:
        InputError: an index or a header that is wrong, or a shard that is missing; the file is named.
    """
    index = directory / INDEX_NAME
    if index.is_file():
        shards = shard_names(read_object(index, _LARGEST_INDEX_BYTES), str(index))
        missing = [shard for shard in shards if not (directory / shard).is_file()]
        if missing:
            raise InputError(
                f"{index} names {len(shards)} files, {len(missing)} are missing: {', '.join(missing[:3])}",
                field=str(index),
                hint="finish the download, or give the path of config.json alone to plan from it",
            )
    else:
        shards = sorted(path.name for path in directory.glob("*.safetensors"))
        if any(not shard.startswith("consolidated") for shard in shards):
            # The same weights once more, in Mistral's own layout.
            shards = [shard for shard in shards if not shard.startswith("consolidated")]
    tensors: dict[str, TensorHeader] = {}
    for shard in shards[:_MOST_SHARDS]:
        tensors.update(read_header(directory / shard))
    return tensors or None


def shard_names(index: Mapping[str, Any], name: str) -> list[str]:
    """The files that a ``model.safetensors.index.json`` names, sorted.

    Raises:
        InputError: no ``weight_map``, or a name that is not a plain file name.
    """
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError(f"{name}: weight_map is missing or empty", field="weight_map", hint="download the index again")
    names = set()
    for tensor, shard in weight_map.items():
        if not isinstance(shard, str) or not _is_plain_file_name(shard):
            raise InputError(
                f"{name}: weight_map names {str(shard)[:60]!r} for {tensor[:60]!r}, no file of the same folder",
                field="weight_map",
            )
        names.add(shard)
    if len(names) > _MOST_SHARDS:
        raise InputError(f"{name}: weight_map names {len(names)} files, at most {_MOST_SHARDS} are read")
    return sorted(names)


def _is_plain_file_name(name: str) -> bool:
    return name.endswith(".safetensors") and not any(character in name for character in "/\\\0") and len(name) < 256


def read_header(path: Path) -> dict[str, TensorHeader]:
    """The tensors of one safetensors file.

    Raises:
        InputError: truncated, a length that is not possible, or a header that is not the format's.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if start == _LFS_POINTER:
                raise InputError(f"{path} is a Git LFS pointer, not weights", field=str(path), hint="run: git lfs pull")
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(size - 8, LARGEST_HEADER_BYTES):
                raise InputError(
                    f"{path}: a header of {length:,} bytes in a file of {size:,}: truncated, or not a safetensors file",
                    field=str(path),
                    hint="download the file again",
                )
            content = file.read(length)
    except OSError as error:
        raise unreadable(path, error) from error
    return {
        name: _tensor(values, f"{path}: {name[:80]}")
        for name, values in parse_object(content, f"header of {path}").items()
        if name != "__metadata__"
    }


def _tensor(values: object, where: str) -> TensorHeader:
    if isinstance(values, dict):
        dtype, shape = values.get("dtype"), values.get("shape")
        if (
            isinstance(dtype, str)
            and isinstance(shape, list)
            and all(type(item) is int and item >= 0 for item in shape)
        ):
            return TensorHeader(dtype, tuple(shape))
    raise InputError(f"{where}: dtype and shape are wanted, found {str(values)[:60]!r}", field=where)
