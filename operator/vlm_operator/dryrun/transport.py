"""How a report leaves a container: as the termination message where it is short enough, else in the log."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any, TextIO

LONGEST_MESSAGE = 4096
"""Bytes that the kubelet keeps of a termination message (Kubernetes' ``MaxPodTerminationMessageLogLength``)."""

PREFIX = "vlm-dry-run/1 "
"""What a report begins with, as the termination message or as a line of the log."""

IN_LOG = "vlm-dry-run/1 in the log"
"""The termination message where the report is too long for one."""


def encoded(report: Mapping[str, Any]) -> str:
    """The report on one line: compressed JSON in base64."""
    text = json.dumps(report, sort_keys=True, separators=(",", ":"))
    return PREFIX + base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def deliver(report: Mapping[str, Any], message_path: str, log: TextIO) -> None:
    """Write the report to the termination message file, or the log and a pointer to it."""
    text = encoded(report)
    short = len(text) <= LONGEST_MESSAGE
    if not short:
        log.write(f"\n{text}\n")
        log.flush()
    with open(message_path, "w", encoding="ascii") as stream:
        stream.write(text if short else IN_LOG)
