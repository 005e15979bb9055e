"""Where the real node keeps what it downloaded, and where it runs."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Final

HERE: Final = Path(__file__).resolve().parent


def cache() -> Path:
    """What is downloaded or built once: outside the checkout, below XDG_CACHE_HOME where that is set."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vlm-operator" / "real"


def lab() -> Path:
    """What one run of the node writes; removed when it ends."""
    return cache() / "lab"


def take_lab() -> IO[str] | None:
    """The right to use ``lab``, held while the file is open; None where another run holds it."""
    cache().mkdir(parents=True, exist_ok=True)
    held = (cache() / "lab.lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        return None
    return held
