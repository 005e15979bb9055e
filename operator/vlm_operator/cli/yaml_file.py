"""Read YAML files of users within bounds: no file can take more memory than its own size explains, or crash a command.

What YAML has and JSON has not is refused with its place in the file, because Kubernetes does not read it either: dates,
numbers that are none, keys that are not text, a key twice, values of other types.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from vlm_operator.api.base import DEEPEST
from vlm_operator.errors import InputError

LARGEST_FILE: Final = 16 * 1024**2
"""Bytes read of one file."""

MOST_NODES: Final = 500_000
"""Values of one file: each takes about a kilobyte of memory while it is read."""

LARGEST_EXPANSION: Final = 4 * 1024**2
"""Bytes by which the aliases of one document may make it larger: more than an API server takes."""

DEPLOYMENT_LINES: Final = "it begins with 'apiVersion: vlm-operator.dev/v1alpha1' and 'kind: VLMDeployment'"
"""What tells a VLMDeployment from other documents."""

_NODE_BYTES: Final = 8
"""What a value counts for beside its text: quotes, commas, a mapping's or list's own marks."""

_PLAIN_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in ("str", "null", "bool", "int", "float", "seq", "map")}
_STRING: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"
_WORDS: Final = {
    "tag:yaml.org,2002:timestamp": "a date, which Kubernetes has no type for: put it in quotes",
    "tag:yaml.org,2002:binary": "binary data, which has no place here",
    "tag:yaml.org,2002:value": "'=', which YAML takes for something else: put it in quotes",
}


def read_text(path: str, field: str = "filename") -> str:
    """The text of a file, or of standard input for ``-``.

    Raises:
        InputError: it cannot be read, is not UTF-8, or is larger than 16 MiB.
    """
    try:
        data = sys.stdin.buffer.read(LARGEST_FILE + 1) if path == "-" else _head(Path(path))
        if len(data) > LARGEST_FILE:
            raise InputError(f"{field}: {path} is larger than 16 MiB", field=field)
        return data.decode()
    except OSError as error:
        raise InputError(f"{field}: {path}: {error.strerror}", field=field, hint="give a readable file") from None
    except UnicodeDecodeError:
        raise InputError(f"{field}: {path} is not UTF-8 text", field=field, hint="give a YAML or JSON file") from None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)


def read_documents(path: str, field: str = "filename") -> list[Any]:
    """The YAML or JSON documents of a file, which the option ``field`` names.

    Raises:
        InputError: not YAML, or YAML that no Kubernetes object can hold; with line and column.
    """
    text = read_text(path, field)
    try:
        _check_depth(path, text)
        return [item for item in _documents(path, text) if item is not None]
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(path, text, error) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"filename: {path} is not YAML: {error}", field="filename") from None


def _check_depth(path: str, text: str) -> None:
    """Before anything is built, which recurses."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if count > MOST_NODES:
            raise _refusal(path, event.start_mark, f"the file holds more than {MOST_NODES:,} values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise _refusal(path, event.start_mark, f"nested deeper than {DEEPEST} lists and mappings")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _documents(path: str, text: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            assert node is not None
            _Checked(path).check(node)
            yield loader.construct_document(node)
    finally:
        loader.dispose()


class _Checked:
    """One document, before its objects are built: sizes with every alias written out, in linear time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()
        self._written = 0

    def check(self, root: yaml.Node) -> None:
        """Raises InputError if no Kubernetes object can hold this."""
        self._size(root)

    def _size(self, node: yaml.Node) -> int:
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise _refusal(self._path, node.start_mark, "an alias stands inside what it stands for")
        self._open.add(id(node))
        size = own = _NODE_BYTES + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0)
        if node.tag not in _PLAIN_TAGS and node.tag != _MERGE:
            raise _refusal(self._path, node.start_mark, _WORDS.get(node.tag, f"{node.tag} is no type that JSON has"))
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node)
        elif isinstance(node, yaml.MappingNode):
            self._check_keys(node)
            size += sum(self._size(key) + self._size(value) for key, value in node.value)
        else:
            size += sum(map(self._size, node.value))
        self._open.discard(id(node))
        self._written += own
        if size - self._written > LARGEST_EXPANSION:
            raise _refusal(
                self._path, node.start_mark, f"aliases make it larger by more than {LARGEST_EXPANSION // 1024**2} MiB"
            )
        self._sizes[id(node)] = size
        return size

    def _check_scalar(self, node: yaml.ScalarNode) -> None:
        if node.tag.endswith(":float") and node.value.lower().lstrip("+-") in {".nan", ".inf"}:
            raise _refusal(self._path, node.start_mark, f"{node.value} is no number that JSON has")

    def _check_keys(self, node: yaml.MappingNode) -> None:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            if key.tag != _STRING:
                words = f"the key {str(key.value)[:40]!r} is not text: put it in quotes"
                if not isinstance(key, yaml.ScalarNode):
                    words = "a key is not text; where '{{ … }}' is a placeholder, fill the template in first"
                raise _refusal(self._path, key.start_mark, words)
            if key.value in seen:
                raise _refusal(self._path, key.start_mark, f"the key {key.value[:40]!r} stands twice in one mapping")
            seen.add(key.value)


def _not_yaml(path: str, text: str, error: yaml.MarkedYAMLError) -> InputError:
    """The parser's words with the place, and what is usually wrong there."""
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines()
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    hint = "check brackets, colons and indentation at that place and just before it"
    if "\t" in line[: len(line) - len(line.lstrip())]:
        hint = "indent with spaces: YAML allows no tabs there"
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return InputError(f"filename: {path} is not YAML: {place}{error.problem}", field="filename", hint=hint)


def _refusal(path: str, mark: Any, words: str) -> InputError:
    """An error that names the place; ``mark`` counts lines and columns from 0."""
    place = f"{path}, line {mark.line + 1}, column {mark.column + 1}"
    return InputError(f"filename: {place}: {words}", field="filename")
