"""Detect a log's encoding: UTF-8, or UTF-16 with the byte order mark that PowerShell writes."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain


def utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """``chunks`` as UTF-8; invalid UTF-16 becomes replacement characters.

    >>> b"".join(utf8(["log".encode("utf-16")]))
    b'log'
    """
    stream = iter(chunks)
    head = b""
    for chunk in stream:
        head += chunk
        if len(head) > 1:
            break
    if not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield head.removeprefix(codecs.BOM_UTF8)
        yield from stream
        return
    decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    for chunk in chain([head], stream):
        yield decoder.decode(chunk).encode("utf-8", "replace")
