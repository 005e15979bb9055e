"""Ways of damaging a log, for tests and ``hack/fuzz/diagnosis``."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any, Final

Mutation = Callable[[bytes, random.Random], bytes]


def truncate(log: bytes, chance: random.Random) -> bytes:
    """Cut anywhere, at either end."""
    position = chance.randrange(len(log) + 1)
    return log[:position] if chance.random() < 0.7 else log[position:]


def drop_lines(log: bytes, chance: random.Random) -> bytes:
    """Some lines are missing."""
    share = chance.random()
    return b"\n".join(line for line in log.split(b"\n") if chance.random() > share)


def shuffle_lines(log: bytes, chance: random.Random) -> bytes:
    """Lines arrive in any order."""
    lines = log.split(b"\n")
    chance.shuffle(lines)
    return b"\n".join(lines)


def double_lines(log: bytes, chance: random.Random) -> bytes:
    """Lines, or the whole log, come several times."""
    if chance.random() < 0.3:
        return log + b"\n" + log
    return b"\n".join(line for line in log.split(b"\n") for _ in range(chance.choice((1, 1, 2, 3))))


def interleave_workers(log: bytes, chance: random.Random) -> bytes:
    """Eight workers print the same at once, each under its own prefix."""
    queues = [
        [re.sub(rb"^\(\w+ pid=\d+\)", b"(Worker_TP%d pid=%d)" % (rank, 100 + rank), line) for line in log.split(b"\n")]
        for rank in range(8)
    ]
    lines: list[bytes] = []
    while any(queues):
        queue = chance.choice([each for each in queues if each])
        lines.append(queue.pop(0))
    return b"\n".join(lines)


def random_bytes(log: bytes, chance: random.Random) -> bytes:
    """Bytes are overwritten or inserted, UTF-8 or not."""
    damaged = bytearray(log)
    for _ in range(chance.randrange(1, 200)):
        position = chance.randrange(len(damaged) + 1)
        if chance.random() < 0.5:
            damaged[position : position + 1] = bytes([chance.randrange(256)])
        else:
            damaged[position:position] = chance.randbytes(chance.randrange(8))
    return bytes(damaged)


def long_line(log: bytes, chance: random.Random) -> bytes:
    """One line of a megabyte stands in the middle."""
    position = chance.randrange(len(log) + 1)
    filler = chance.choice((b"x", b"1", b" ", b"[", b"ValueError: ", b'File "a.py", line 1, in f ', b"\x1b[0m", b"{"))
    return log[:position] + filler * (2**20 // len(filler)) + log[position:]


def wrap_lines(log: bytes, chance: random.Random) -> bytes:
    """A terminal broke long lines."""
    width = chance.randrange(40, 200)
    return b"\n".join(line[start : start + width] for line in log.split(b"\n") for start in range(0, len(line), width))


def carriage_returns(log: bytes, chance: random.Random) -> bytes:
    """Windows line ends, and progress bars."""
    return log.replace(b"\n", b"\r\n") if chance.random() < 0.5 else b"Loading:  10%\r" + log.replace(b"\n", b"\r", 3)


WHOLE_FIGURES: Final[tuple[Mutation, ...]] = (
    truncate, drop_lines, shuffle_lines, double_lines, interleave_workers, carriage_returns,
)  # fmt: skip
"""These leave each figure as it was, or take it away."""

OTHERS: Final[tuple[Mutation, ...]] = (random_bytes, long_line, wrap_lines)
"""These may change figures."""

_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def printed_numbers(log: bytes) -> frozenset[float]:
    """Every number that a log prints."""
    text = log.decode("utf-8", "replace")
    numbers: set[float] = set()
    for match in _NUMBER.finditer(text):
        for piece in (match[0], match[0].lstrip("-"), *match[0].split(",")):
            plain = piece.replace(",", "")
            if plain.strip("-.") and len(plain) < 300:
                numbers.add(float(plain))
    return frozenset(numbers)


def told_numbers(answer: dict[str, Any]) -> dict[str, float]:
    """Every number that a diagnosis says the log holds."""
    told = {name: value for name, value in answer["observation"].items() if name != "flags"}
    for failure in (answer["failure"], *answer["requestErrors"]):
        told |= failure["numbers"] if failure else {}
    return {name: float(value) for name, value in told.items() if isinstance(value, int | float)}
