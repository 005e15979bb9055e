"""Format log records: one JSON object per line, or plain text for a terminal."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Final

_QUIET: Final = {"urllib3": logging.WARNING}
"""Loggers of libraries that say more than an administrator wants to read."""


class JsonFormatter(logging.Formatter):
    """``time``, ``level``, ``logger``, ``message``, and where they apply ``vlmdeployment`` and ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if vlmdeployment := getattr(record, "vlmdeployment", None):
            line["vlmdeployment"] = vlmdeployment
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False)


def set_up(log_format: str, level: str) -> None:
    """Log to stderr in this format (``json`` or ``plain``) from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if log_format == "json" else plain)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name, quietest in _QUIET.items():
        logging.getLogger(name).setLevel(max(quietest, logging.getLogger().level))
