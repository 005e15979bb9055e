"""Read the report of a dry run out of a container's termination message or log, within bounds.

What a container prints is data of whoever wrote its image, and read as such. ``dryrun/transport.py`` is the other end.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any, Final

from vlm_operator.engine_facts.report import DryRunReport, read_report
from vlm_operator.errors import InputError

PREFIX: Final = "vlm-dry-run/1 "
IN_LOG: Final = "vlm-dry-run/1 in the log"

LONGEST_REPORT_BYTES: Final = 512 * 1024
"""Of the report as JSON; real ones have 2 to 40 KiB."""

_LONGEST_LINE: Final = LONGEST_REPORT_BYTES


def lies_in_log(message: str | None) -> bool:
    """True where the termination message says that the report is in the log."""
    return (message or "").strip() == IN_LOG


def report_in(text: str | None) -> DryRunReport | None:
    """The last report that a termination message or a log holds, None where it holds none.

    Raises:
        InputError: it holds one that cannot be read.
    """
    lines = [line for line in (text or "").splitlines() if line.startswith(PREFIX) and line.strip() != IN_LOG]
    return read_report(_decoded(lines[-1][len(PREFIX) :].strip())) if lines else None


def _decoded(line: str) -> Any:
    if len(line) > _LONGEST_LINE:
        raise InputError(f"dry run: a report of {len(line):,} characters is too long", field="report")
    try:
        packed = base64.b64decode(line, validate=True)
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(packed, LONGEST_REPORT_BYTES)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise InputError(f"dry run: a report has at most {LONGEST_REPORT_BYTES:,} bytes", field="report")
        return json.loads(content)
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise InputError(f"dry run: the report cannot be read: {type(error).__name__}", field="report") from error
